#include "images/reference.h"

#include <algorithm>

#include "images/digest.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

Error invalid(std::string_view text, std::string_view why) {
  return Error(Reason::kInvalid,
               "couldn't parse image name \"" + std::string(text) + "\": " + std::string(why));
}

bool lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool word(char c) {
  return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

// Lower-case letters and digits, joined by one '.', one or two '_', or any number of '-'.
bool valid_component(std::string_view part) {
  if (part.empty() || !lower_or_digit(part.front()) || !lower_or_digit(part.back())) return false;
  for (std::size_t i = 0; i < part.size();) {
    if (lower_or_digit(part[i])) {
      ++i;
      continue;
    }
    const char separator = part[i];
    std::size_t run = 0;
    while (i < part.size() && part[i] == separator) ++i, ++run;
    const bool good = separator == '-' || (separator == '.' && run == 1) || (separator == '_' && run <= 2);
    if (!good || !lower_or_digit(part[i])) return false;
  }
  return true;
}

bool valid_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= 128 && word(tag.front()) &&
         std::all_of(tag.begin(), tag.end(), [](char c) { return word(c) || c == '.' || c == '-'; });
}

bool valid_registry(std::string_view host) {
  const auto colon = host.rfind(':');
  if (colon != std::string_view::npos && !host.ends_with(']')) {
    const auto port = parse_int(host.substr(colon + 1));
    if (!port || *port < 1 || *port > 65535) return false;
    host = host.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return !host.empty() && (word(host.front()) || host.front() == ':') &&
         std::all_of(host.begin(), host.end(),
                     [](char c) { return word(c) || c == '.' || c == '-' || c == ':'; });
}

// The first part is a registry when it could not be the start of a Docker Hub name.
bool names_registry(std::string_view first) {
  return first.find_first_of(".:[") != std::string_view::npos || first == "localhost" ||
         std::any_of(first.begin(), first.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

std::string Reference::str() const {
  std::string out = name();
  if (!tag.empty()) out += ":" + tag;
  if (!digest.empty()) out += "@" + digest;
  return out;
}

Result<Reference> parse_reference(std::string_view text) {
  Reference out;
  std::string_view rest = text;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    out.digest = rest.substr(at + 1);
    if (!valid_digest(out.digest))
      return invalid(text, "the digest must be sha256: and 64 lower-case hex digits");
    rest = rest.substr(0, at);
  }
  const auto slash = rest.rfind('/');
  const auto colon = rest.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    out.tag = rest.substr(colon + 1);
    if (!valid_tag(out.tag)) return invalid(text, "invalid tag");
    rest = rest.substr(0, colon);
  }
  const auto first = rest.find('/');
  if (first != std::string_view::npos && names_registry(rest.substr(0, first))) {
    out.registry = rest.substr(0, first);
    rest = rest.substr(first + 1);
  } else {
    out.registry = "docker.io";
  }
  if (out.registry == "index.docker.io") out.registry = "docker.io";
  if (!valid_registry(out.registry)) return invalid(text, "invalid registry host");
  out.repository = rest;
  if (out.registry == "docker.io" && rest.find('/') == std::string_view::npos)
    out.repository.insert(0, "library/");
  if (out.repository.size() > 255) return invalid(text, "the name is longer than 255 characters");
  for (const auto part : split(out.repository, '/'))
    if (!valid_component(part))
      return invalid(text, "invalid reference format: repository names are lower case");
  if (out.tag.empty() && out.digest.empty()) out.tag = "latest";
  return out;
}

}  // namespace mk::kubelet
