#include "ephemeralvolume/ephemeral_volume_controller.h"

#include <algorithm>

#include "kit/objects.h"
#include "mk/api/resource.h"
#include "mk/api/volume_matching.h"

namespace mk::controller {

using api::Json;
using api::Object;
using api::resources::kPods;
using api::volume::kClaims;

namespace {

bool has_ephemeral(const Object& pod) {
  const auto& volumes = api::list(pod.json(), "spec.volumes");
  return std::any_of(volumes.begin(), volumes.end(),
                     [](const Json& volume) { return api::find(volume, "ephemeral") != nullptr; });
}

}  // namespace

EphemeralVolumeController::EphemeralVolumeController(Context& context_)
    : Controller(context_, "ephemeral-volume-controller"),
      pods_(watch(kPods,
                  [](const Object& before, const Object& after) {
                    // A pod's volumes never change; what matters is that there is a new pod.
                    return !before && has_ephemeral(after) ? Keys{after.key()} : Keys();
                  })),
      claims_(watch(kClaims, [](const Object& before, const Object& after) {
        Keys keys;
        if (after) return keys;
        for (const auto& owner : api::list(before.json(), "metadata.ownerReferences")) {
          if (api::str(owner, "kind") == "Pod" && api::flag(owner, "controller"))
            keys.emplace_back(std::string(before.ns()), std::string(api::str(owner, "name")));
        }
        return keys;
      })) {}

rt::Task<Result<void>> EphemeralVolumeController::reconcile(api::Key key) {
  const auto pod = pods_.get(key);
  if (!pod || pod.deleting() || pod_finished(pod.json())) co_return ok();
  for (const auto& volume : api::list(pod.json(), "spec.volumes")) {
    if (api::find(volume, "ephemeral") != nullptr) MK_CO_TRY(co_await make_claim(pod, volume));
  }
  co_return ok();
}

rt::Task<Result<void>> EphemeralVolumeController::make_claim(Object pod, const Json& volume) {
  const auto name = api::volume::claim_of_volume(pod.name(), volume);
  const auto present = claims_.get(api::Key(std::string(pod.ns()), name));
  if (present && controlled_by(present, pod.uid())) co_return ok();
  const auto foreign = [&] {
    event(pod, "Warning", "FailedBinding",
          "ephemeral volume: PVC " + name + " was not created for pod " + pod.key().str() +
              " (pod is not owner)");
  };
  if (present) {
    foreign();
    co_return ok();
  }
  Json claim = api::JsonObject{{"apiVersion", "v1"}, {"kind", "PersistentVolumeClaim"}};
  const Json& wanted = *api::find(volume, "ephemeral");
  api::set(claim, "metadata.labels", api::object(wanted, "volumeClaimTemplate.metadata.labels"));
  api::set(claim, "metadata.annotations", api::object(wanted, "volumeClaimTemplate.metadata.annotations"));
  api::set(claim, "metadata.name", api::text(name));
  api::set(claim, "metadata.namespace", api::text(pod.ns()));
  const api::Gvk kPod{"", "v1", "Pod"};
  api::set(claim, "metadata.ownerReferences", api::JsonArray{controller_reference(pod, kPod)});
  api::set(claim, "spec", api::object(wanted, "volumeClaimTemplate.spec"));
  Object object(std::move(claim));
  auto made =
      co_await client().create(kClaims, std::string(pod.ns()), std::move(object), client::WriteOptions());
  if (made.ok()) co_return ok();
  if (made.error().is(Reason::kAlreadyExists) || namespace_terminating(made.error())) co_return ok();
  event(pod, "Warning", "FailedBinding",
        "ephemeral volume: create PVC " + name + ": " + std::string(made.error().message()));
  co_return std::move(made).error();
}

}  // namespace mk::controller
