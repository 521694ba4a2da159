#pragma once

#include <optional>
#include <vector>

#include "mk/api/json.h"

namespace mk::apiserver {

// The ClusterRoles, ClusterRoleBindings, Roles and RoleBindings that every cluster starts with (policy.yaml),
// with apiVersion, kind and metadata. admin, edit and view come with their aggregated rules filled in, so
// that they read right before the aggregation controller has run.
std::vector<api::Json> bootstrap_policy();

// What `existing` lacks of `wanted`: rules, subjects, labels, annotations and aggregation selectors are
// added, never taken away. nullopt: nothing to do, or nothing that may be done: the annotation
// rbac.authorization.kubernetes.io/autoupdate is "false", or the binding names another role (a roleRef cannot
// change, and whoever made it another one meant it).
std::optional<api::Json> reconcile_policy(const api::Json& existing, const api::Json& wanted);

}  // namespace mk::apiserver
