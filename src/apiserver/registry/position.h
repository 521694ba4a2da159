#pragma once

#include <string>
#include <string_view>

#include "mk/base/result.h"
#include "mk/store/store.h"

namespace mk::apiserver {

// Where a list's next page starts: after this key of the store, at this revision. Clients carry it as an
// opaque continue token.
struct Position {
  store::Revision revision = 0;
  std::string after;
};
std::string encode_position(const Position& position);
Result<Position> decode_position(std::string_view token);  // kBadRequest

}  // namespace mk::apiserver
