#include "volume/binder.h"

#include "kit/objects.h"
#include "mk/api/volume_matching.h"

namespace mk::controller {

using api::Json;
using api::Object;
using namespace api::volume;

namespace {

const std::string kUnbound = "unbound-by-class", kByClass = "by-class", kByClaim = "by-claim";

bool has(const Object& object, std::string_view annotation) {
  return api::object(object.json(), "metadata.annotations").contains(annotation);
}

void annotate(Json& object, std::string_view name, std::string_view value) {
  auto annotations = api::object(object, "metadata.annotations");
  annotations[name] = value;
  api::set(object, "metadata.annotations", std::move(annotations));
}

std::string_view volume_name(const Object& claim) {
  return api::str(claim.json(), "spec.volumeName");
}

std::vector<std::string> unbound_class(const Object& claim) {
  if (!volume_name(claim).empty() || claim.deleting()) return {};
  return {class_of(claim)};
}

std::vector<std::string> class_index(const Object& object) {
  return {class_of(object)};
}

std::string claim_text(const Json& ref) {
  return std::string(api::str(ref, "namespace")) + "/" + std::string(api::str(ref, "name"));
}

std::vector<std::string> claim_index(const Object& volume) {
  const auto* ref = api::find(volume.json(), "spec.claimRef");
  return ref ? std::vector<std::string>{claim_text(*ref)} : std::vector<std::string>();
}

}  // namespace

VolumeBinder::VolumeBinder(Context& context_)
    : Controller(context_, "persistent-volume-binder"),
      claims_(watch(kClaims, [this](const Object& before,
                                    const Object& after) { return concerned_by_claim(before, after); })),
      volumes_(watch(kVolumes, [this](const Object& before,
                                      const Object& after) { return concerned_by_volume(before, after); })),
      classes_(watch(kClasses, [this](const Object& before, const Object& after) {
        Keys keys;
        std::vector<std::string> names{std::string((after ? after : before).name())};
        if (after && is_default_class(after)) names.emplace_back();  // claims that wait for a default
        for (const auto& name : names) {
          for (const auto& claim : claims_.by_index(kUnbound, name)) keys.push_back(claim.key());
        }
        return keys;
      })) {
  context().informers.indexed(kClaims, kUnbound, unbound_class);
  context().informers.indexed(kVolumes, kByClass, class_index);
  context().informers.indexed(kVolumes, kByClaim, claim_index);
}

Controller::Keys VolumeBinder::concerned_by_claim(const Object& before, const Object& after) {
  const auto& claim = after ? after : before;
  Keys keys{claim.key()};
  for (const auto& volume : volumes_.by_index(kByClaim, claim.key().str())) keys.push_back(volume.key());
  return keys;
}

// Its own key; the claim it is for; and when it is free, the claims that wait for one of its class.
Controller::Keys VolumeBinder::concerned_by_volume(const Object& before, const Object& after) {
  const auto& volume = after ? after : before;
  Keys keys{volume.key()};
  for (const auto* object : {&before, &after}) {
    const auto* ref = *object ? api::find(object->json(), "spec.claimRef") : nullptr;
    if (ref != nullptr)
      keys.emplace_back(std::string(api::str(*ref, "namespace")), std::string(api::str(*ref, "name")));
  }
  if (!after || api::find(after.json(), "spec.claimRef") != nullptr) return keys;
  for (const auto& claim : claims_.by_index(kUnbound, class_of(after))) keys.push_back(claim.key());
  return keys;
}

rt::Task<Result<void>> VolumeBinder::reconcile(api::Key key) {
  if (key.ns.empty()) {
    const auto volume = volumes_.get(key);
    if (!volume) co_return ok();
    co_return co_await reconcile_volume(volume);
  }
  const auto claim = claims_.get(key);
  if (!claim) co_return ok();
  co_return co_await reconcile_claim(claim);
}

// --- claims ---------------------------------------------------------------------------------------------

rt::Task<Result<void>> VolumeBinder::reconcile_claim(Object claim) {
  if (has(claim, kBindCompleted)) co_return co_await keep_bound(claim);
  if (claim.deleting()) co_return ok();
  if (volume_name(claim).empty()) co_return co_await look_for_volume(claim);
  co_return co_await bind_named(claim);
}

// A claim that left its class open gets the default class also when that comes after it.
rt::Task<Result<bool>> VolumeBinder::take_default_class(Object claim) {
  const bool open = api::find(claim.json(), "spec.storageClassName") == nullptr && class_of(claim).empty();
  if (!open) co_return false;
  const auto found = default_class(classes_.all());
  if (!found) co_return false;
  const Edit edit = [&found](Json& json) {
    api::set(json, "spec.storageClassName", api::text(found.name()));
  };
  MK_CO_TRY(co_await change(kClaims, claim, "", edit));
  co_return true;  // its own change brings it back
}

rt::Task<Result<void>> VolumeBinder::look_for_volume(Object claim) {
  MK_CO_ASSIGN(const bool changed, co_await take_default_class(claim));
  if (changed) co_return ok();
  const auto class_name = class_of(claim);
  const auto storage_class = class_name.empty() ? Object() : classes_.get(api::Key("", class_name));
  const bool waits =
      storage_class && api::str(storage_class.json(), "volumeBindingMode") == "WaitForFirstConsumer";
  const bool scheduled = has(claim, kSelectedNode);
  const auto volume = choose(claim, volumes_.by_index(kByClass, class_name), waits);
  if (volume) co_return co_await bind(claim, volume);
  MK_CO_TRY(co_await set_phase(kClaims, claim, "Pending"));
  if (waits && !scheduled) {
    event(claim, "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
  } else if (storage_class) {
    co_return co_await wait_for_provisioner(claim, storage_class);
  } else if (class_name.empty()) {
    event(claim, "Normal", "FailedBinding",
          "no persistent volumes available for this claim and no storage class is set");
  } else {
    event(claim, "Warning", "ProvisioningFailed",
          "storageclass.storage.k8s.io \"" + class_name + "\" not found");
  }
  co_return ok();
}

rt::Task<Result<void>> VolumeBinder::wait_for_provisioner(Object claim, Object storage_class) {
  const std::string provisioner(api::str(storage_class.json(), "provisioner"));
  if (provisioner == "kubernetes.io/no-provisioner") co_return ok();
  static constexpr std::string_view kNew = "volume.kubernetes.io/storage-provisioner",
                                    kOld = "volume.beta.kubernetes.io/storage-provisioner";
  if (claim.annotation(kNew) != provisioner || claim.annotation(kOld) != provisioner) {
    const Edit mark = [&provisioner](Json& json) {
      annotate(json, kNew, provisioner);
      annotate(json, kOld, provisioner);
    };
    MK_CO_TRY(co_await change(kClaims, claim, "", mark));
  }
  event(claim, "Normal", "ExternalProvisioning",
        "Waiting for a volume to be created either by the external provisioner '" + provisioner +
            "' or manually by the system administrator. If volume creation is delayed, please verify that "
            "the provisioner is running and correctly registered.");
  co_return ok();
}

// A user named the volume.
rt::Task<Result<void>> VolumeBinder::bind_named(Object claim) {
  const auto volume = volumes_.get(api::Key("", std::string(volume_name(claim))));
  if (volume && api::find(volume.json(), "spec.claimRef") == nullptr) {
    const auto why = mismatch(claim, volume);
    if (why.empty()) co_return co_await bind(claim, volume);
    event(claim, "Warning", "VolumeMismatch",
          "Cannot bind to requested volume \"" + std::string(volume.name()) + "\": " + why);
  } else if (volume && refers_to(volume, claim)) {
    co_return co_await bind(claim, volume);
  } else if (volume) {
    event(claim, "Warning", "FailedBinding",
          "volume \"" + std::string(volume.name()) + "\" already bound to a different claim.");
  }
  co_return co_await set_phase(kClaims, claim, "Pending");
}

// A binding is for ever: without its volume the claim is lost.
rt::Task<Result<void>> VolumeBinder::keep_bound(Object claim) {
  const std::string name(volume_name(claim));
  if (name.empty())
    co_return co_await lose(claim, "ClaimLost",
                            "Bound claim has lost reference to PersistentVolume. Data on "
                            "the volume is lost!");
  auto volume = volumes_.get(api::Key("", name));
  if (!volume) {
    // The cache may be behind; what is lost stays lost, so the server is asked.
    auto live = co_await client().get(kVolumes, api::Key("", name));
    if (!live.ok() && live.error().is(Reason::kNotFound))
      co_return co_await lose(claim, "ClaimLost",
                              "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
    if (!live.ok()) co_return std::move(live).error();
    volume = *live;
  }
  if (api::find(volume.json(), "spec.claimRef") == nullptr || refers_to(volume, claim))
    co_return co_await bind(claim, volume);
  co_return co_await lose(claim, "ClaimMisbound",
                          "Two claims are bound to the same volume, this one is bound incorrectly");
}

rt::Task<Result<void>> VolumeBinder::lose(Object claim, std::string reason, std::string message) {
  if (api::str(claim.json(), "status.phase") == "Lost") co_return ok();
  event(claim, "Warning", std::move(reason), std::move(message));
  co_return co_await set_phase(kClaims, claim, "Lost");
}

// Four writes, in an order in which a crash between any two is completed by the next run: the volume is
// reserved before the claim says that it has it.
rt::Task<Result<void>> VolumeBinder::bind(Object claim, Object volume) {
  if (api::str(volume.json(), "spec.claimRef.uid") != claim.uid()) {
    const bool reserved = api::find(volume.json(), "spec.claimRef") != nullptr;
    const Edit reserve = [&claim, reserved](Json& json) {
      api::set(json, "spec.claimRef", claim_reference(claim));
      if (!reserved) annotate(json, kBoundByController, "yes");
    };
    MK_CO_ASSIGN(volume, co_await change(kVolumes, volume, "", reserve));
  }
  MK_CO_TRY(co_await set_phase(kVolumes, volume, "Bound"));
  if (volume_name(claim) != volume.name() || !has(claim, kBindCompleted)) {
    const Edit take = [&claim, &volume](Json& json) {
      if (volume_name(claim).empty()) annotate(json, kBoundByController, "yes");
      api::set(json, "spec.volumeName", api::text(volume.name()));
      annotate(json, kBindCompleted, "yes");
    };
    MK_CO_ASSIGN(claim, co_await change(kClaims, claim, "", take));
  }
  if (api::str(claim.json(), "status.phase") == "Bound") co_return ok();
  const Edit bound = [&volume](Json& json) {
    api::set(json, "status.phase", "Bound");
    api::set(json, "status.accessModes", api::list(volume.json(), "spec.accessModes"));
    api::set(json, "status.capacity", api::object(volume.json(), "spec.capacity"));
  };
  MK_CO_TRY(co_await change(kClaims, claim, "status", bound));
  co_return ok();
}

// --- volumes --------------------------------------------------------------------------------------------

rt::Task<Result<void>> VolumeBinder::reconcile_volume(Object volume) {
  const auto* ref = api::find(volume.json(), "spec.claimRef");
  // Free, or reserved by name for a claim that has not come yet.
  if (ref == nullptr || api::str(*ref, "uid").empty())
    co_return co_await set_phase(kVolumes, volume, "Available");
  MK_CO_ASSIGN(const auto claim, co_await live_claim(volume));
  if (!claim) co_return co_await release(volume);
  if (volume_name(claim) == volume.name()) co_return co_await set_phase(kVolumes, volume, "Bound");
  if (volume_name(claim).empty()) {
    enqueue(claim.key());  // half bound: the claim's turn completes it
    co_return ok();
  }
  // The claim has another volume.
  const bool made_for_it = has(volume, kProvisionedBy) &&
                           api::str(volume.json(), "spec.persistentVolumeReclaimPolicy") == "Delete";
  if (made_for_it) co_return co_await release(volume);
  co_return co_await unbind(volume);
}

// The claim that the volume is bound to; empty when it is gone for certain.
rt::Task<Result<Object>> VolumeBinder::live_claim(Object volume) {
  const Json ref = *api::find(volume.json(), "spec.claimRef");
  const api::Key key(std::string(api::str(ref, "namespace")), std::string(api::str(ref, "name")));
  const auto uid = api::str(ref, "uid");
  auto claim = claims_.get(key);
  if (claim && claim.uid() == uid) co_return claim;
  auto live = co_await client().get(kClaims, key);
  if (live.ok()) co_return live->uid() == uid ? *live : Object();
  if (live.error().is(Reason::kNotFound)) co_return Object();
  co_return std::move(live).error();
}

rt::Task<Result<void>> VolumeBinder::release(Object volume) {
  const auto phase = api::str(volume.json(), "status.phase");
  if (phase == "Failed") co_return ok();
  if (phase != "Released") {
    MK_CO_TRY(co_await set_phase(kVolumes, volume, "Released"));
    co_return ok();  // its own change brings it back
  }
  co_return co_await reclaim(volume);
}

// Retained volumes wait for their administrator; those of an outside provisioner are deleted by it. mk has no
// plugin that could delete or recycle any other.
rt::Task<Result<void>> VolumeBinder::reclaim(Object volume) {
  const auto policy = api::str(volume.json(), "spec.persistentVolumeReclaimPolicy", "Retain");
  if (policy == "Retain" || volume.deleting() || has(volume, kProvisionedBy)) co_return ok();
  const bool recycle = policy == "Recycle";
  const auto message = recycle ? std::string("No recycler plugin found for the volume!")
                               : "error getting deleter volume plugin for volume \"" +
                                     std::string(volume.name()) + "\": no volume plugin matched";
  const char* reason = recycle ? "VolumeFailedRecycle" : "VolumeFailedDelete";
  event(volume, "Warning", reason, message);
  co_return co_await set_phase(kVolumes, volume, "Failed", reason, message);
}

// Back to what it was before the controller, or as the user who reserved it wrote it.
rt::Task<Result<void>> VolumeBinder::unbind(Object volume) {
  const Edit free = [&volume](Json& json) {
    if (!has(volume, kBoundByController)) return api::erase(json, "spec.claimRef.uid");
    api::erase(json, "spec.claimRef");
    auto annotations = api::object(json, "metadata.annotations");
    annotations.erase(kBoundByController);
    api::set(json, "metadata.annotations", std::move(annotations));
  };
  MK_CO_TRY(co_await change(kVolumes, volume, "", free));
  co_return ok();
}

// --- writes ---------------------------------------------------------------------------------------------

rt::Task<Result<Object>> VolumeBinder::change(api::Gvr resource, Object object, std::string subresource,
                                              Edit edit) {
  Json json = object.json();
  edit(json);
  co_return co_await client().update(std::move(resource), Object(std::move(json)), std::move(subresource),
                                     client::WriteOptions());
}

rt::Task<Result<void>> VolumeBinder::set_phase(api::Gvr resource, Object object, std::string phase,
                                               std::string reason, std::string message) {
  if (api::str(object.json(), "status.phase") == phase) co_return ok();
  const bool of_volume = resource == kVolumes;
  const auto now = rt::format_time(clock().now());
  const Edit edit = [&](Json& json) {
    api::set(json, "status.phase", api::text(phase));
    if (!of_volume) return;
    api::set(json, "status.lastPhaseTransitionTime", api::text(now));
    for (const auto& [path, text] : {std::pair("status.reason", &reason), {"status.message", &message}}) {
      if (text->empty()) {
        api::erase(json, path);
      } else {
        api::set(json, path, api::text(*text));
      }
    }
  };
  auto done = co_await change(std::move(resource), object, "status", edit);
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

}  // namespace mk::controller
