#pragma once

#include "mk/api/resource.h"
#include "mk/api/schema.h"

namespace mk::apiserver {

// What policies ask of the kinds that are served: the one place that knows where kinds come from.
const api::ResourceInfo* find_kind(const api::Gvk& gvk);
bool is_served(const api::Gvr& gvr);
// nullptr: nothing is known of its fields.
const api::Type* schema_of(const api::ResourceInfo& resource);

}  // namespace mk::apiserver
