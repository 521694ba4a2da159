#pragma once

#include <functional>
#include <vector>

#include "mk/api/object.h"
#include "mk/api/selector.h"
#include "mk/client/client.h"

namespace mk::controller {

// Who claims: an owner of a kind, what it selects, and what kind of object it claims.
struct Claimant {
  Claimant(api::Object owner_, api::Gvr resource_, api::Gvk kind_, api::LabelSelector selector_)
      : owner(std::move(owner_)),
        resource(std::move(resource_)),
        kind(std::move(kind_)),
        selector(std::move(selector_)) {}
  api::Object owner;
  api::Gvr resource;  // of the owner
  api::Gvk kind;      // of the owner
  api::LabelSelector selector;
  std::string finalizer;  // if named: given at adoption, taken back at release
};

enum class ClaimAction { kIgnore, kKeep, kAdopt, kRelease };

// Pure: what the claimant does about one object of its namespace. Objects it controls are kept while the
// selector matches and released when it does not; orphans that match are adopted, unless either is going.
// `adoptable` is the kind's own condition (pods: not finished).
ClaimAction claim_action(const Claimant& claimant, const api::Object& candidate, bool adoptable);

// Carries it out by patches that fail if the object has been replaced, and answers those now owned. Before
// the first adoption the owner is read from the server: the cache may not know yet that it is being deleted.
rt::Task<Result<std::vector<api::Object>>> claim(client::Client& client, Claimant claimant, api::Gvr resource,
                                                 std::vector<api::Object> candidates,
                                                 std::function<bool(const api::Object&)> adoptable);

}  // namespace mk::controller
