#include "check/functions.h"

#include <unordered_map>

#include "mk/base/assert.h"
#include "mk/base/strings.h"

namespace mk::cel {

namespace {

// Reads signatures of rows; they are ours, so a malformed one is an invariant broken.
class SignatureReader {
 public:
  explicit SignatureReader(std::string_view text) : text_(text) {}

  Overload read() {
    Overload out;
    const auto open = text_.find('(');
    MK_ASSERT(open != std::string_view::npos);
    std::string_view head = text_.substr(0, open);
    if (const auto colons = head.find("::"); colons != std::string_view::npos) {
      out.member = true;
      SignatureReader receiver(head.substr(0, colons));
      out.parameters.push_back(receiver.type());
      head.remove_prefix(colons + 2);
    }
    out.name = head;
    text_.remove_prefix(open + 1);
    while (!skip(')')) {
      out.parameters.push_back(type());
      skip(',');
    }
    MK_ASSERT(skip(':'));
    out.result = type();
    MK_ASSERT(text_.empty());
    return out;
  }

 private:
  bool skip(char c) {
    text_ = trim(text_);
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  TypePtr type() {
    text_ = trim(text_);
    const auto end = text_.find_first_of("<>,)");
    const std::string name(trim(text_.substr(0, end)));
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end);
    MK_ASSERT(!name.empty());
    std::vector<TypePtr> inner;
    if (skip('<')) {
      while (!skip('>')) {
        inner.push_back(type());
        skip(',');
      }
    }
    return named(name, std::move(inner));
  }

  static TypePtr named(const std::string& name, std::vector<TypePtr> inner) {
    static const std::unordered_map<std::string, TypePtr> kSimple{
        {"int", types::integer()},         {"uint", types::uint()},
        {"double", types::real()},         {"bool", types::boolean()},
        {"string", types::string()},       {"bytes", types::bytes()},
        {"null", types::null()},           {"dyn", types::dyn()},
        {"timestamp", types::timestamp()}, {"duration", types::duration()},
        {"type", types::type_of(nullptr)}};
    if (name == "list") return types::list(inner.at(0));
    if (name == "map") return types::map(inner.at(0), inner.at(1));
    if (name == "optional") return types::optional(inner.at(0));
    if (name == "type" && !inner.empty()) return types::type_of(inner.at(0));
    if (const auto found = kSimple.find(name); found != kSimple.end()) return found->second;
    if (name.size() == 1 && name[0] >= 'A' && name[0] <= 'Z') return types::param(name);
    return types::opaque(name);
  }

  std::string_view text_;
};

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
};
using Table = std::unordered_map<std::string, std::vector<Overload>, NameHash, std::equal_to<>>;

Table build() {
  Table out;
  for (const auto rows :
       {standard_operators(), standard_functions(), conversion_functions(), time_functions(),
        optional_functions(), string_functions(), format_functions(), list_functions(), set_functions(),
        regex_functions(), url_functions(), ip_functions(), quantity_functions(), semver_functions(),
        named_format_functions(), authorizer_functions(), json_patch_functions()}) {
    for (const auto& row : rows) {
      Overload overload = SignatureReader(row.signature).read();
      overload.run = row.run;
      overload.cost = row.cost;
      out[overload.name].push_back(std::move(overload));
    }
  }
  return out;
}

}  // namespace

const std::vector<Overload>* find_functions(std::string_view name) {
  static const Table table = build();
  const auto found = table.find(name);
  return found == table.end() ? nullptr : &found->second;
}

bool fits(const Type& parameter, const Value& value) {
  using Kind = Value::Kind;
  switch (parameter.kind) {
    case Type::Kind::kDyn:
    case Type::Kind::kParam:
      return true;
    case Type::Kind::kNull:
      return value.is(Kind::kNull);
    case Type::Kind::kBool:
      return value.is(Kind::kBool);
    case Type::Kind::kInt:
      return value.is(Kind::kInt);
    case Type::Kind::kUint:
      return value.is(Kind::kUint);
    case Type::Kind::kDouble:
      return value.is(Kind::kDouble);
    case Type::Kind::kString:
      return value.is(Kind::kString);
    case Type::Kind::kBytes:
      return value.is(Kind::kBytes);
    case Type::Kind::kTimestamp:
      return value.is(Kind::kTimestamp);
    case Type::Kind::kDuration:
      return value.is(Kind::kDuration);
    case Type::Kind::kList:
      return value.is(Kind::kList);
    case Type::Kind::kMap:
    case Type::Kind::kObject:
      return value.is(Kind::kMap);
    case Type::Kind::kOpaque:
      return value.is(Kind::kOpaque) && value.as_opaque().type()->name == parameter.name;
    case Type::Kind::kOptional:
      return value.is(Kind::kOptional);
    case Type::Kind::kType:
      return value.is(Kind::kType);
    case Type::Kind::kError:
      return false;
  }
  return false;
}

}  // namespace mk::cel
