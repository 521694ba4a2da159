#pragma once

#include <memory>

#include "admission/admission.h"
#include "auth/authorizer.h"
#include "resources/resource_table.h"

// Plugins that evaluate policies written in CEL (KEP-3488, KEP-3962). They come after the plugins that are
// part of mk.
namespace mk::apiserver {

// What they look at; outlives them.
struct PolicyWorld {
  Cacher& cacher;
  Authorizer& authorizer;
  const ResourceTable& table;
};
std::unique_ptr<AdmissionPlugin> make_validating_policies(PolicyWorld world);
std::unique_ptr<AdmissionPlugin> make_mutating_policies(PolicyWorld world);
// Who may write policies and bindings that speak of params.
std::unique_ptr<AdmissionPlugin> make_policy_authorship(PolicyWorld world);

// Policies are not asked about the objects that make policies.
bool exempt_from_policies(const WriteContext& context);

}  // namespace mk::apiserver
