#include "eviction/rank.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "mk/api/node_selector.h"
#include "mk/api/quantity.h"
#include "pods/resources.h"
#include "static_pods/manifest.h"

namespace mk::kubelet {

namespace {

constexpr std::int64_t kSystemCriticalPriority = 2'000'000'000;
constexpr std::string_view kStorage = "ephemeral-storage";

bool in_bytes(Signal signal) {
  return resource_of(signal) == "memory" || resource_of(signal) == kStorage;
}

std::int64_t request_of(const Json& container, Signal signal) {
  return in_bytes(signal) ? container_amount(container, "requests", resource_of(signal)) : 0;
}

std::string amount_text(std::int64_t amount, Signal signal) {
  return in_bytes(signal) ? binary_text(amount) : std::to_string(amount);
}

const Json* container_named(const Json& pod, std::string_view name) {
  for (const auto& container : all_containers(pod))
    if (container.name() == name) return container.spec;
  return nullptr;
}

std::optional<std::int64_t> empty_dir_limit(const Json& volume) {
  const Json* source = api::find(volume, "emptyDir");
  const Json* limit = source == nullptr ? nullptr : api::find(*source, "sizeLimit");
  // In memory, the volume's file system has that size.
  if (limit == nullptr || api::str(*source, "medium") == "Memory") return std::nullopt;
  const auto quantity = api::Quantity::parse(text_of(limit));
  if (!quantity.ok() || quantity->value() <= 0) return std::nullopt;
  return quantity->value();
}

std::int64_t sum_of_limits(const Json& pod) {
  std::int64_t out = 0;
  for (const auto& container : all_containers(pod))
    out += container_amount(*container.spec, "limits", kStorage);
  return out;
}

}  // namespace

std::string binary_text(std::int64_t bytes) {
  constexpr std::pair<std::int64_t, const char*> kUnits[] = {
      {std::int64_t(1) << 40, "Ti"}, {1 << 30, "Gi"}, {1 << 20, "Mi"}, {1 << 10, "Ki"}};
  for (const auto& [size, name] : kUnits)
    if (bytes != 0 && bytes % size == 0) return fmt::format("{}{}", bytes / size, name);
  return std::to_string(bytes);
}

bool is_critical(const Json& pod) {
  return is_static(pod) || is_mirror(pod) || api::num(pod, "spec.priority") >= kSystemCriticalPriority;
}

std::vector<PodUse> rank(std::vector<PodUse> pods, Signal signal) {
  const bool by_request = resource_of(signal) != "pids";
  const auto order = [&](const PodUse& use) {
    const Json& pod = use.pod.json();
    const auto request = in_bytes(signal) ? pod_request(pod, resource_of(signal)) : 0;
    const bool exceeds = !by_request || use.usage > request;
    return std::make_tuple(!exceeds, api::num(pod, "spec.priority"), request - use.usage);
  };
  std::stable_sort(pods.begin(), pods.end(),
                   [&](const PodUse& a, const PodUse& b) { return order(a) < order(b); });
  return pods;
}

std::string eviction_message(const PodUse& use, const Breach& breach) {
  const auto signal = breach.threshold.signal;
  std::string out =
      fmt::format("The node was low on resource: {}. Threshold quantity: {}, available: {}. ",
                  resource_of(signal), amount_text(breach.threshold.least.of(breach.seen.capacity), signal),
                  amount_text(breach.seen.available, signal));
  for (const auto& container : use.containers) {
    const Json* spec = container_named(use.pod.json(), container.name);
    const auto request = spec == nullptr ? 0 : request_of(*spec, signal);
    if (container.usage <= request) continue;
    out += fmt::format("Container {} was using {}, request is {}, has larger consumption of {}. ",
                       container.name, amount_text(container.usage, signal), amount_text(request, signal),
                       resource_of(signal));
  }
  return out;
}

bool has_storage_limit(const Json& pod) {
  for (const Json& volume : api::list(pod, "spec.volumes"))
    if (empty_dir_limit(volume)) return true;
  return sum_of_limits(pod) > 0;
}

std::optional<std::string> storage_excess(const Json& pod, const StorageUse& use) {
  std::int64_t total = 0;
  for (const auto& volume : use.volumes) {
    total += volume.usage;
    for (const Json& spec : api::list(pod, "spec.volumes")) {
      const auto limit = empty_dir_limit(spec);
      if (api::str(spec, "name") != volume.name || !limit || volume.usage <= *limit) continue;
      return fmt::format("Usage of EmptyDir volume \"{}\" exceeds the limit \"{}\". ", volume.name,
                         text_of(api::find(spec, "emptyDir.sizeLimit")));
    }
  }
  for (const auto& container : use.containers) total += container.usage;
  if (const auto most = sum_of_limits(pod); most > 0 && total > most)
    return fmt::format("Pod ephemeral local storage usage exceeds the total limit of containers {}. ",
                       binary_text(most));
  for (const auto& container : use.containers) {
    const Json* spec = container_named(pod, container.name);
    const auto limit = spec == nullptr ? 0 : container_amount(*spec, "limits", kStorage);
    if (limit > 0 && container.usage > limit)
      return fmt::format("Container {} exceeded its local ephemeral storage limit \"{}\". ", container.name,
                         binary_text(limit));
  }
  return std::nullopt;
}

std::optional<ReasonMessage> refuse_under_pressure(const Json& pod, const NodePressure& pressure) {
  if ((!pressure.memory && !pressure.disk && !pressure.pids) || is_critical(pod)) return std::nullopt;
  if (pressure.memory && !pressure.disk && !pressure.pids) {
    if (qos_class(pod) != QosClass::kBestEffort) return std::nullopt;
    const Json taint = JsonObject{{"key", "node.kubernetes.io/memory-pressure"}, {"effect", "NoSchedule"}};
    for (const Json& toleration : api::list(pod, "spec.tolerations"))
      if (api::tolerates(toleration, taint)) return std::nullopt;
  }
  std::vector<std::string> names;
  if (pressure.memory) names.emplace_back("MemoryPressure");
  if (pressure.disk) names.emplace_back("DiskPressure");
  if (pressure.pids) names.emplace_back("PIDPressure");
  return ReasonMessage{"Evicted", fmt::format("The node had condition: {}. ", join_names(names))};
}

}  // namespace mk::kubelet
