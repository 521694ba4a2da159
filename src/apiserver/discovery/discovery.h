#pragma once

#include <optional>
#include <string>

#include "mk/api/json.h"
#include "resources/resource_table.h"

// The discovery documents, legacy and aggregated, made from the resource table.
namespace mk::apiserver {

api::Json api_versions(const std::string& server_address);  // GET /api
api::Json api_group_list(const ResourceTable& table);       // GET /apis
std::optional<api::Json> api_group(const ResourceTable& table,
                                   const std::string& group);  // GET /apis/<group>
std::optional<api::Json> api_resource_list(const ResourceTable& table, const std::string& group,
                                           const std::string& version);
// apidiscovery.k8s.io/v2 APIGroupDiscoveryList of /api (core) or /apis (all others).
api::Json aggregated_discovery(const ResourceTable& table, bool core);

}  // namespace mk::apiserver
