#pragma once

#include "mk/api/json.h"
#include "mk/api/types.h"

// core/v1 and events.k8s.io/v1 show the same Events under different field names. They are stored once, as
// core/v1; events.k8s.io is a view that is converted where objects enter and leave the cache.
namespace mk::apiserver {

bool is_event_view(const api::Gvr& gvr);
// The resource whose objects are stored: another one only for views, this one and that of autoscaling/v1.
api::Gvr stored_as(const api::Gvr& gvr);

// An Event with the other version's field names. Fields that both share stay; so does what neither knows.
api::Json event_for_view(const api::Json& stored);
api::Json event_for_store(const api::Json& shown);
// True for an Event of events.k8s.io/v1.
bool is_shown_event(const api::Json& object);

}  // namespace mk::apiserver
