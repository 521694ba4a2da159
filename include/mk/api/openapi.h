#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mk/api/json.h"
#include "mk/api/resource.h"

namespace mk::api {

// What is published besides the built-in API: the resources of CRDs and their definitions (name -> schema, in
// the form of make_schema: "$ref" is a bare type name, x-kubernetes-group-version-kind says whose it is).
struct OpenApiExtra {
  std::span<const ResourceInfo> resources;
  const JsonObject* definitions = nullptr;
};

// Each document is made when asked for (some milliseconds, some megabytes) and not kept: callers cache bytes.

// GET /openapi/v2: Swagger 2.0 as JSON.
std::string openapi_v2(const OpenApiExtra& extra = {});
// The same as gnostic's openapi.v2.Document. Clients ask with Accept:
// application/com.github.proto-openapi.spec.v2@v1.0+protobuf, but the answer's Content-Type must spell it
// application/com.github.proto-openapi.spec.v2.v1.0+protobuf: '@' is no character of a media type to Go.
std::string openapi_v2_protobuf(const OpenApiExtra& extra = {});

// GET /openapi/v3: {"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=..."}, ...}}
std::string openapi_v3_index(const OpenApiExtra& extra = {});
// GET /openapi/v3/<group_version_path>, for "api/v1" or "apis/apps/v1"; nullopt for what is not served.
std::optional<std::string> openapi_v3(std::string_view group_version_path, const OpenApiExtra& extra = {});

}  // namespace mk::api
