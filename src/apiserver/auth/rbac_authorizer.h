#pragma once

#include <memory>

#include "auth/authorizer.h"
#include "cacher/cacher.h"
#include "mk/api/resource.h"

namespace mk::apiserver {

// system:masters may do everything; then the Node authorizer for nodes, then RBAC. Call after Cacher::load();
// follows the cacher's changes from there on.
std::unique_ptr<Authorizer> make_authorizer(Cacher& cacher);

}  // namespace mk::apiserver
