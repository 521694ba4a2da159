#include "registry/strategies/resources.h"

#include <fmt/format.h>

#include <algorithm>

namespace mk::apiserver {

using api::Json;
using api::Quantity;

ResourceList read_resources(const api::JsonObject& list) {
  ResourceList resources;
  for (const auto& entry : list) {
    if (auto quantity = Quantity::parse(text_of(entry.value())); quantity.ok()) {
      resources.emplace(std::string(entry.key()), *quantity);
    }
  }
  return resources;
}

Quantity read_quantity(const Json* value) {
  return value ? Quantity::parse(text_of(*value)).value_or(Quantity()) : Quantity();
}

bool is_native_resource(std::string_view name) {
  return name.find('/') == std::string_view::npos || name.find("kubernetes.io/") != std::string_view::npos;
}

bool is_hugepages(std::string_view name) {
  return name.starts_with("hugepages-");
}

bool is_extended_resource(std::string_view name) {
  if (is_native_resource(name) || name.starts_with("requests.")) return false;
  return api::check_qualified_name("requests." + std::string(name)).empty();
}

bool is_overcommit_allowed(std::string_view name) {
  return is_native_resource(name) && !is_hugepages(name);
}

void default_requests(Json& resources) {
  const api::JsonObject limits = api::object(resources, "limits");
  if (limits.empty()) return;
  for (const auto& limit : limits) {
    Json* requests = edit(resources, "requests");
    if (requests == nullptr || !requests->is_object()) {
      api::set(resources, "requests", api::JsonObject());
      requests = edit(resources, "requests");
    }
    if (!requests->get_object().contains(limit.key())) requests->get_object()[limit.key()] = limit.value();
  }
}

std::string check_container_resource_name(std::string_view name) {
  if (auto wrong = api::check_qualified_name(name); !wrong.empty()) return wrong;
  if (name.find('/') == std::string_view::npos) {
    const bool standard =
        name == "cpu" || name == "memory" || name == "ephemeral-storage" || is_hugepages(name);
    return standard ? "" : "must be a standard resource for containers";
  }
  if (!is_native_resource(name) && !is_extended_resource(name)) {
    return "doesn't follow extended resource name standard";
  }
  return "";
}

void validate_quantity_of(std::string_view resource, const Json& value, const Path& path, Report& report) {
  const auto quantity = Quantity::parse(text_of(value));
  if (!quantity.ok()) return;  // decoding reports it
  if (*quantity < Quantity()) report.invalid(path, value, kNotNegative);
  const bool whole = is_extended_resource(resource);
  if (whole && quantity->milli_value() % 1000 != 0) report.invalid(path, value, "must be an integer");
}

namespace {

void validate_limits(const api::JsonObject& limits, const Path& path, Report& report) {
  for (const auto& limit : limits) {
    const Path entry = path.key(limit.key());
    report.check(entry, limit.key(), check_container_resource_name(limit.key()));
    validate_quantity_of(limit.key(), limit.value(), entry, report);
  }
}

void validate_request(std::string_view name, const Json& value, const api::JsonObject& limits,
                      const Path& requests, const Path& limits_path, Report& report) {
  const auto request = read_quantity(&value);
  const Json* limit_value = limits.if_contains(name);
  if (limit_value == nullptr) {
    if (!is_overcommit_allowed(name)) {
      report.required(limits_path, "Limit must be set for non overcommitable resources");
    }
    return;
  }
  const auto limit = read_quantity(limit_value);
  if (request != limit && !is_overcommit_allowed(name)) {
    report.invalid(requests, request.str(),
                   fmt::format("must be equal to {} limit of {}", name, limit.str()));
  } else if (request > limit) {
    report.invalid(requests, request.str(),
                   fmt::format("must be less than or equal to {} limit of {}", name, limit.str()));
  }
}

}  // namespace

void validate_resource_requirements(const Json& resources, const Path& path, Report& report) {
  const auto& limits = api::object(resources, "limits");
  const auto& requests = api::object(resources, "requests");
  const Path limits_path = path.child("limits"), requests_path = path.child("requests");
  validate_limits(limits, limits_path, report);
  bool huge = false, cpu_or_memory = false;
  for (const auto& request : requests) {
    const std::string_view name = request.key();
    const Path entry = requests_path.key(name);
    report.check(entry, name, check_container_resource_name(name));
    validate_quantity_of(name, request.value(), entry, report);
    validate_request(name, request.value(), limits, requests_path, limits_path, report);
    huge = huge || is_hugepages(name);
    cpu_or_memory = cpu_or_memory || name == "cpu" || name == "memory";
  }
  for (const auto& limit : limits) {
    huge = huge || is_hugepages(limit.key());
    cpu_or_memory = cpu_or_memory || limit.key() == "cpu" || limit.key() == "memory";
  }
  if (huge && !cpu_or_memory) report.forbidden(path, "HugePages require cpu or memory");
}

namespace {

// What of cpu and memory a resource requirement sets, above zero.
void gather_qos(const Json& resources, ResourceList& requests, ResourceList& limits, bool& all_limited) {
  int limited = 0;
  const auto add = [](ResourceList& sum, const std::string& name, const Quantity& amount) {
    const auto [at, fresh] = sum.emplace(name, amount);
    if (!fresh) at->second = at->second + amount;
  };
  for (const auto& [name, amount] : read_resources(api::object(resources, "requests"))) {
    if ((name == "cpu" || name == "memory") && amount > Quantity()) add(requests, name, amount);
  }
  for (const auto& [name, amount] : read_resources(api::object(resources, "limits"))) {
    if ((name != "cpu" && name != "memory") || amount <= Quantity()) continue;
    add(limits, name, amount);
    ++limited;
  }
  all_limited = all_limited && limited == 2;
}

}  // namespace

std::string_view qos_class(const Json& pod_spec) {
  ResourceList requests, limits;
  bool all_limited = true;
  if (api::find(pod_spec, "resources.requests") || api::find(pod_spec, "resources.limits")) {
    gather_qos(*api::find(pod_spec, "resources"), requests, limits, all_limited);
  } else {
    for (const auto field : {"containers", "initContainers"}) {
      for (const auto& container : api::list(pod_spec, field)) {
        static const Json none = api::JsonObject();
        const Json* resources = api::find(container, "resources");
        gather_qos(resources ? *resources : none, requests, limits, all_limited);
      }
    }
  }
  if (requests.empty() && limits.empty()) return "BestEffort";
  return all_limited && requests == limits ? "Guaranteed" : "Burstable";
}

namespace {

void add(ResourceList& to, const ResourceList& amounts) {
  for (const auto& [name, amount] : amounts) to[name] = to[name] + amount;
}

void raise(ResourceList& to, const ResourceList& amounts) {
  for (const auto& [name, amount] : amounts) to[name] = std::max(to[name], amount);
}

// All containers together; `path` is where in one its amounts are.
ResourceList container_amounts(const Json& pod_spec, std::string_view path) {
  ResourceList total, sidecars;
  for (const auto& container : api::list(pod_spec, "containers"))
    add(total, read_resources(api::object(container, path)));
  ResourceList start;  // the most that the start of the pod takes at once
  for (const auto& container : api::list(pod_spec, "initContainers")) {
    auto amounts = read_resources(api::object(container, path));
    if (api::str(container, "restartPolicy") == "Always") {
      add(sidecars, amounts);
      raise(start, sidecars);
    } else {
      add(amounts, sidecars);
      raise(start, amounts);
    }
  }
  add(total, sidecars);
  raise(total, start);
  return total;
}

}  // namespace

ResourceList pod_container_requests(const Json& pod_spec) {
  return container_amounts(pod_spec, "resources.requests");
}

ResourceList pod_amounts(const Json& pod_spec, std::string_view field) {
  const auto path = "resources." + std::string(field);
  auto total = container_amounts(pod_spec, path);
  for (const auto& [name, amount] : read_resources(api::object(pod_spec, path))) total[name] = amount;
  for (const auto& [name, amount] : read_resources(api::object(pod_spec, "overhead"))) {
    // What has no limit gets none by overhead.
    if (field == "requests" || total.contains(name)) total[name] = total[name] + amount;
  }
  return total;
}

}  // namespace mk::apiserver
