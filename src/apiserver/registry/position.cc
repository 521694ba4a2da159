#include "registry/position.h"

#include "mk/api/json.h"
#include "mk/base/strings.h"

namespace mk::apiserver {

std::string encode_position(const Position& position) {
  api::JsonObject token;
  token["v"] = "mk/v1";
  token["rv"] = position.revision;
  token["after"] = api::text(position.after);
  return base64url_encode(api::to_json(token));
}

Result<Position> decode_position(std::string_view text) {
  const Error bad(Reason::kBadRequest, "continue key is not valid");
  const auto bytes = base64url_decode(text);
  if (!bytes) return bad;
  auto token = api::parse_json(*bytes, 8);
  if (!token.ok() || api::str(*token, "v") != "mk/v1") return bad;
  Position position;
  position.revision = api::num(*token, "rv");
  position.after = api::str(*token, "after");
  if (position.revision < 0 || position.after.empty()) return bad;
  return position;
}

}  // namespace mk::apiserver
