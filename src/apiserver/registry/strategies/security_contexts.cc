#include "registry/strategies/security_contexts.h"

#include <fmt/format.h>

#include <algorithm>

#include "registry/strategies/containers.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kIdRange = "must be between 0 and 2147483647, inclusive";

bool is_id(std::int64_t id) {
  return id >= 0 && id <= INT32_MAX;
}

void check_id(const Json& context, std::string_view field, const Path& path, Report& report) {
  if (const auto id = api::num(context, field); !is_id(id)) report.invalid(path.child(field), id, kIdRange);
}

void validate_profile(const Json& profile, std::string_view what, const Path& path, Report& report) {
  check_enum(profile, "type", {"Localhost", "RuntimeDefault", "Unconfined"}, path, report);
  const Json* local = api::find(profile, "localhostProfile");
  const bool localhost = api::str(profile, "type") == "Localhost";
  if (localhost && (local == nullptr || text_of(*local).empty())) {
    report.required(path.child("localhostProfile"),
                    fmt::format("must be set when {} type is Localhost", what));
  } else if (!localhost && local != nullptr) {
    report.invalid(path.child("localhostProfile"), *local,
                   fmt::format("can only be set when {} type is Localhost", what));
  }
}

// a.b-c/d: segments of a sysctl's name.
bool is_sysctl_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  const auto inner = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  bool segment_end = false;
  for (const char c : name) {
    if (inner(c)) {
      segment_end = true;
    } else if (c == '-' || c == '_') {
      if (!segment_end) return false;
    } else if (c == '.' || c == '/') {
      if (!segment_end) return false;
      segment_end = false;
    } else {
      return false;
    }
  }
  return inner(name.back());
}

void validate_sysctls(const Json& spec, const api::JsonArray& sysctls, const Path& path, Report& report) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < sysctls.size(); ++i) {
    const auto name = api::str(sysctls[i], "name");
    const Path sysctl_path = path[i];
    const Path name_path = sysctl_path.child("name");
    if (name.empty()) {
      report.required(name_path);
    } else if (!is_sysctl_name(name)) {
      report.invalid(name_path, name,
                     "must have at most 253 characters and match regex "
                     "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9]$");
    } else if (!names.insert(name).second) {
      report.duplicate(name_path, name);
    }
    if (name.starts_with("net.") && api::flag(spec, "hostNetwork")) {
      report.invalid(name_path, name, "may not be specified when 'hostNetwork' is set to true");
    }
    const bool ipc = name.starts_with("kernel.shm") || name.starts_with("kernel.msg") ||
                     name == "kernel.sem" || name.starts_with("fs.mqueue.");
    if (ipc && api::flag(spec, "hostIPC")) {
      report.invalid(name_path, name, "may not be specified when 'hostIPC' is set to true");
    }
  }
}

bool adds_sys_admin(const Json& context) {
  const auto& added = api::list(context, "capabilities.add");
  return std::any_of(added.begin(), added.end(),
                     [](const Json& cap) { return text_of(cap) == "CAP_SYS_ADMIN"; });
}

}  // namespace

void validate_profiles(const Json& context, const Path& path, Report& report) {
  if (const Json* profile = api::find(context, "seccompProfile")) {
    validate_profile(*profile, "seccomp", path.child("seccompProfile"), report);
  }
  if (const Json* profile = api::find(context, "appArmorProfile")) {
    validate_profile(*profile, "AppArmor", path.child("appArmorProfile"), report);
  }
}

void validate_container_security(const Json& context, const Path& path, Report& report) {
  check_id(context, "runAsUser", path, report);
  check_id(context, "runAsGroup", path, report);
  check_enum(context, "procMount", {"Default", "Unmasked"}, path, report, Presence::kOptional);
  validate_profiles(context, path, report);
  const Json* escalation = api::find(context, "allowPrivilegeEscalation");
  if (escalation != nullptr && !api::flag(context, "allowPrivilegeEscalation")) {
    if (api::flag(context, "privileged")) {
      report.invalid(path, context,
                     "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    if (adds_sys_admin(context)) {
      report.invalid(path, context,
                     "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
    }
  }
}

void validate_pod_security_context(const Json& spec, const Path& path, Report& report) {
  if (api::flag(spec, "hostPID") && api::flag(spec, "shareProcessNamespace")) {
    const Path context = path.child("securityContext");
    report.invalid(context.child("shareProcessNamespace"), Json(true),
                   "ShareProcessNamespace and HostPID cannot both be enabled");
  }
  const Json* context = api::find(spec, "securityContext");
  if (context == nullptr) return;
  const Path context_path = path.child("securityContext");
  for (const std::string_view field : {"fsGroup", "runAsUser", "runAsGroup"}) {
    check_id(*context, field, context_path, report);
  }
  const auto& groups = api::list(*context, "supplementalGroups");
  const Path groups_path = context_path.child("supplementalGroups");
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (const auto id = api::num(groups[i], ""); !is_id(id)) report.invalid(groups_path[i], id, kIdRange);
  }
  check_enum(*context, "fsGroupChangePolicy", {"Always", "OnRootMismatch"}, context_path, report,
             Presence::kOptional);
  check_enum(*context, "supplementalGroupsPolicy", {"Merge", "Strict"}, context_path, report,
             Presence::kOptional);
  validate_sysctls(spec, api::list(*context, "sysctls"), context_path.child("sysctls"), report);
  validate_profiles(*context, context_path, report);
}

}  // namespace mk::apiserver
