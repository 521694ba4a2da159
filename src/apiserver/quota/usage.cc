#include "quota/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "mk/base/strings.h"
#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;
using api::Quantity;

namespace {

constexpr std::string_view kCount = "count/", kRequests = "requests.", kLimits = "limits.";
constexpr std::string_view kOfClass = ".storageclass.storage.k8s.io/",
                           kOfDeviceClass = ".deviceclass.resource.k8s.io/devices";
const Quantity kOne = Quantity::of(1);

// Kinds that are also counted under their bare name.
constexpr std::array<std::string_view, 7> kBare = {
    "configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services",
    "pods"};

bool has_bare_count(std::string_view qualified) {
  return std::find(kBare.begin(), kBare.end(), qualified) != kBare.end();
}

bool standard(std::string_view name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage";
}

// A finished pod takes nothing any more; only its object is still there.
bool finished(const Json& pod) {
  const auto phase = api::str(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

// What lists of requests and limits count for.
void add_amounts(const ResourceList& requests, const ResourceList& limits, ResourceList& usage) {
  for (const auto& [name, amount] : requests) {
    if (standard(name) || is_hugepages(name)) usage[name] = amount;
    if (standard(name) || is_hugepages(name) || is_extended_resource(name))
      usage[std::string(kRequests) + name] = amount;
  }
  for (const auto& [name, amount] : limits) {
    if (standard(name)) usage[std::string(kLimits) + name] = amount;
  }
}

void add_pod(const Json& pod, ResourceList& usage) {
  if (finished(pod)) return;
  usage["pods"] = kOne;
  const Json& spec = spec_of(pod);
  add_amounts(pod_amounts(spec, "requests"), pod_amounts(spec, "limits"), usage);
}

std::string claim_class(const Json& claim) {
  const auto& annotations = api::object(claim, "metadata.annotations");
  if (const Json* old = annotations.if_contains("volume.beta.kubernetes.io/storage-class"))
    return std::string(text_of(*old));
  return std::string(api::str(claim, "spec.storageClassName"));
}

void add_claim(const Json& claim, ResourceList& usage) {
  const auto storage_class = claim_class(claim);
  const auto of_class = storage_class.empty() ? std::string() : storage_class + std::string(kOfClass);
  if (!of_class.empty()) usage[of_class + "persistentvolumeclaims"] = kOne;
  const Json* asked = api::find(claim, "spec.resources.requests.storage");
  if (asked == nullptr) return;
  auto amount = read_quantity(asked);
  // What was asked for and could not be given yet is charged already.
  if (const Json* given = api::find(claim, "status.allocatedResources.storage"))
    amount = std::max(amount, read_quantity(given));
  usage["requests.storage"] = amount;
  if (!of_class.empty()) usage[of_class + "requests.storage"] = amount;
}

void add_service(const Json& service, ResourceList& usage) {
  const auto type = api::str(service, "spec.type");
  const auto& ports = api::list(service, "spec.ports");
  auto node_ports = static_cast<std::int64_t>(ports.size());
  if (type == "LoadBalancer") {
    usage["services.loadbalancers"] = kOne;
    if (!api::flag(service, "spec.allocateLoadBalancerNodePorts", true))
      node_ports = std::count_if(ports.begin(), ports.end(),
                                 [](const Json& port) { return api::num(port, "nodePort") != 0; });
  } else if (type != "NodePort") {
    return;
  }
  usage["services.nodeports"] = Quantity::of(node_ports);
}

// Devices by class. "All" asks for as many as a claim can get (AllocationResultsMaxSize); of alternatives the
// costliest counts.
void add_devices(const Json& claim, ResourceList& usage) {
  const auto count = [](const Json& request) {
    const bool all = api::str(request, "allocationMode") == "All";
    return std::pair(std::string(api::str(request, "deviceClassName")) + std::string(kOfDeviceClass),
                     Quantity::of(all ? 32 : api::num(request, "count", 1)));
  };
  for (const auto& request : api::list(claim, "spec.devices.requests")) {
    ResourceList most;
    if (const Json* exactly = api::find(request, "exactly")) most.insert(count(*exactly));
    for (const auto& alternative : api::list(request, "firstAvailable")) {
      const auto [name, devices] = count(alternative);
      most[name] = std::max(most[name], devices);
    }
    for (const auto& [name, devices] : most) usage[name] = usage[name] + devices;
  }
}

bool crosses_namespaces(const Json& pod) {
  const auto crosses = [](const Json& term) {
    return api::find(term, "namespaceSelector") != nullptr || !api::list(term, "namespaces").empty();
  };
  for (const auto* affinity : {"spec.affinity.podAffinity", "spec.affinity.podAntiAffinity"}) {
    const Json* rules = api::find(pod, affinity);
    if (rules == nullptr) continue;
    for (const auto& term : api::list(*rules, "requiredDuringSchedulingIgnoredDuringExecution"))
      if (crosses(term)) return true;
    for (const auto& weighted : api::list(*rules, "preferredDuringSchedulingIgnoredDuringExecution")) {
      const Json* term = api::find(weighted, "podAffinityTerm");
      if (term != nullptr && crosses(*term)) return true;
    }
  }
  return false;
}

// The operators of a scope selector on the values an object has (a claim may be between two classes).
bool selects(const QuotaScope& scope, std::set<std::string_view> has) {
  has.erase(std::string_view());
  const bool listed = std::any_of(scope.values.begin(), scope.values.end(),
                                  [&has](const std::string& value) { return has.contains(value); });
  if (scope.op == "In") return listed;
  if (scope.op == "NotIn") return !listed;
  if (scope.op == "DoesNotExist") return has.empty();
  return !has.empty();
}

bool pod_in_scope(const QuotaScope& scope, const Json& pod) {
  const bool terminating = api::find(pod, "spec.activeDeadlineSeconds") != nullptr;
  if (scope.name == "Terminating") return terminating;
  if (scope.name == "NotTerminating") return !terminating;
  if (scope.name == "BestEffort") return qos_class(spec_of(pod)) == "BestEffort";
  if (scope.name == "NotBestEffort") return qos_class(spec_of(pod)) != "BestEffort";
  if (scope.name == "PriorityClass") return selects(scope, {api::str(pod, "spec.priorityClassName")});
  if (scope.name == "CrossNamespacePodAffinity") return crosses_namespaces(pod);
  return false;
}

bool claim_in_scope(const QuotaScope& scope, const Json& claim) {
  if (scope.name != "VolumeAttributesClass") return false;
  return selects(scope, {api::str(claim, "spec.volumeAttributesClassName"),
                         api::str(claim, "status.currentVolumeAttributesClassName"),
                         api::str(claim, "status.modifyVolumeStatus.targetVolumeAttributesClassName")});
}

bool is(const api::Gvr& resource, std::string_view name) {
  return resource.group.empty() && resource.resource == name;
}

}  // namespace

ResourceList quota_usage(const api::Gvr& resource, const Json& object) {
  ResourceList usage;
  const auto qualified = resource.qualified();
  usage[std::string(kCount) + qualified] = kOne;
  if (is(resource, "pods")) {
    add_pod(object, usage);
  } else if (has_bare_count(qualified)) {
    usage[qualified] = kOne;
  }
  if (is(resource, "persistentvolumeclaims")) add_claim(object, usage);
  if (is(resource, "services")) add_service(object, usage);
  if (qualified == "resourceclaims.resource.k8s.io") add_devices(object, usage);
  return usage;
}

std::vector<QuotaScope> quota_scopes(const Json& quota) {
  std::vector<QuotaScope> scopes;
  for (const auto& name : api::list(quota, "spec.scopes"))
    scopes.emplace_back(std::string(text_of(name)), "Exists", std::vector<std::string>());
  for (const auto& term : api::list(quota, "spec.scopeSelector.matchExpressions")) {
    std::vector<std::string> values;
    for (const auto& value : api::list(term, "values")) values.emplace_back(text_of(value));
    scopes.emplace_back(std::string(api::str(term, "scopeName")), std::string(api::str(term, "operator")),
                        std::move(values));
  }
  return scopes;
}

bool in_quota_scopes(const std::vector<QuotaScope>& scopes, const api::Gvr& resource, const Json& object) {
  const bool pod = is(resource, "pods"), claim = is(resource, "persistentvolumeclaims");
  return std::all_of(scopes.begin(), scopes.end(), [&](const QuotaScope& scope) {
    return (pod && pod_in_scope(scope, object)) || (claim && claim_in_scope(scope, object));
  });
}

std::vector<api::Gvr> counted_resources(std::string_view name) {
  const auto core = [](std::string_view resource) {
    return std::vector<api::Gvr>{api::Gvr{"", "v1", std::string(resource)}};
  };
  if (name.starts_with(kCount)) {
    name.remove_prefix(kCount.size());
    const auto dot = name.find('.');
    if (dot == std::string_view::npos) return core(name);
    // The version does not matter: caches are by group and resource.
    return {api::Gvr{std::string(name.substr(dot + 1)), "", std::string(name.substr(0, dot))}};
  }
  if (has_bare_count(name)) return core(name);
  if (name.starts_with("services.")) return core("services");
  if (name == "requests.storage" || name.find(kOfClass) != std::string_view::npos)
    return core("persistentvolumeclaims");
  if (name.ends_with(kOfDeviceClass)) return {api::Gvr{"resource.k8s.io", "v1", "resourceclaims"}};
  const bool compute =
      standard(name) || is_hugepages(name) || name.starts_with(kRequests) || name.starts_with(kLimits);
  return compute ? core("pods") : std::vector<api::Gvr>();
}

std::string missing_amounts(const ResourceList& hard, const Json& pod) {
  std::map<std::string_view, std::set<std::string>> missing;
  const Json& spec = spec_of(pod);
  ResourceList whole;
  add_amounts(read_resources(api::object(spec, "resources.requests")),
              read_resources(api::object(spec, "resources.limits")), whole);
  for (const auto* field : {"containers", "initContainers"}) {
    for (const auto& container : api::list(spec, field)) {
      ResourceList own;
      add_amounts(read_resources(api::object(container, "resources.requests")),
                  read_resources(api::object(container, "resources.limits")), own);
      for (const std::string_view name :
           {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}) {
        if (hard.contains(name) && !own.contains(name) && !whole.contains(name))
          missing[name].emplace(api::str(container, "name"));
      }
    }
  }
  std::vector<std::string> parts;
  for (const auto& [name, containers] : missing)
    parts.push_back(fmt::format("{} for: {}", name,
                                join(std::vector<std::string>(containers.begin(), containers.end()), ",")));
  return parts.empty() ? "" : "must specify " + join(parts, "; ");
}

}  // namespace mk::apiserver
