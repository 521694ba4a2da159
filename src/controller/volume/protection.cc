#include "volume/protection.h"

#include <algorithm>

#include "kit/finalizers.h"
#include "kit/objects.h"
#include "mk/api/volume_matching.h"

namespace mk::controller {

using api::Object;
using api::resources::kPods;
using api::volume::kClaims;
using api::volume::kVolumes;

namespace {

const std::string kByClaim = "pods-by-claim";
constexpr std::string_view kClaimFinalizer = "kubernetes.io/pvc-protection",
                           kVolumeFinalizer = "kubernetes.io/pv-protection";

// A kubelet starts no pod whose claim is being deleted, so only those that a node has already count.
bool uses(const Object& pod, const std::string& claim) {
  if (api::str(pod.json(), "spec.nodeName").empty()) return false;
  const auto claims = claims_of_pod(pod.json());
  return std::find(claims.begin(), claims.end(), claim) != claims.end();
}

std::vector<std::string> pod_claims_index(const Object& pod) {
  auto claims = claims_of_pod(pod.json());
  for (auto& claim : claims) claim = std::string(pod.ns()) + "/" + claim;
  return claims;
}

}  // namespace

std::vector<std::string> claims_of_pod(const api::Json& pod) {
  std::vector<std::string> claims;
  for (const auto& volume : api::list(pod, "spec.volumes")) {
    auto name = api::volume::claim_of_volume(api::str(pod, "metadata.name"), volume);
    if (!name.empty()) claims.push_back(std::move(name));
  }
  return claims;
}

ClaimProtection::ClaimProtection(Context& context_)
    : Controller(context_, "pvc-protection-controller", 1),
      claims_(watch(kClaims, self)),
      pods_(watch(kPods, [](const Object& before, const Object& after) {
        // Only the end of a use sets anybody free.
        Keys keys;
        if (!before || after) return keys;
        for (auto& claim : claims_of_pod(before.json()))
          keys.emplace_back(std::string(before.ns()), std::move(claim));
        return keys;
      })) {
  context().informers.indexed(kPods, kByClaim, pod_claims_index);
}

rt::Task<Result<void>> ClaimProtection::reconcile(api::Key key) {
  const auto claim = claims_.get(key);
  if (!claim) co_return ok();
  const bool held = has_finalizer(claim, kClaimFinalizer);
  if (!claim.deleting()) {
    // Claims from before there was admission.
    if (held) co_return ok();
    co_return co_await write_finalizer(client(), kClaims, claim, kClaimFinalizer, true);
  }
  if (!held) co_return ok();
  MK_CO_ASSIGN(const bool used, co_await in_use(key));
  if (used) co_return ok();
  co_return co_await write_finalizer(client(), kClaims, claim, kClaimFinalizer, false);
}

// The cache first; before the claim goes for good, the server.
rt::Task<Result<bool>> ClaimProtection::in_use(api::Key key) {
  for (const auto& pod : pods_.by_index(kByClaim, key.str())) {
    if (uses(pod, key.name)) co_return true;
  }
  MK_CO_ASSIGN(const auto pods, co_await client().list(kPods, key.ns, client::ListOptions()));
  co_return std::any_of(pods.items.begin(), pods.items.end(),
                        [&key](const Object& pod) { return uses(pod, key.name); });
}

VolumeProtection::VolumeProtection(Context& context_)
    : Controller(context_, "pv-protection-controller", 1), volumes_(watch(kVolumes, self)) {}

rt::Task<Result<void>> VolumeProtection::reconcile(api::Key key) {
  const auto volume = volumes_.get(key);
  if (!volume) co_return ok();
  const bool held = has_finalizer(volume, kVolumeFinalizer);
  if (!volume.deleting()) {
    if (held) co_return ok();
    co_return co_await write_finalizer(client(), kVolumes, volume, kVolumeFinalizer, true);
  }
  const bool used = api::str(volume.json(), "status.phase") == "Bound";
  if (!held || used) co_return ok();
  co_return co_await write_finalizer(client(), kVolumes, volume, kVolumeFinalizer, false);
}

}  // namespace mk::controller
