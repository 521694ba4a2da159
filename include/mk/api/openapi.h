#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/resource.h"

namespace mk::api {

// What is published besides the built-in API: the resources of CRDs and their definitions (name -> schema, in
// the form of make_schema: "$ref" is a bare type name, x-kubernetes-group-version-kind says whose it is).
struct OpenApiExtra {
  std::vector<std::shared_ptr<const ResourceInfo>> resources;
  std::map<std::string, Json> definitions;
  // By group version ("apis/example.com/v1"): a number that changes with anything of it.
  std::map<std::string, std::uint64_t> versions;
};

// "api/v1", "apis/apps/v1".
std::string group_version_path(const Gvr& gvr);
// Changes with everything that the document of this group version, or (with "") any document, is made of: a
// tag for caches that costs no document. Looks at extra.versions alone.
std::uint64_t openapi_hash(std::string_view group_version_path, const OpenApiExtra& extra);

// Each document is made when asked for (some milliseconds, some megabytes) and not kept.

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
