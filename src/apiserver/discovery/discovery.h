#pragma once

#include <optional>
#include <string>

#include "mk/api/json.h"

// The discovery documents, legacy and aggregated, made from the resource table.
namespace mk::apiserver {

api::Json api_versions(const std::string& server_address);     // GET /api
api::Json api_group_list();                                    // GET /apis
std::optional<api::Json> api_group(const std::string& group);  // GET /apis/<group>
std::optional<api::Json> api_resource_list(const std::string& group, const std::string& version);
// apidiscovery.k8s.io/v2 APIGroupDiscoveryList of /api (core) or /apis (all others).
api::Json aggregated_discovery(bool core);

}  // namespace mk::apiserver
