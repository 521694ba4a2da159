#include "pods/resources.h"

#include <algorithm>

#include "mk/api/quantity.h"

namespace mk::kubelet {

namespace {

constexpr std::int64_t kMinShares = 2;
constexpr std::int64_t kMinQuotaUs = 1000;
constexpr std::int64_t kSystemCriticalPriority = 2'000'000'000;

std::int64_t amount_in(const JsonObject& amounts, std::string_view resource) {
  const Json* value = amounts.if_contains(resource);
  if (value == nullptr) return 0;
  const auto quantity = api::Quantity::parse(text_of(value));
  if (!quantity.ok()) return 0;
  return resource == "cpu" ? quantity->milli_value() : quantity->value();
}

std::int64_t shares_of(std::int64_t milli) {
  return std::max(kMinShares, milli * 1024 / 1000);
}

std::int64_t quota_of(std::int64_t milli, std::int64_t period) {
  return milli == 0 ? 0 : std::max(kMinQuotaUs, milli * period / 1000);
}

bool has_all_limits(const Json& container) {
  for (std::string_view resource : {"cpu", "memory"}) {
    const auto limit = container_amount(container, "limits", resource);
    const auto request = container_amount(container, "requests", resource);
    if (limit == 0 || (request != 0 && request != limit)) return false;
  }
  return true;
}

bool has_any_amount(const Json& container) {
  for (std::string_view which : {"requests", "limits"})
    for (std::string_view resource : {"cpu", "memory"})
      if (container_amount(container, which, resource) != 0) return true;
  return false;
}

// The pod's limit of one resource; 0 when some container has none.
std::int64_t pod_limit(const Json& pod, std::string_view resource) {
  if (const auto own = amount_in(api::object(pod, "spec.resources.limits"), resource); own != 0) return own;
  std::int64_t sum = 0, sidecars = 0, peak = 0;
  for (const auto& container : init_containers(pod)) {
    const auto limit = container_amount(*container.spec, "limits", resource);
    if (limit == 0) return 0;
    if (container.kind == ContainerKind::kSidecar)
      sidecars += limit;
    else
      peak = std::max(peak, sidecars + limit);
  }
  for (const auto& container : regular_containers(pod)) {
    const auto limit = container_amount(*container.spec, "limits", resource);
    if (limit == 0) return 0;
    sum += limit;
  }
  return std::max(sum + sidecars, peak);
}

}  // namespace

std::string_view to_string(QosClass qos) {
  switch (qos) {
    case QosClass::kGuaranteed:
      return "Guaranteed";
    case QosClass::kBurstable:
      return "Burstable";
    case QosClass::kBestEffort:
      return "BestEffort";
  }
  return "";
}

QosClass qos_class(const Json& pod) {
  bool any = false, all = true;
  if (const Json* whole = api::find(pod, "spec.resources"); whole != nullptr && whole->is_object()) {
    const Json as_container = JsonObject{{"resources", *whole}};
    if (has_any_amount(as_container))
      return has_all_limits(as_container) ? QosClass::kGuaranteed : QosClass::kBurstable;
  }
  for (const auto& container : all_containers(pod)) {
    if (container.kind == ContainerKind::kEphemeral) continue;
    any = any || has_any_amount(*container.spec);
    all = all && has_all_limits(*container.spec);
  }
  if (!any) return QosClass::kBestEffort;
  return all ? QosClass::kGuaranteed : QosClass::kBurstable;
}

std::int64_t container_amount(const Json& container, std::string_view which, std::string_view resource) {
  const Json* resources = api::find(container, "resources");
  return resources == nullptr ? 0 : amount_in(api::object(*resources, which), resource);
}

std::int64_t pod_request(const Json& pod, std::string_view resource) {
  const auto overhead = amount_in(api::object(pod, "spec.overhead"), resource);
  if (const auto own = amount_in(api::object(pod, "spec.resources.requests"), resource); own != 0)
    return own + overhead;
  std::int64_t sum = 0, sidecars = 0, peak = 0;
  for (const auto& container : init_containers(pod)) {
    const auto request = container_amount(*container.spec, "requests", resource);
    if (container.kind == ContainerKind::kSidecar)
      sidecars += request;
    else
      peak = std::max(peak, sidecars + request);
  }
  for (const auto& container : regular_containers(pod))
    sum += container_amount(*container.spec, "requests", resource);
  return std::max(sum + sidecars, peak) + overhead;
}

std::string pod_cgroup(const Json& pod) {
  const std::string leaf = "pod" + std::string(api::str(pod, "metadata.uid"));
  switch (qos_class(pod)) {
    case QosClass::kGuaranteed:
      return "kubepods/" + leaf;
    case QosClass::kBurstable:
      return "kubepods/burstable/" + leaf;
    case QosClass::kBestEffort:
      return "kubepods/besteffort/" + leaf;
  }
  return {};
}

LinuxResources container_resources(const Json& container) {
  LinuxResources out;
  const auto limit = container_amount(container, "limits", "cpu");
  const auto request = container_amount(container, "requests", "cpu");
  out.cpu_shares = shares_of(request != 0 ? request : limit);
  out.cpu_quota_us = quota_of(limit, out.cpu_period_us);
  out.memory_limit = container_amount(container, "limits", "memory");
  return out;
}

LinuxResources pod_resources(const Json& pod) {
  LinuxResources out;
  out.cpu_shares = shares_of(pod_request(pod, "cpu"));
  out.cpu_quota_us = quota_of(pod_limit(pod, "cpu"), out.cpu_period_us);
  out.memory_limit = pod_limit(pod, "memory");
  return out;
}

int oom_score_adj(const Json& pod, const Json& container, const NodeCapacity& node) {
  constexpr int kGuaranteed = -997, kBestEffort = 1000;
  if (api::num(pod, "spec.priority") >= kSystemCriticalPriority) return kGuaranteed;
  const QosClass qos = qos_class(pod);
  if (qos == QosClass::kGuaranteed) return kGuaranteed;
  if (qos == QosClass::kBestEffort || node.memory == 0) return kBestEffort;
  const auto request = container_amount(container, "requests", "memory");
  const auto score = 1000 - static_cast<std::int64_t>(1000.0 * static_cast<double>(request) /
                                                      static_cast<double>(node.memory));
  // Burstable stays between the classes whatever it asks for.
  return static_cast<int>(std::clamp<std::int64_t>(score, 1000 + kGuaranteed, kBestEffort - 1));
}

}  // namespace mk::kubelet
