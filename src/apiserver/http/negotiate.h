#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mk/api/schema.h"
#include "mk/base/result.h"
#include "mk/client/client.h"

namespace mk::apiserver {

enum class Encoding { kJson, kYaml, kProtobuf };
enum class Transform { kNone, kTable, kPartial };

// What a client's Accept header gets.
struct Accepted {
  Encoding encoding = Encoding::kJson;
  Transform transform = Transform::kNone;
  bool aggregated_discovery = false;  // as=APIGroupDiscoveryList
  bool openapi_v2_protobuf = false;
  // With kProtobuf: what the client takes where there is no protobuf form (CRDs, plain paths); may be null.
  std::shared_ptr<const Accepted> otherwise;
};
// The first acceptable alternative, in the client's order of preference. kNotAcceptable lists what there is.
// `transforms`: there are Tables and metadata alone to be had.
Result<Accepted> negotiate(std::string_view accept, bool transforms = true);
Error not_acceptable();

// A request body as JSON, by its Content-Type (none: JSON). kUnsupportedMediaType, kBadRequest. `repeated`,
// if given, gets the keys that a JSON or YAML text has twice.
Result<api::Json> parse_body(std::string_view content_type, std::string_view body,
                             api::FieldProblems* repeated = nullptr);
bool is_json(std::string_view content_type);
Result<client::PatchType> patch_type(std::string_view content_type);

}  // namespace mk::apiserver
