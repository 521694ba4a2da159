#include "mk/api/validation.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "mk/base/strings.h"

namespace mk::api {
namespace {

constexpr std::size_t kLabelMax = 63;
constexpr std::size_t kSubdomainMax = 253;
constexpr std::size_t kAnnotationsBytesMax = 256 * 1024;

constexpr std::string_view kLabelMessage =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kSubdomainMessage =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view kLabel1035Message =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kQualifiedMessage =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kLabelValueMessage =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    "validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

bool lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool alnum(char c) {
  return lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

bool is_label(std::string_view text) {
  return !text.empty() && lower_alnum(text.front()) && lower_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return lower_alnum(c) || c == '-'; });
}

bool is_qualified_part(std::string_view text) {
  return !text.empty() && alnum(text.front()) && alnum(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

std::string no_more_than(std::size_t length) {
  return fmt::format("must be no more than {} characters", length);
}

std::string both(std::string first, std::string_view second) {
  return first.empty() ? std::string(second) : first + "; " + std::string(second);
}

std::string quoted(std::string_view value) {
  return to_json(Json(value));
}

}  // namespace

Cause required(std::string field, std::string_view detail) {
  return {std::move(field), "FieldValueRequired",
          detail.empty() ? "Required value" : fmt::format("Required value: {}", detail)};
}

Cause invalid(std::string field, std::string_view value, std::string_view detail) {
  return {std::move(field), "FieldValueInvalid", fmt::format("Invalid value: {}: {}", value, detail)};
}

Cause not_supported(std::string field, std::string_view value, const std::vector<std::string>& supported) {
  std::vector<std::string> names;
  for (const auto& name : supported) names.push_back(quoted(name));
  std::sort(names.begin(), names.end());
  return {std::move(field), "FieldValueNotSupported",
          fmt::format("Unsupported value: {}: supported values: {}", value, join(names, ", "))};
}

Cause forbidden(std::string field, std::string_view detail) {
  return {std::move(field), "FieldValueForbidden", fmt::format("Forbidden: {}", detail)};
}

Cause duplicate(std::string field, std::string_view value) {
  return {std::move(field), "FieldValueDuplicate", fmt::format("Duplicate value: {}", value)};
}

Cause too_long(std::string field, std::size_t length_max) {
  return {std::move(field), "FieldValueTooLong",
          fmt::format("Too long: may not be more than {} bytes", length_max)};
}

Cause immutable(std::string field, std::string_view value) {
  return invalid(std::move(field), value, "field is immutable");
}

Error invalid_object(const Gvk& kind, std::string_view name, std::vector<Cause> causes) {
  std::vector<std::string> texts;
  for (const auto& cause : causes) {
    const auto text = cause.field.empty() ? cause.message : cause.field + ": " + cause.message;
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  }
  const auto qualified = kind.group.empty() ? kind.kind : kind.kind + "." + kind.group;
  std::string detail = join(texts, ", ");
  if (texts.size() > 1) detail = "[" + detail + "]";
  Error error(Reason::kInvalid,
              fmt::format("{} \"{}\" is invalid{}{}", qualified, name, texts.empty() ? "" : ": ", detail));
  error.group = kind.group;
  error.kind = kind.kind;
  error.name = name;
  error.causes = std::move(causes);
  return error;
}

std::string check_dns1123_label(std::string_view text) {
  std::string wrong;
  if (text.size() > kLabelMax) wrong = no_more_than(kLabelMax);
  return is_label(text) ? wrong : both(wrong, kLabelMessage);
}

std::string check_dns1123_subdomain(std::string_view text) {
  std::string wrong;
  if (text.size() > kSubdomainMax) wrong = no_more_than(kSubdomainMax);
  const auto parts = split(text, '.');
  return std::all_of(parts.begin(), parts.end(), is_label) ? wrong : both(wrong, kSubdomainMessage);
}

std::string check_dns1035_label(std::string_view text) {
  std::string wrong;
  if (text.size() > kLabelMax) wrong = no_more_than(kLabelMax);
  const bool right = is_label(text) && text.front() >= 'a';
  return right ? wrong : both(wrong, kLabel1035Message);
}

std::string check_qualified_name(std::string_view text) {
  const auto parts = split(text, '/');
  if (parts.size() > 2) {
    return fmt::format(
        "a qualified name {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        kQualifiedMessage);
  }
  if (parts.size() == 2) {
    if (parts[0].empty()) return "prefix part must be non-empty";
    if (const auto wrong = check_dns1123_subdomain(parts[0]); !wrong.empty()) return "prefix part " + wrong;
  }
  const auto name = parts.back();
  if (name.empty()) return fmt::format("name part must be non-empty; name part {}", kQualifiedMessage);
  std::string wrong;
  if (name.size() > kLabelMax) wrong = "name part " + no_more_than(kLabelMax);
  return is_qualified_part(name) ? wrong : both(wrong, fmt::format("name part {}", kQualifiedMessage));
}

std::string check_label_value(std::string_view text) {
  std::string wrong;
  if (text.size() > kLabelMax) wrong = no_more_than(kLabelMax);
  return text.empty() || is_qualified_part(text) ? wrong : both(wrong, kLabelValueMessage);
}

std::string check_ip(std::string_view text) {
  unsigned char buffer[sizeof(in6_addr)];
  const std::string copy(text);
  // Leading zeros ("010.0.0.1") are refused by inet_pton, as by Kubernetes.
  if (inet_pton(AF_INET, copy.c_str(), buffer) == 1 || inet_pton(AF_INET6, copy.c_str(), buffer) == 1)
    return "";
  return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

namespace {

// Names of these kinds are one path segment of any characters; all others follow a DNS rule.
bool path_segment_name(const Gvr& gvr) {
  return gvr.group == "rbac.authorization.k8s.io" || gvr.group == "certificates.k8s.io" ||
         gvr.resource == "ipaddresses";
}

std::string check_name(const Gvr& gvr, std::string_view name) {
  if (path_segment_name(gvr)) {
    if (name == "." || name == "..") return fmt::format("may not be '{}'", name);
    for (const char c : {'/', '%'}) {
      if (name.find(c) != std::string_view::npos) return fmt::format("may not contain '{}'", c);
    }
    return "";
  }
  if (gvr.group.empty() && gvr.resource == "namespaces") return check_dns1123_label(name);
  // The stricter rule: what an RFC 1035 label allows, RFC 1123 allows too.
  if (gvr.group.empty() && gvr.resource == "services") return check_dns1035_label(name);
  return check_dns1123_subdomain(name);
}

void validate_names(const ResourceInfo& resource, const Json& object, std::vector<Cause>& causes) {
  const auto name = str(object, "metadata.name"), generate = str(object, "metadata.generateName");
  if (!generate.empty()) {
    // A prefix may end in '-': what is generated behind it is alphanumeric.
    std::string probe(generate);
    while (probe.ends_with('-')) probe.back() = 'a';
    if (const auto wrong = check_name(resource.gvr, probe); !wrong.empty()) {
      causes.push_back(invalid("metadata.generateName", quoted(generate), wrong));
    }
  }
  if (name.empty()) {
    causes.push_back(required("metadata.name", "name or generateName is required"));
  } else if (const auto wrong = check_name(resource.gvr, name); !wrong.empty()) {
    causes.push_back(invalid("metadata.name", quoted(name), wrong));
  }
  const auto ns = str(object, "metadata.namespace");
  if (!resource.namespaced) {
    if (!ns.empty()) causes.push_back(forbidden("metadata.namespace", "not allowed on this type"));
  } else if (ns.empty()) {
    causes.push_back(required("metadata.namespace"));
  } else if (const auto wrong = check_dns1123_label(ns); !wrong.empty()) {
    causes.push_back(invalid("metadata.namespace", quoted(ns), wrong));
  }
}

void validate_maps(const Json& metadata, std::vector<Cause>& causes) {
  for (const auto& label : object(metadata, "labels")) {
    if (const auto wrong = check_qualified_name(label.key()); !wrong.empty()) {
      causes.push_back(invalid("metadata.labels", quoted(label.key()), wrong));
    }
    const auto* value = label.value().if_string();
    if (const auto wrong = value ? check_label_value(*value) : ""; !wrong.empty()) {
      causes.push_back(invalid("metadata.labels", quoted(*value), wrong));
    }
  }
  std::size_t bytes = 0;
  for (const auto& annotation : object(metadata, "annotations")) {
    if (const auto wrong = check_qualified_name(to_lower(annotation.key())); !wrong.empty()) {
      causes.push_back(invalid("metadata.annotations", quoted(annotation.key()), wrong));
    }
    const auto* value = annotation.value().if_string();
    bytes += annotation.key().size() + (value ? value->size() : 0);
  }
  if (bytes > kAnnotationsBytesMax) causes.push_back(too_long("metadata.annotations", kAnnotationsBytesMax));
}

void validate_owners(const Json& metadata, std::vector<Cause>& causes) {
  std::string controller;
  const auto& owners = list(metadata, "ownerReferences");
  for (std::size_t i = 0; i < owners.size(); ++i) {
    const auto path = [&](std::string_view field) {
      return fmt::format("metadata.ownerReferences[{}].{}", i, field);
    };
    const auto version = str(owners[i], "apiVersion");
    if (version.empty()) causes.push_back(invalid(path("apiVersion"), "\"\"", "version must not be empty"));
    for (const std::string_view field : {"kind", "name", "uid"}) {
      if (str(owners[i], field).empty()) causes.push_back(invalid(path(field), "\"\"", "must not be empty"));
    }
    if (version == "v1" && str(owners[i], "kind") == "Event") {
      causes.push_back(invalid(fmt::format("metadata.ownerReferences[{}]", i), to_json(owners[i]),
                               "/v1, Kind=Event is disallowed from being an owner"));
    }
    if (!flag(owners[i], "controller")) continue;
    if (!controller.empty()) {
      causes.push_back(
          invalid("metadata.ownerReferences", to_json(owners),
                  fmt::format("Only one reference can have Controller set to true. Found \"true\" in "
                              "references for {} and {}",
                              controller, str(owners[i], "name"))));
    }
    controller = str(owners[i], "name");
  }
}

void validate_finalizers(const Json& metadata, std::vector<Cause>& causes) {
  bool orphan = false, foreground = false;
  for (const auto& finalizer : list(metadata, "finalizers")) {
    const auto* text = finalizer.if_string();
    if (!text) continue;
    orphan = orphan || *text == "orphan";
    foreground = foreground || *text == "foregroundDeletion";
    if (const auto wrong = check_qualified_name(*text); !wrong.empty()) {
      causes.push_back(invalid("metadata.finalizers", quoted(*text), wrong));
    }
  }
  if (orphan && foreground) {
    causes.push_back(invalid("metadata.finalizers", to_json(list(metadata, "finalizers")),
                             "finalizer orphan and foregroundDeletion cannot be both set"));
  }
}

}  // namespace

void validate_metadata(const ResourceInfo& resource, const Json& object, std::vector<Cause>& causes) {
  static const Json none = JsonObject();
  const auto* metadata = find(object, "metadata");
  if (!metadata) metadata = &none;
  validate_names(resource, object, causes);
  validate_maps(*metadata, causes);
  validate_owners(*metadata, causes);
  validate_finalizers(*metadata, causes);
}

}  // namespace mk::api
