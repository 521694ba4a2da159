#pragma once

#include "registry/strategies/fields.h"

// What the workloads with replicas and templates share.
namespace mk::apiserver {

inline constexpr std::string_view kNoMatch = "`selector` does not match template `labels`";

// replicas, minReadySeconds, revisionHistoryLimit: not negative.
void validate_counts(const api::Json& spec, const Path& path, Report& report);
// The spec of an object, or an empty object.
const api::Json& spec_of(const api::Json& object);
// Makes sure of an object at `path`, and gives it.
api::Json& ensure_object(api::Json& root, std::string_view path);
// selector may never change.
void check_selector_immutable(const api::Json& object, const api::Json& old, Report& report);
// status: counts are not negative, and no more are ready than there are.
void validate_replica_status(const api::Json& status, const Path& path, Report& report);

}  // namespace mk::apiserver
