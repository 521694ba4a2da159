#pragma once

#include "mk/api/schema.h"
#include "resources/resource_table.h"

namespace mk::apiserver {

// What policies ask of the kinds that are served, built in or defined.
ResourceRef find_kind(const ResourceTable& table, const api::Gvk& gvk);
// nullptr: nothing is known of its fields.
const api::Type* schema_of(const api::ResourceInfo& resource);
// An object of a resource in another of its versions, as conversion strategy None has it. Objects of other
// kinds (a Scale) stay what they are.
api::Json in_version(const api::ResourceInfo& version, api::Json object);
// Types, unknown fields (an error) and defaults of an object that a policy changed.
Result<void> settle(const api::ResourceInfo& resource, api::Json& object);

}  // namespace mk::apiserver
