#pragma once

#include <map>
#include <string>

#include "mk/api/quantity.h"
#include "registry/strategies/fields.h"

// Resource lists: of containers, pods, quotas, claims.
namespace mk::apiserver {

using ResourceList = std::map<std::string, api::Quantity, std::less<>>;

// The quantities of a JSON map; what does not parse is left out (decoding has refused it already).
ResourceList read_resources(const api::JsonObject& list);
api::Quantity read_quantity(const api::Json* value);

bool is_native_resource(std::string_view name);    // no domain, or one of kubernetes.io
bool is_extended_resource(std::string_view name);  // example.com/gpu
bool is_hugepages(std::string_view name);
bool is_overcommit_allowed(std::string_view name);  // native, and no huge pages

// Requests that are not given are the limits. Idempotent.
void default_requests(api::Json& resources);

// What is wrong with the name of a resource as containers use them; "" when right.
std::string check_container_resource_name(std::string_view name);
void validate_quantity_of(std::string_view resource, const api::Json& value, const Path& path,
                          Report& report);
// v1.ResourceRequirements of a container.
void validate_resource_requirements(const api::Json& resources, const Path& path, Report& report);

// BestEffort, Burstable or Guaranteed.
std::string_view qos_class(const api::Json& pod_spec);
// What the containers of a pod ask for together, as the scheduler counts it (sidecars, init containers).
ResourceList pod_container_requests(const api::Json& pod_spec);
// What a whole pod asks for ("requests") or may take ("limits"): its containers, what is set for the pod as
// such instead, and its overhead.
ResourceList pod_amounts(const api::Json& pod_spec, std::string_view field);

}  // namespace mk::apiserver
