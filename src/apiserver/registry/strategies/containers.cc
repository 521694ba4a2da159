#include "registry/strategies/containers.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/strings.h"
#include "registry/strategies/names.h"
#include "registry/strategies/probes.h"
#include "registry/strategies/resources.h"

namespace mk::apiserver {

using api::Json;

namespace {

// The tag of an image reference; "latest" when there is neither tag nor digest.
std::string_view image_tag(std::string_view image) {
  if (const auto digest = image.find('@'); digest != std::string_view::npos) {
    image = image.substr(0, digest);
    const auto colon = image.rfind(':'), slash = image.rfind('/');
    const bool tagged = colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
    return tagged ? image.substr(colon + 1) : std::string_view();
  }
  const auto colon = image.rfind(':'), slash = image.rfind('/');
  const bool tagged = colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  return tagged ? image.substr(colon + 1) : "latest";
}

const std::vector<std::string> kPullPolicies{"Always", "IfNotPresent", "Never"};
const std::vector<std::string> kProtocols{"SCTP", "TCP", "UDP"};

}  // namespace

void default_container(Json& container) {
  if (!container.is_object()) return;
  default_text(container, "imagePullPolicy",
               image_tag(api::str(container, "image")) == "latest" ? "Always" : "IfNotPresent");
  default_text(container, "terminationMessagePath", "/dev/termination-log");
  default_text(container, "terminationMessagePolicy", "File");
  default_to(container, "resources", api::JsonObject());
  default_container_probes(container);
  if (auto* ports = edit_list(container, "ports")) {
    for (auto& port : *ports) default_text(port, "protocol", "TCP");
  }
  if (auto* env = edit_list(container, "env")) {
    for (auto& variable : *env) {
      if (Json* ref = edit(variable, "valueFrom.fieldRef")) default_text(*ref, "apiVersion", "v1");
      if (Json* ref = edit(variable, "valueFrom.resourceFieldRef"))
        default_to(*ref, "divisor", api::text("0"));
    }
  }
  if (Json* context = edit(container, "securityContext")) {
    // Unmasked or default: only shown when given.
    if (api::find(*context, "procMount")) default_text(*context, "procMount", "Default");
  }
}

namespace {

void validate_ports(const Json& container, const PodContext& pod, const Path& path, Report& report) {
  const auto& ports = api::list(container, "ports");
  const Path ports_path = path.child("ports");
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const Path port_path = ports_path[i];
    const auto name = api::str(ports[i], "name");
    if (!name.empty()) {
      const auto wrong = check_port_name(name);
      report.check(port_path.child("name"), name, wrong);
      if (wrong.empty() && !names.insert(name).second) report.duplicate(port_path.child("name"), name);
    }
    const auto number = api::num(ports[i], "containerPort"), host = api::num(ports[i], "hostPort");
    if (number == 0) {
      report.required(port_path.child("containerPort"));
    } else if (!check_port_number(number).empty()) {
      report.invalid(port_path.child("containerPort"), number, kPortRange);
    }
    if (host != 0 && !check_port_number(host).empty())
      report.invalid(port_path.child("hostPort"), host, kPortRange);
    if (pod.host_network && host != 0 && host != number) {
      report.invalid(port_path.child("containerPort"), number,
                     "must match `hostPort` when `hostNetwork` is true");
    }
    check_enum(ports[i], "protocol", kProtocols, port_path, report);
  }
}

void validate_key_ref(const Json& ref, const Path& path, Report& report) {
  if (api::str(ref, "name").empty()) report.required(path.child("name"));
  const auto key = api::str(ref, "key");
  if (key.empty()) {
    report.required(path.child("key"));
  } else {
    report.check(path.child("key"), key, check_config_key(key));
  }
}

void validate_value_from(const Json& variable, const Json& source, const Path& path, Report& report) {
  int count = 0;
  if (const Json* ref = api::find(source, "fieldRef")) {
    ++count;
    validate_field_ref(*ref, true, path.child("fieldRef"), report);
  }
  if (const Json* ref = api::find(source, "resourceFieldRef")) {
    ++count;
    validate_resource_field_ref(*ref, true, path.child("resourceFieldRef"), report);
  }
  for (const std::string_view name : {"configMapKeyRef", "secretKeyRef"}) {
    if (const Json* ref = api::find(source, name)) {
      ++count;
      validate_key_ref(*ref, path.child(name), report);
    }
  }
  if (api::find(source, "fileKeyRef")) ++count;
  if (count == 0) {
    report.invalid(
        path, "",
        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
        "`fileKeyRef`");
  }
  if (!api::str(variable, "value").empty()) {
    if (count != 0) report.invalid(path, "", "may not be specified when `value` is not empty");
  } else if (count > 1) {
    report.invalid(path, "", "may not have more than one field specified at a time");
  }
}

void validate_env(const Json& container, const Path& path, Report& report) {
  const auto& env = api::list(container, "env");
  const Path env_path = path.child("env");
  for (std::size_t i = 0; i < env.size(); ++i) {
    const Path variable_path = env_path[i];
    const auto name = api::str(env[i], "name");
    if (name.empty()) {
      report.required(variable_path.child("name"));
    } else {
      report.check(variable_path.child("name"), name, check_env_name(name));
    }
    if (const Json* source = api::find(env[i], "valueFrom")) {
      validate_value_from(env[i], *source, variable_path.child("valueFrom"), report);
    }
  }
  const auto& from = api::list(container, "envFrom");
  const Path from_path = path.child("envFrom");
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Path entry = from_path[i];
    const auto prefix = api::str(from[i], "prefix");
    if (!prefix.empty()) report.check(entry.child("prefix"), prefix, check_env_name(prefix));
    int count = 0;
    for (const std::string_view name : {"configMapRef", "secretRef"}) {
      const Json* ref = api::find(from[i], name);
      if (ref == nullptr) continue;
      ++count;
      const Path ref_path = entry.child(name);
      if (api::str(*ref, "name").empty()) report.required(ref_path.child("name"));
    }
    if (count == 0) report.invalid(from_path, "", "must specify one of: `configMapRef` or `secretRef`");
    if (count > 1) report.invalid(from_path, "", "may not have more than one field specified at a time");
  }
}

void validate_resize_policy(const Json& container, const Path& path, Report& report) {
  const auto& policies = api::list(container, "resizePolicy");
  const Path policies_path = path.child("resizePolicy");
  std::set<std::string_view> seen;
  for (const auto& policy : policies) {
    const auto resource = api::str(policy, "resourceName");
    if (!seen.insert(resource).second) report.duplicate(policies_path, resource);
    if (resource.empty()) {
      report.required(policies_path);
    } else if (resource != "cpu" && resource != "memory") {
      report.not_supported(policies_path, resource, {"cpu", "memory"});
    }
    const auto restart = api::str(policy, "restartPolicy");
    if (restart.empty()) {
      report.required(policies_path);
    } else if (restart != "NotRequired" && restart != "RestartContainer") {
      report.not_supported(policies_path, restart, {"NotRequired", "RestartContainer"});
    }
  }
}

// What all three sorts of containers share.
void validate_common(const Json& container, const PodContext& pod, std::set<std::string_view>& names,
                     const Path& path, Report& report) {
  const auto name = api::str(container, "name"), image = api::str(container, "image");
  if (name.empty()) {
    report.required(path.child("name"));
  } else if (const auto wrong = api::check_dns1123_label(name); !wrong.empty()) {
    report.invalid(path.child("name"), name, wrong);
  } else if (!names.insert(name).second) {
    report.duplicate(path.child("name"), name);
  }
  if (!image.empty() && trim(image).size() != image.size()) {
    report.invalid(path.child("image"), image, "must not have leading or trailing whitespace");
  }
  check_enum(container, "terminationMessagePolicy", {"FallbackToLogsOnError", "File"}, path, report);
  check_enum(container, "imagePullPolicy", kPullPolicies, path, report);
  validate_ports(container, pod, path, report);
  validate_env(container, path, report);
  validate_mounts(container, pod.volumes, path, report);
  if (const Json* resources = api::find(container, "resources")) {
    validate_resource_requirements(*resources, path.child("resources"), report);
  }
  validate_resize_policy(container, path, report);
  if (const Json* context = api::find(container, "securityContext")) {
    validate_container_security(*context, path.child("securityContext"), report);
  }
}

void validate_probes_and_hooks(const Json& container, const PodContext& pod, const Path& path,
                               Report& report) {
  if (const Json* lifecycle = api::find(container, "lifecycle")) {
    validate_lifecycle(*lifecycle, pod.grace, path.child("lifecycle"), report);
  }
  validate_container_probes(container, pod.grace, path, report);
}

void validate_init_container(const Json& container, const PodContext& pod, const Path& path, Report& report) {
  check_enum(container, "restartPolicy", {"Always", "Never", "OnFailure"}, path, report, Presence::kOptional);
  if (api::str(container, "restartPolicy") == "Always")
    return validate_probes_and_hooks(container, pod, path, report);
  for (const std::string_view field : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"}) {
    if (api::find(container, field)) {
      report.forbidden(path.child(field), "may not be set for init containers without restartPolicy=Always");
    }
  }
}

// Two containers of a pod cannot have one port of the host.
void validate_host_ports(const api::JsonArray& containers, std::set<std::string>& taken, const Path& path,
                         Report& report) {
  for (std::size_t i = 0; i < containers.size(); ++i) {
    const Path container_path = path[i];
    const Path ports_path = container_path.child("ports");
    const auto& ports = api::list(containers[i], "ports");
    for (std::size_t j = 0; j < ports.size(); ++j) {
      const auto port = api::num(ports[j], "hostPort");
      if (port == 0) continue;
      auto text = fmt::format("{}/{}/{}", api::str(ports[j], "protocol"), api::str(ports[j], "hostIP"), port);
      const Path port_path = ports_path[j];
      if (!taken.insert(text).second) report.duplicate(port_path.child("hostPort"), text);
    }
  }
}

}  // namespace

void validate_containers(const Json& spec, const PodContext& pod, const Path& path, Report& report) {
  const auto& containers = api::list(spec, "containers");
  const auto& init = api::list(spec, "initContainers");
  const Path containers_path = path.child("containers"), init_path = path.child("initContainers");
  std::set<std::string_view> names;
  if (containers.empty()) report.required(containers_path);
  for (std::size_t i = 0; i < containers.size(); ++i) {
    const Path container_path = containers_path[i];
    validate_common(containers[i], pod, names, container_path, report);
    if (api::str(containers[i], "image").empty()) report.required(container_path.child("image"));
    check_enum(containers[i], "restartPolicy", {"Always", "Never", "OnFailure"}, container_path, report,
               Presence::kOptional);
    validate_probes_and_hooks(containers[i], pod, container_path, report);
  }
  std::set<std::string> host_ports;
  validate_host_ports(containers, host_ports, containers_path, report);
  for (std::size_t i = 0; i < init.size(); ++i) {
    const Path container_path = init_path[i];
    validate_common(init[i], pod, names, container_path, report);
    if (api::str(init[i], "image").empty()) report.required(container_path.child("image"));
    validate_init_container(init[i], pod, container_path, report);
  }
}

void validate_ephemeral_containers(const Json& spec, const PodContext& pod, const Path& path,
                                   Report& report) {
  std::set<std::string_view> names, others;
  for (const auto field : {"containers", "initContainers"}) {
    for (const auto& container : api::list(spec, field)) others.insert(api::str(container, "name"));
  }
  const auto& containers = api::list(spec, "ephemeralContainers");
  const Path containers_path = path.child("ephemeralContainers");
  for (std::size_t i = 0; i < containers.size(); ++i) {
    const Path container_path = containers_path[i];
    const auto& container = containers[i];
    validate_common(container, pod, names, container_path, report);
    if (api::str(container, "image").empty()) report.required(container_path.child("image"));
    const auto name = api::str(container, "name");
    if (others.contains(name)) report.duplicate(container_path.child("name"), name);
    const auto target = api::str(container, "targetContainerName");
    if (!target.empty() && !others.contains(target)) {
      report.not_found(container_path.child("targetContainerName"), target);
    }
    for (const std::string_view field :
         {"ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy"}) {
      if (api::find(container, field)) {
        report.forbidden(container_path.child(field), "cannot be set for an Ephemeral Container");
      }
    }
    if (!api::object(container, "resources").empty()) {
      report.forbidden(container_path.child("resources"), "cannot be set for an Ephemeral Container");
    }
    const auto& mounts = api::list(container, "volumeMounts");
    const Path mounts_path = container_path.child("volumeMounts");
    for (std::size_t j = 0; j < mounts.size(); ++j) {
      const Path mount_path = mounts_path[j];
      for (const std::string_view field : {"subPath", "subPathExpr"}) {
        if (!api::str(mounts[j], field).empty()) {
          report.forbidden(mount_path.child(field), "cannot be set for an Ephemeral Container");
        }
      }
    }
  }
}

}  // namespace mk::apiserver
