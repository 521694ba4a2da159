#include <array>

#include "mk/cel/schema_types.h"

// Property names as identifiers (Kubernetes' documentation, "Escaping").
namespace mk::cel {

namespace {

constexpr std::array<std::string_view, 21> kWords{
    "true",     "false",   "null",      "in",       "as",  "break",  "const",
    "continue", "else",    "for",       "function", "if",  "import", "let",
    "loop",     "package", "namespace", "return",   "var", "void",   "while"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kSigns{
    {{"__", "__underscores__"}, {".", "__dot__"}, {"-", "__dash__"}, {"/", "__slash__"}}};

bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

}  // namespace

std::string escape_property(std::string_view property) {
  for (const auto word : kWords) {
    if (property == word) return "__" + std::string(word) + "__";
  }
  if (property.empty() || !letter(property[0])) return "";
  std::string out;
  while (!property.empty()) {
    bool replaced = false;
    for (const auto& [sign, name] : kSigns) {
      if (!property.starts_with(sign)) continue;
      out.append(name);
      property.remove_prefix(sign.size());
      replaced = true;
      break;
    }
    if (replaced) continue;
    if (!letter(property[0]) && (property[0] < '0' || property[0] > '9')) return "";
    out.push_back(property[0]);
    property.remove_prefix(1);
  }
  return out;
}

std::optional<std::string> unescape_property(std::string_view identifier) {
  if (identifier.size() > 4 && identifier.starts_with("__") && identifier.ends_with("__")) {
    const auto inside = identifier.substr(2, identifier.size() - 4);
    for (const auto word : kWords) {
      if (inside == word) return std::string(word);
    }
  }
  std::string out;
  while (!identifier.empty()) {
    bool replaced = false;
    for (const auto& [sign, name] : kSigns) {
      if (!identifier.starts_with(name)) continue;
      out.append(sign);
      identifier.remove_prefix(name.size());
      replaced = true;
      break;
    }
    if (replaced) continue;
    if (identifier.starts_with("__")) return std::nullopt;
    out.push_back(identifier[0]);
    identifier.remove_prefix(1);
  }
  return out;
}

}  // namespace mk::cel
