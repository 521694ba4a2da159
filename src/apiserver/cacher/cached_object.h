#pragma once

#include <string_view>

#include "mk/api/object.h"
#include "mk/base/bytes.h"
#include "mk/store/store.h"

namespace mk::apiserver {

// How an object lies in the store: its JSON without metadata.resourceVersion, behind four bytes that say
// where that field belongs. The revision is known only when the change is applied; putting the field in is
// one copy, and from then on these bytes are what every GET, LIST and WATCH sends. Events are stored as
// core/v1 and HorizontalPodAutoscalers as autoscaling/v2 whatever version they come in.
SharedBytes encode_stored(const api::Json& object);
api::Object decode_stored(std::string_view stored, store::Revision revision);

}  // namespace mk::apiserver
