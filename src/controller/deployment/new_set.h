#pragma once

#include "deployment/rollout.h"

// The ReplicaSet of a Deployment's current template. Pure.
namespace mk::controller::deployment {

// A new one: named and labelled by the template's hash.
api::Json make_new_set(const api::Object& deployment, std::int64_t replicas, std::int64_t revision);

// The annotations that a set should have: the Deployment's own but for those that belong to each object, its
// revision, and the sizes. A set that takes up an older role again (a rollback) keeps its former revisions in
// its history.
api::JsonObject annotations_of(const api::Object& deployment, const api::JsonObject& present,
                               std::int64_t revision);

// Sizes as annotations, from which proportional scaling starts next time.
void annotate_sizes(api::JsonObject& annotations, const Goal& goal);

// The highest revision among the sets; 0 without any.
std::int64_t max_revision(const std::vector<api::Object>& sets);

}  // namespace mk::controller::deployment
