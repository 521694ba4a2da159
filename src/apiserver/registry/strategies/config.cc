#include <fmt/format.h>

#include "mk/base/strings.h"
#include "registry/strategies/names.h"
#include "registry/strategies/simple.h"
#include "registry/strategies/workload.h"

// ConfigMap, Secret, ServiceAccount, Event.
namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::size_t kSizeMax = 1024 * 1024;
constexpr std::string_view kFrozen = "field is immutable when `immutable` is set";

// The size of base64 text decoded.
std::size_t decoded_size(std::string_view text) {
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  return text.size() / 4 * 3 - std::min(padding, text.size() / 4 * 3);
}

void validate_keys(const api::JsonObject& data, const Path& path, Report& report) {
  for (const auto& entry : data)
    report.check(path.key(entry.key()), entry.key(), check_config_key(entry.key()));
}

void validate_frozen(const Json& object, const Json& old, std::initializer_list<std::string_view> fields,
                     Report& report) {
  if (!api::flag(old, "immutable")) return;
  if (!api::flag(object, "immutable")) report.forbidden(Path("immutable"), kFrozen);
  for (const auto field : fields) {
    if (Json(api::object(object, field)) != Json(api::object(old, field)))
      report.forbidden(Path(field), kFrozen);
  }
}

void validate_config_map(const Json& map, Report& report) {
  const Path data_path("data"), binary_path("binaryData"), root("");
  const auto& data = api::object(map, "data");
  const auto& binary = api::object(map, "binaryData");
  validate_keys(data, data_path, report);
  validate_keys(binary, binary_path, report);
  std::size_t size = 0;
  for (const auto& entry : data) {
    if (binary.contains(entry.key())) {
      report.invalid(data_path.key(entry.key()), std::string_view(entry.key()),
                     "duplicate of key present in binaryData");
    }
    size += text_of(entry.value()).size();
  }
  for (const auto& entry : binary) size += decoded_size(text_of(entry.value()));
  if (size > kSizeMax) report.too_long(root, kSizeMax);
}

void validate_config_map_update(const Json& map, const Json& old, Report& report) {
  validate_frozen(map, old, {"data", "binaryData"}, report);
}

// stringData is for writing: it lands in data.
void default_secret(Json& secret) {
  const Json plain(api::object(secret, "stringData"));
  for (const auto& entry : plain.get_object()) {
    ensure_object(secret, "data").as_object()[entry.key()] = api::text(base64_encode(text_of(entry.value())));
  }
  api::erase(secret, "stringData");
  default_text(secret, "type", "Opaque");
}

void require_key(const Json& secret, std::string_view key, Report& report) {
  const Path data("data");
  if (!api::object(secret, "data").contains(key)) report.required(data.key(key));
}

void validate_docker_config(const Json& secret, std::string_view key, Report& report) {
  const Path data("data");
  const auto* value = api::object(secret, "data").if_contains(key);
  if (value == nullptr) return report.required(data.key(key));
  const auto text = base64_decode(text_of(*value));
  if (!text || !api::parse_json(*text).ok()) {
    report.invalid(data.key(key), "<secret contents redacted>", "invalid character in JSON");
  }
}

void validate_secret_type(const Json& secret, Report& report) {
  const auto type = api::str(secret, "type");
  const Path annotations("metadata.annotations");
  constexpr std::string_view account = "kubernetes.io/service-account.name";
  const auto& data = api::object(secret, "data");
  if (type == "kubernetes.io/service-account-token") {
    const auto* name = api::object(secret, "metadata.annotations").if_contains(account);
    if (name == nullptr || text_of(*name).empty()) report.required(annotations.key(account));
  } else if (type == "kubernetes.io/dockercfg") {
    validate_docker_config(secret, ".dockercfg", report);
  } else if (type == "kubernetes.io/dockerconfigjson") {
    validate_docker_config(secret, ".dockerconfigjson", report);
  } else if (type == "kubernetes.io/basic-auth") {
    if (data.contains("username") || data.contains("password")) return;
    require_key(secret, "username", report);
    require_key(secret, "password", report);
  } else if (type == "kubernetes.io/ssh-auth") {
    require_key(secret, "ssh-privatekey", report);
  } else if (type == "kubernetes.io/tls") {
    require_key(secret, "tls.crt", report);
    require_key(secret, "tls.key", report);
  }
}

void validate_secret(const Json& secret, Report& report) {
  const Path data_path("data");
  validate_keys(api::object(secret, "data"), data_path, report);
  std::size_t size = 0;
  for (const auto& entry : api::object(secret, "data")) size += decoded_size(text_of(entry.value()));
  if (size > kSizeMax) report.too_long(data_path, kSizeMax);
  validate_secret_type(secret, report);
}

void validate_secret_update(const Json& secret, const Json& old, Report& report) {
  check_immutable(secret, old, "type", report);
  validate_frozen(secret, old, {"data"}, report);
}

void validate_event(const Json& event, Report& report) {
  const auto ns = api::str(event, "metadata.namespace"), about = api::str(event, "involvedObject.namespace");
  const Path path("involvedObject.namespace");
  // Events about objects without a namespace lie in default (or in kube-system, of old).
  if (about.empty() ? ns != "default" && ns != "kube-system" : about != ns) {
    report.invalid(path, about, "does not match event.namespace");
  }
}

}  // namespace

void add_config(StrategySet& set) {
  set.add("configmaps", make_simple({.validate = validate_config_map,
                                     .validate_update = validate_config_map_update,
                                     .status = false}));
  set.add("secrets", make_simple({.defaults = default_secret,
                                  .validate = validate_secret,
                                  .validate_update = validate_secret_update,
                                  .status = false}));
  set.add("serviceaccounts", make_simple({.status = false}));
  set.add("events", make_simple({.validate = validate_event, .status = false, .create_on_update = true}));
  set.add("events.events.k8s.io", make_simple({.status = false, .create_on_update = true}));
}

}  // namespace mk::apiserver
