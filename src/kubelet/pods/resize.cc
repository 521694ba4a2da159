#include "pods/resize.h"

#include <fmt/core.h>

#include <algorithm>

#include "status/container_status.h"

namespace mk::kubelet {

namespace {

constexpr std::string_view kResources[] = {"cpu", "memory"};
constexpr std::string_view kParts[] = {"limits", "requests"};

Json as_container(const Json& resources) {
  return JsonObject{{"resources", resources}};
}

std::vector<ContainerRef> resizable(const Json& pod) {
  auto out = all_containers(pod);
  std::erase_if(out, [](const ContainerRef& c) {
    return c.kind != ContainerKind::kRegular && c.kind != ContainerKind::kSidecar;
  });
  return out;
}

Json resources_of(const Json& container) {
  JsonObject out;
  for (const auto part : kParts)
    if (const Json* amounts = api::find(container, "resources." + std::string(part))) out[part] = *amounts;
  return out;
}

const Json* status_of(const Json& pod, const ContainerRef& container) {
  const bool sidecar = container.kind == ContainerKind::kSidecar;
  return find_named(api::list(pod, sidecar ? "status.initContainerStatuses" : "status.containerStatuses"),
                    container.name());
}

bool amount_differs(const Json& a, const Json& b, std::string_view resource) {
  for (const auto part : kParts)
    if (container_amount(a, part, resource) != container_amount(b, part, resource)) return true;
  return false;
}

std::int64_t capacity_of(const NodeCapacity& node, std::string_view resource) {
  return resource == "cpu" ? node.cpu_milli : node.memory;
}

std::int64_t wider(std::int64_t a, std::int64_t b) {
  return a == 0 || b == 0 ? 0 : std::max(a, b);
}

}  // namespace

Allocation wanted_resources(const Json& pod) {
  Allocation out;
  for (const auto& container : resizable(pod))
    out[std::string(container.name())] = resources_of(*container.spec);
  return out;
}

Allocation granted_resources(const Json& pod) {
  Allocation out = wanted_resources(pod);
  for (const auto& container : resizable(pod)) {
    const Json* status = status_of(pod, container);
    if (status == nullptr || api::str(*status, "containerID").empty()) continue;
    const Json* shown = api::find(*status, "resources");
    if (shown == nullptr) continue;  // of before mk told
    Json granted = resources_of(*status);
    if (const Json* requests = api::find(*status, "allocatedResources"))
      granted.as_object()["requests"] = *requests;
    out[std::string(container.name())] = std::move(granted);
  }
  return out;
}

bool same_amounts(const Json& a, const Json& b) {
  const Json left = as_container(a), right = as_container(b);
  return std::none_of(std::begin(kResources), std::end(kResources),
                      [&](std::string_view resource) { return amount_differs(left, right, resource); });
}

bool same_amounts(const Allocation& a, const Allocation& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const auto& entry) {
           const auto other = b.find(entry.first);
           return other != b.end() && same_amounts(entry.second, other->second);
         });
}

Json with_resources(const Json& pod, const Allocation& resources) {
  Json out = pod;
  Json* spec = out.as_object().if_contains("spec");
  for (const char* field : {"initContainers", "containers"}) {
    Json* list = spec == nullptr ? nullptr : spec->as_object().if_contains(field);
    if (list == nullptr || !list->is_array()) continue;
    for (Json& container : list->as_array()) {
      const auto found = resources.find(std::string(api::str(container, "name")));
      if (found == resources.end()) continue;
      Json& own = container.as_object()["resources"];
      if (!own.is_object()) own = JsonObject{};
      for (const auto part : kParts) {
        if (const Json* amounts = api::find(found->second, part))
          own.as_object()[part] = *amounts;
        else
          own.as_object().erase(part);
      }
    }
  }
  return out;
}

std::optional<ReasonMessage> check_resize(const Json& pod, const std::vector<const Json*>& others,
                                          const NodeCapacity& node) {
  for (const auto resource : kResources) {
    const auto wanted = pod_request(pod, resource), capacity = capacity_of(node, resource);
    if (wanted > capacity)
      return ReasonMessage{"Infeasible",
                           fmt::format("Node didn't have enough capacity: {}, requested: {}, capacity: {}",
                                       resource, wanted, capacity)};
  }
  for (const auto resource : kResources) {
    const auto wanted = pod_request(pod, resource), capacity = capacity_of(node, resource);
    std::int64_t used = 0;
    for (const Json* other : others) used += pod_request(*other, resource);
    if (wanted + used > capacity)
      return ReasonMessage{
          "Deferred",
          fmt::format("Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}", resource,
                      wanted, used, capacity)};
  }
  return std::nullopt;
}

bool restarts_for(const Json& container, const Json& from, const Json& to) {
  const Json before = as_container(from), after = as_container(to);
  for (const Json& policy : api::list(container, "resizePolicy"))
    if (api::str(policy, "restartPolicy") == "RestartContainer" &&
        amount_differs(before, after, api::str(policy, "resourceName")))
      return true;
  return false;
}

LinuxResources widest(const LinuxResources& a, const LinuxResources& b) {
  LinuxResources out = a;
  out.cpu_shares = std::max(a.cpu_shares, b.cpu_shares);
  out.cpu_quota_us = wider(a.cpu_quota_us, b.cpu_quota_us);
  out.memory_limit = wider(a.memory_limit, b.memory_limit);
  return out;
}

}  // namespace mk::kubelet
