#include "kit/claim.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "kit/objects.h"

namespace mk::controller {

ClaimAction claim_action(const Claimant& claimant, const api::Object& candidate, bool adoptable) {
  const bool matches = claimant.selector.matches(api::object(candidate.json(), "metadata.labels"));
  if (const auto* owner = api::controller_of(candidate)) {
    if (api::str(*owner, "uid") != claimant.owner.uid()) return ClaimAction::kIgnore;
    if (matches) return ClaimAction::kKeep;
    return claimant.owner.deleting() ? ClaimAction::kIgnore : ClaimAction::kRelease;
  }
  if (!matches || !adoptable || claimant.owner.deleting() || candidate.deleting())
    return ClaimAction::kIgnore;
  return ClaimAction::kAdopt;
}

namespace {

api::Json metadata_patch(const api::Object& object, api::Json owner_entry) {
  api::JsonArray owners;
  owners.push_back(std::move(owner_entry));
  api::JsonObject metadata;
  metadata["uid"] = object.uid();
  metadata["ownerReferences"] = std::move(owners);
  api::JsonObject patch;
  patch["metadata"] = std::move(metadata);
  return patch;
}

rt::Task<Result<void>> check_owner_alive(client::Client& client, Claimant claimant) {
  auto live = co_await client.get(claimant.resource, claimant.owner.key());
  if (!live.ok()) co_return std::move(live).error().wrap("can't adopt");
  if (live->uid() != claimant.owner.uid())
    co_return Error(Reason::kConflict, "can't adopt: the owner has been replaced");
  if (live->deleting()) co_return Error(Reason::kConflict, "can't adopt: the owner has just been deleted");
  co_return ok();
}

rt::Task<Result<api::Object>> adopt(client::Client& client, Claimant claimant, api::Gvr resource,
                                    api::Object object) {
  auto patch = metadata_patch(object, controller_reference(claimant.owner, claimant.kind));
  if (!claimant.finalizer.empty())
    api::set(patch, "metadata.finalizers", api::JsonArray{api::text(claimant.finalizer)});
  co_return co_await client.patch(resource, object.key(), "", client::PatchType::kStrategicMerge,
                                  std::move(patch), client::WriteOptions());
}

// An object that is gone or has been replaced needs no release.
rt::Task<Result<void>> release(client::Client& client, Claimant claimant, api::Gvr resource,
                               api::Object object) {
  api::JsonObject entry;
  entry["$patch"] = "delete";
  entry["uid"] = claimant.owner.uid();
  auto patch = metadata_patch(object, std::move(entry));
  if (!claimant.finalizer.empty()) {
    api::set(patch, "metadata.$deleteFromPrimitiveList/finalizers",
             api::JsonArray{api::text(claimant.finalizer)});
  }
  auto done = co_await client.patch(resource, object.key(), "", client::PatchType::kStrategicMerge,
                                    std::move(patch), client::WriteOptions());
  if (!done.ok() && !done.error().is(Reason::kNotFound) && !done.error().is(Reason::kInvalid)) {
    co_return std::move(done).error();
  }
  co_return ok();
}

}  // namespace

rt::Task<Result<std::vector<api::Object>>> claim(client::Client& client, Claimant claimant, api::Gvr resource,
                                                 std::vector<api::Object> candidates,
                                                 std::function<bool(const api::Object&)> adoptable) {
  std::vector<api::Object> owned;
  bool owner_checked = false;
  for (auto& candidate : candidates) {
    switch (claim_action(claimant, candidate, adoptable(candidate))) {
      case ClaimAction::kIgnore:
        break;
      case ClaimAction::kKeep:
        owned.push_back(candidate);
        break;
      case ClaimAction::kRelease:
        MK_CO_TRY(co_await release(client, claimant, resource, candidate));
        break;
      case ClaimAction::kAdopt: {
        if (!owner_checked) MK_CO_TRY(co_await check_owner_alive(client, claimant));
        owner_checked = true;
        auto adopted = co_await adopt(client, claimant, resource, candidate);
        if (adopted.ok()) {
          owned.push_back(std::move(adopted).value());
        } else if (!adopted.error().is(Reason::kNotFound)) {
          co_return std::move(adopted).error();
        }
        break;
      }
    }
  }
  co_return owned;
}

}  // namespace mk::controller
