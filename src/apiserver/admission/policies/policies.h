#pragma once

#include <memory>

#include "admission/admission.h"
#include "auth/authorizer.h"

// Plugins that evaluate policies written in CEL (KEP-3488, KEP-3962). They come after the plugins that are
// part of mk.
namespace mk::apiserver {

std::unique_ptr<AdmissionPlugin> make_validating_policies(Cacher& cacher, Authorizer& authorizer);
std::unique_ptr<AdmissionPlugin> make_mutating_policies(Cacher& cacher, Authorizer& authorizer);

// Policies are not asked about the objects that make policies.
bool exempt_from_policies(const WriteContext& context);

}  // namespace mk::apiserver
