#pragma once

#include "registry/strategies/fields.h"

// What of a pod spec speaks to the scheduler.
namespace mk::apiserver {

void validate_node_selector_term(const api::Json& term, const Path& path, Report& report);
void validate_node_selector(const api::Json& selector, const Path& path, Report& report);
void validate_affinity(const api::Json& affinity, const Path& path, Report& report);
void validate_tolerations(const api::JsonArray& tolerations, const Path& path, Report& report);
void validate_topology_spread(const api::JsonArray& constraints, const Path& path, Report& report);
void validate_scheduling_gates(const api::Json& spec, const Path& path, Report& report);

}  // namespace mk::apiserver
