#pragma once

#include <string>
#include <string_view>

#include "mk/base/result.h"
#include "mk/client/client.h"

namespace mk::apiserver {

enum class Encoding { kJson, kYaml };
enum class Transform { kNone, kTable, kPartial };

// What a client's Accept header gets.
struct Accepted {
  Encoding encoding = Encoding::kJson;
  Transform transform = Transform::kNone;
  bool aggregated_discovery = false;  // as=APIGroupDiscoveryList
  bool openapi_v2_protobuf = false;
};
// The first acceptable alternative, in the client's order of preference. kNotAcceptable lists what there is.
Result<Accepted> negotiate(std::string_view accept);

// A request body as JSON, by its Content-Type (none: JSON). kUnsupportedMediaType, kBadRequest.
Result<api::Json> parse_body(std::string_view content_type, std::string_view body);
Result<client::PatchType> patch_type(std::string_view content_type);

}  // namespace mk::apiserver
