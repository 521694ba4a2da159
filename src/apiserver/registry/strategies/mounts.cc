#include <fmt/format.h>

#include <algorithm>

#include "mk/api/quantity.h"
#include "registry/strategies/names.h"
#include "registry/strategies/volumes.h"

namespace mk::apiserver {

using api::Json;

namespace {

void validate_sub_paths(const Json& mount, const Path& path, Report& report) {
  const auto sub_path = api::str(mount, "subPath"), expression = api::str(mount, "subPathExpr");
  if (!sub_path.empty()) check_local_path(sub_path, path.child("subPath"), report);
  if (!expression.empty()) {
    if (!sub_path.empty()) {
      report.invalid(path.child("subPathExpr"), expression, "subPathExpr and subPath are mutually exclusive");
    }
    check_local_path(expression, path.child("subPathExpr"), report);
  }
}

void validate_propagation(const Json& mount, const Json& container, const Path& path, Report& report) {
  check_enum(mount, "mountPropagation", {"Bidirectional", "HostToContainer", "None"}, path, report,
             Presence::kOptional);
  if (api::str(mount, "mountPropagation") == "Bidirectional" &&
      !api::flag(container, "securityContext.privileged")) {
    report.forbidden(path.child("mountPropagation"),
                     "Bidirectional mount propagation is available only to privileged containers");
  }
  const auto recursive = api::str(mount, "recursiveReadOnly");
  if (recursive.empty() || recursive == "Disabled") return;
  check_enum(mount, "recursiveReadOnly", {"Disabled", "Enabled", "IfPossible"}, path, report);
  if (!api::flag(mount, "readOnly")) {
    report.forbidden(path.child("recursiveReadOnly"), "may only be specified when readOnly is true");
  }
}

void validate_mount(const Json& mount, const Json& container, const VolumesByName& volumes,
                    std::set<std::string_view>& targets, const Path& path, Report& report) {
  const auto name = api::str(mount, "name"), target = api::str(mount, "mountPath");
  if (name.empty()) {
    report.required(path.child("name"));
  } else if (!volumes.contains(name)) {
    report.not_found(path.child("name"), name);
  }
  if (target.empty()) {
    report.required(path.child("mountPath"));
  } else if (!targets.insert(target).second) {
    report.invalid(path.child("mountPath"), target, "must be unique");
  }
  validate_sub_paths(mount, path, report);
  validate_propagation(mount, container, path, report);
}

void validate_device(const Json& device, const VolumesByName& volumes, std::set<std::string_view>& targets,
                     const Path& path, Report& report) {
  const auto name = api::str(device, "name"), target = api::str(device, "devicePath");
  const auto found = volumes.find(name);
  if (name.empty()) {
    report.required(path.child("name"));
  } else if (found == volumes.end()) {
    report.not_found(path.child("name"), name);
  } else if (!api::find(*found->second, "persistentVolumeClaim") && !api::find(*found->second, "ephemeral")) {
    report.invalid(path.child("name"), name,
                   "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
  }
  if (target.empty()) {
    report.required(path.child("devicePath"));
  } else if (!targets.insert(target).second) {
    report.invalid(path.child("devicePath"), target, "must be unique");
  }
}

// "metadata.labels['key']": the key, or nothing.
std::string_view subscript(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return {};
  path.remove_prefix(prefix.size());
  return path.size() > 4 && path.starts_with("['") && path.ends_with("']") ? path.substr(2, path.size() - 4)
                                                                           : std::string_view();
}

}  // namespace

void validate_mounts(const Json& container, const VolumesByName& volumes, const Path& path, Report& report) {
  const auto& mounts = api::list(container, "volumeMounts");
  const auto& devices = api::list(container, "volumeDevices");
  std::set<std::string_view> targets, device_targets;
  const Path mounts_path = path.child("volumeMounts"), devices_path = path.child("volumeDevices");
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    validate_mount(mounts[i], container, volumes, targets, mounts_path[i], report);
  }
  for (std::size_t i = 0; i < devices.size(); ++i) {
    validate_device(devices[i], volumes, device_targets, devices_path[i], report);
  }
}

void validate_field_ref(const Json& ref, bool of_env, const Path& path, Report& report) {
  static const std::vector<std::string> env_fields{
      "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
      "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs"};
  static const std::vector<std::string> volume_fields{"metadata.annotations", "metadata.labels",
                                                      "metadata.name", "metadata.namespace", "metadata.uid"};
  if (api::str(ref, "apiVersion").empty()) return report.required(path.child("apiVersion"));
  const auto field = api::str(ref, "fieldPath");
  if (field.empty()) return report.required(path.child("fieldPath"));
  for (const std::string_view map : {"metadata.annotations", "metadata.labels"}) {
    if (const auto key = subscript(field, map); !key.empty()) {
      if (const auto wrong = api::check_qualified_name(key); !wrong.empty()) report.invalid(path, key, wrong);
      return;
    }
  }
  if (field.find("['") != std::string_view::npos) {
    return report.invalid(path, field, "does not support subscript");
  }
  const auto& supported = of_env ? env_fields : volume_fields;
  if (std::find(supported.begin(), supported.end(), field) == supported.end()) {
    report.not_supported(path.child("fieldPath"), field, supported);
  }
}

void validate_resource_field_ref(const Json& ref, bool of_env, const Path& path, Report& report) {
  static const std::vector<std::string> supported{
      "limits.cpu",   "limits.ephemeral-storage",   "limits.memory",
      "requests.cpu", "requests.ephemeral-storage", "requests.memory"};
  if (!of_env && api::str(ref, "containerName").empty()) report.required(path.child("containerName"));
  const auto resource = api::str(ref, "resource");
  if (resource.empty()) return report.required(path.child("resource"));
  const bool huge = resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
  if (!huge && std::find(supported.begin(), supported.end(), resource) == supported.end()) {
    return report.not_supported(path.child("resource"), resource, supported);
  }
  const Json* value = api::find(ref, "divisor");
  const auto divisor = value ? api::Quantity::parse(text_of(*value)) : api::Quantity();
  if (!divisor.ok() || *divisor == api::Quantity()) return;
  const auto one_of = [&](std::initializer_list<std::string_view> texts) {
    return std::any_of(texts.begin(), texts.end(), [&](std::string_view text) {
      const auto unit = api::Quantity::parse(text);
      return unit.ok() && *unit == *divisor;
    });
  };
  if (resource.ends_with(".cpu")) {
    if (!one_of({"1m", "1"})) {
      report.invalid(path.child("divisor"), *value,
                     "only divisor's values 1m and 1 are supported with the cpu resource");
    }
  } else if (!one_of({"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"})) {
    report.invalid(
        path.child("divisor"), *value,
        "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with "
        "the " +
            std::string(resource.substr(resource.find('.') + 1)) + " resource");
  }
}

}  // namespace mk::apiserver
