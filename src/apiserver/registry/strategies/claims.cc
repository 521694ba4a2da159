#include "registry/strategies/claims.h"

#include <algorithm>

#include "registry/strategies/label_selectors.h"
#include "registry/strategies/resources.h"

namespace mk::apiserver {

using api::Json;

void default_claim_spec(Json& spec) {
  default_text(spec, "volumeMode", "Filesystem");
}

void validate_access_modes(const api::JsonArray& modes, const Path& path, Report& report) {
  static const std::vector<std::string> supported{"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                                  "ReadWriteOncePod"};
  bool once_pod = false, other = false;
  for (const auto& mode : modes) {
    const auto text = text_of(mode);
    if (std::find(supported.begin(), supported.end(), text) == supported.end()) {
      report.not_supported(path, text, supported);
    }
    (text == "ReadWriteOncePod" ? once_pod : other) = true;
  }
  if (once_pod && other) {
    report.forbidden(path, "may not use ReadWriteOncePod with other access modes");
  }
}

void validate_claim_spec(const Json& spec, const Path& path, Report& report) {
  const auto& modes = api::list(spec, "accessModes");
  if (modes.empty()) {
    report.required(path.child("accessModes"), "at least 1 access mode is required");
  } else {
    validate_access_modes(modes, path.child("accessModes"), report);
  }
  validate_label_selector(api::find(spec, "selector"), path.child("selector"), report);
  const Json* storage = api::find(spec, "resources.requests.storage");
  const Path resources = path.child("resources");
  const Path storage_path = resources.key("storage");
  if (storage == nullptr) {
    report.required(storage_path);
  } else if (read_quantity(storage) <= api::Quantity()) {
    const Path requests = resources.child("requests");
    report.invalid(requests.key("storage"), *storage, "must be greater than zero");
  }
  if (const auto name = api::str(spec, "storageClassName"); !name.empty()) {
    report.check(path.child("storageClassName"), name, api::check_dns1123_subdomain(name));
  }
  check_enum(spec, "volumeMode", {"Block", "Filesystem"}, path, report, Presence::kOptional);
}

}  // namespace mk::apiserver
