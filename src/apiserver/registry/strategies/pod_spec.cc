#include "registry/strategies/pod_spec.h"

#include "registry/strategies/containers.h"
#include "registry/strategies/names.h"
#include "registry/strategies/resources.h"
#include "registry/strategies/scheduling.h"
#include "registry/strategies/security_contexts.h"

namespace mk::apiserver {

using api::Json;

void default_pod_spec(Json& spec) {
  if (!spec.is_object()) return;
  default_text(spec, "restartPolicy", "Always");
  default_text(spec, "dnsPolicy", "ClusterFirst");
  default_to(spec, "terminationGracePeriodSeconds", 30);
  default_text(spec, "schedulerName", "default-scheduler");
  default_to(spec, "securityContext", api::JsonObject());
  // serviceAccount is the old name of serviceAccountName, and always says the same.
  if (api::str(spec, "serviceAccountName").empty() && !api::str(spec, "serviceAccount").empty()) {
    copy_field(spec, Json(api::JsonObject{{"serviceAccountName", *api::find(spec, "serviceAccount")}}),
               "serviceAccountName");
  }
  if (const Json* name = api::find(spec, "serviceAccountName")) api::set(spec, "serviceAccount", Json(*name));
  for (const auto field : {"containers", "initContainers", "ephemeralContainers"}) {
    auto* containers = edit_list(spec, field);
    if (containers == nullptr) continue;
    for (auto& container : *containers) default_container(container);
  }
  if (auto* volumes = edit_list(spec, "volumes")) default_volumes(*volumes);
}

namespace {

void check_subdomain(const Json& spec, std::string_view field, const Path& path, Report& report) {
  const auto name = api::str(spec, field);
  if (!name.empty()) report.check(path.child(field), name, api::check_dns1123_subdomain(name));
}

void validate_dns(const Json& spec, const Path& path, Report& report) {
  check_enum(spec, "dnsPolicy", {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"}, path, report);
  const Json* config = api::find(spec, "dnsConfig");
  const Path config_path = path.child("dnsConfig");
  const bool none = api::str(spec, "dnsPolicy") == "None";
  if (config == nullptr) {
    if (none) report.required(config_path, "must provide `dnsConfig` when `dnsPolicy` is None");
    return;
  }
  const auto& servers = api::list(*config, "nameservers");
  const auto& searches = api::list(*config, "searches");
  const auto& options = api::list(*config, "options");
  const Path servers_path = config_path.child("nameservers"), searches_path = config_path.child("searches"),
             options_path = config_path.child("options");
  if (none && servers.empty()) {
    report.required(servers_path, "must provide at least one DNS nameserver when `dnsPolicy` is None");
  }
  if (servers.size() > 3)
    report.invalid(servers_path, Json(servers), "must not have more than 3 nameservers");
  for (std::size_t i = 0; i < servers.size(); ++i) {
    report.check(servers_path[i], text_of(servers[i]), api::check_ip(text_of(servers[i])));
  }
  if (searches.size() > 32)
    report.invalid(searches_path, Json(searches), "must not have more than 32 search paths");
  for (std::size_t i = 0; i < searches.size(); ++i) {
    auto search = text_of(searches[i]);
    if (search == ".") continue;
    if (search.ends_with('.')) search.remove_suffix(1);
    // Underscores are fine here, as in records of services.
    std::string relaxed(search);
    for (auto& c : relaxed) c = c == '_' ? 'x' : c;
    report.check(searches_path[i], search, api::check_dns1123_subdomain(relaxed));
  }
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (api::str(options[i], "name").empty()) report.required(options_path[i], "must not be empty");
  }
}

void validate_host_aliases(const Json& spec, const Path& path, Report& report) {
  const auto& aliases = api::list(spec, "hostAliases");
  const Path aliases_path = path.child("hostAliases");
  for (std::size_t i = 0; i < aliases.size(); ++i) {
    const Path alias_path = aliases_path[i];
    const auto ip = api::str(aliases[i], "ip");
    report.check(alias_path.child("ip"), ip, api::check_ip(ip));
    const auto& names = api::list(aliases[i], "hostnames");
    const Path names_path = alias_path.child("hostnames");
    for (std::size_t j = 0; j < names.size(); ++j) {
      report.check(names_path[j], text_of(names[j]), api::check_dns1123_subdomain(text_of(names[j])));
    }
  }
}

void validate_names_of_pod(const Json& spec, const Path& path, Report& report) {
  for (const std::string_view field :
       {"nodeName", "serviceAccountName", "priorityClassName", "runtimeClassName"}) {
    check_subdomain(spec, field, path, report);
  }
  for (const std::string_view field : {"hostname", "subdomain"}) {
    const auto name = api::str(spec, field);
    if (!name.empty()) report.check(path.child(field), name, api::check_dns1123_label(name));
  }
  validate_labels(api::object(spec, "nodeSelector"), path.child("nodeSelector"), report);
}

void validate_lifetime(const Json& spec, const Path& path, Report& report) {
  check_enum(spec, "restartPolicy", {"Always", "Never", "OnFailure"}, path, report);
  if (api::find(spec, "activeDeadlineSeconds")) {
    const auto seconds = api::num(spec, "activeDeadlineSeconds");
    if (seconds < 1 || seconds > INT32_MAX) {
      report.invalid(path.child("activeDeadlineSeconds"), seconds,
                     "must be between 1 and 2147483647, inclusive");
    }
  }
  check_enum(spec, "preemptionPolicy", {"Never", "PreemptLowerPriority"}, path, report, Presence::kOptional);
  if (api::find(spec, "os")) {
    const Path os_path = path.child("os");
    check_enum(*api::find(spec, "os"), "name", {"linux", "windows"}, os_path, report);
  }
  const Path overhead_path = path.child("overhead");
  for (const auto& entry : api::object(spec, "overhead")) {
    const Path entry_path = overhead_path.key(entry.key());
    report.check(entry_path, entry.key(), check_container_resource_name(entry.key()));
    validate_quantity_of(entry.key(), entry.value(), entry_path, report);
  }
}

void validate_readiness_gates(const Json& spec, const Path& path, Report& report) {
  const auto& gates = api::list(spec, "readinessGates");
  const Path gates_path = path.child("readinessGates");
  for (std::size_t i = 0; i < gates.size(); ++i) {
    const Path gate_path = gates_path[i];
    const auto type = api::str(gates[i], "conditionType");
    report.check(gate_path.child("conditionType"), type, api::check_qualified_name(type));
  }
}

void validate_pod_resources(const Json& spec, const Path& path, Report& report) {
  const Json* resources = api::find(spec, "resources");
  if (resources == nullptr) return;
  const Path resources_path = path.child("resources");
  for (const std::string_view part : {"limits", "requests"}) {
    const Path part_path = resources_path.child(part);
    for (const auto& entry : api::object(*resources, part)) {
      const std::string_view name = entry.key();
      if (name != "cpu" && name != "memory" && !is_hugepages(name)) {
        report.not_supported(part_path.key(name), name, {"cpu", "hugepages-", "memory"});
      }
    }
  }
  validate_resource_requirements(*resources, resources_path, report);
  const auto requested = read_resources(api::object(*resources, "requests"));
  for (const auto& [name, amount] : pod_container_requests(spec)) {
    const auto pod_request = requested.find(name);
    if (pod_request != requested.end() && amount > pod_request->second) {
      const Path requests_path = resources_path.child("requests");
      report.invalid(requests_path.key(name), pod_request->second.str(),
                     "must be greater than or equal to aggregate container requests of " + amount.str());
    }
  }
}

void validate_scheduling(const Json& spec, const Path& path, Report& report) {
  if (const Json* affinity = api::find(spec, "affinity")) {
    validate_affinity(*affinity, path.child("affinity"), report);
  }
  validate_tolerations(api::list(spec, "tolerations"), path.child("tolerations"), report);
  validate_topology_spread(api::list(spec, "topologySpreadConstraints"),
                           path.child("topologySpreadConstraints"), report);
  validate_scheduling_gates(spec, path, report);
}

}  // namespace

void validate_pod_spec(const Json& spec, const Path& path, Report& report) {
  const auto volumes = validate_volumes(api::list(spec, "volumes"), path.child("volumes"), report);
  const auto grace = api::num(spec, "terminationGracePeriodSeconds", 30);
  PodContext pod{volumes, grace, api::flag(spec, "hostNetwork"), api::flag(spec, "hostUsers", true)};
  validate_containers(spec, pod, path, report);
  validate_ephemeral_containers(spec, pod, path, report);
  validate_lifetime(spec, path, report);
  if (grace < 0) report.invalid(path.child("terminationGracePeriodSeconds"), grace, kNotNegative);
  validate_dns(spec, path, report);
  validate_names_of_pod(spec, path, report);
  validate_pod_security_context(spec, path, report);
  validate_host_aliases(spec, path, report);
  validate_readiness_gates(spec, path, report);
  validate_pod_resources(spec, path, report);
  validate_scheduling(spec, path, report);
}

void default_pod_template(Json& pod_template) {
  if (!pod_template.is_object()) return;
  default_to(pod_template, "metadata", api::JsonObject());
  default_to(pod_template, "spec", api::JsonObject());
  default_pod_spec(*edit(pod_template, "spec"));
}

void validate_pod_template(const Json& pod_template, const Path& path, Report& report) {
  static const Json none = api::JsonObject();
  const Json* metadata = api::find(pod_template, "metadata");
  validate_template_metadata(metadata ? *metadata : none, path.child("metadata"), report);
  const Json* spec = api::find(pod_template, "spec");
  const Path spec_path = path.child("spec");
  if (!api::list(spec ? *spec : none, "ephemeralContainers").empty()) {
    report.forbidden(spec_path.child("ephemeralContainers"),
                     "ephemeral containers not allowed in pod template");
  }
  validate_pod_spec(spec ? *spec : none, spec_path, report);
}

void validate_endless_template(const Json& pod_template, std::string_view kind, const Path& path,
                               Report& report) {
  validate_pod_template(pod_template, path, report);
  const auto policy = api::str(pod_template, "spec.restartPolicy");
  if (policy != "Always") report.not_supported(path.child("spec.restartPolicy"), policy, {"Always"});
  if (api::find(pod_template, "spec.activeDeadlineSeconds")) {
    report.forbidden(path.child("spec.activeDeadlineSeconds"),
                     "activeDeadlineSeconds in " + std::string(kind) + " is not Supported");
  }
}

}  // namespace mk::apiserver
