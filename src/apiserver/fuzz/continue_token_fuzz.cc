#include "fuzz/target.h"
#include "mk/base/assert.h"
#include "mk/base/strings.h"
#include "registry/position.h"

// A token that is taken reads as it is written; in clear text too, which says more to a fuzzer than base64.
MK_FUZZ_TARGET(continue_token, input) {
  using namespace mk::apiserver;
  for (const auto& token : {std::string(input), mk::base64url_encode(input)}) {
    const auto position = decode_position(token);
    if (!position.ok()) continue;
    const auto again = decode_position(encode_position(*position));
    MK_ASSERT(again.ok() && again->revision == position->revision && again->after == position->after);
  }
}
