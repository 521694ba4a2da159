#include "localpath/provisioner.h"

#include <algorithm>

#include "kit/finalizers.h"
#include "localpath/plan.h"
#include "mk/api/resource.h"
#include "mk/api/volume_matching.h"

namespace mk::controller {

using api::Object;
using namespace api::volume;

namespace {

const std::string kByNode = "local-path-node";

bool ours(const Object& volume) {
  return volume.annotation(kProvisionedBy) == kLocalPath && !volume.label(kLocalPathNode).empty();
}

std::vector<std::string> node_index(const Object& volume) {
  if (!ours(volume)) return {};
  return {std::string(volume.label(kLocalPathNode))};
}

}  // namespace

LocalPathProvisioner::LocalPathProvisioner(Context& context_)
    : Controller(context_, "local-path-provisioner"),
      claims_(watch(kClaims, self)),
      volumes_(watch(kVolumes,
                     [](const Object&, const Object& after) {
                       return after && ours(after) ? Keys{after.key()} : Keys();
                     })),
      classes_(cache(kClasses)),
      nodes_(watch(api::resources::kNodes, [this](const Object& before, const Object& after) {
        Keys keys;
        if (after) return keys;
        for (const auto& volume : volumes_.by_index(kByNode, std::string(before.name())))
          keys.push_back(volume.key());
        return keys;
      })) {
  context().informers.indexed(kVolumes, kByNode, node_index);
}

rt::Task<Result<void>> LocalPathProvisioner::reconcile(api::Key key) {
  if (key.ns.empty()) {
    const auto volume = volumes_.get(key);
    if (!volume || !ours(volume)) co_return ok();
    co_return co_await reclaim(volume);
  }
  const auto claim = claims_.get(key);
  if (!claim || claim.deleting() || !api::str(claim.json(), "spec.volumeName").empty()) co_return ok();
  co_return co_await provision(claim);
}

rt::Task<Result<void>> LocalPathProvisioner::provision(Object claim) {
  const auto storage_class = classes_.get(api::Key("", class_of(claim)));
  if (!storage_class || api::str(storage_class.json(), "provisioner") != kLocalPath) co_return ok();
  const std::string node_name(claim.annotation(kSelectedNode));
  if (node_name.empty()) {
    if (api::str(storage_class.json(), "volumeBindingMode") != "WaitForFirstConsumer")
      event(claim, "Warning", "ProvisioningFailed",
            "no node was specified: a class of local volumes needs volumeBindingMode WaitForFirstConsumer");
    co_return ok();
  }
  if (volumes_.get(api::Key("", localpath::volume_name(claim)))) co_return ok();  // the binder's turn
  const auto node = nodes_.get(api::Key("", node_name));
  if (!node) co_return co_await choose_again(claim, "node \"" + node_name + "\" not found");
  auto planned = localpath::plan_volume(claim, storage_class, node);
  if (!planned.ok()) {
    const std::string why(planned.error().message());
    if (planned.error().is(Reason::kServiceUnavailable)) co_return co_await choose_again(claim, why);
    event(claim, "Warning", "ProvisioningFailed", why);
    co_return ok();
  }
  Object volume(std::move(planned).value());
  auto made = co_await client().create(kVolumes, "", volume, client::WriteOptions());
  if (!made.ok() && made.error().is(Reason::kAlreadyExists)) co_return ok();
  if (!made.ok()) {
    event(claim, "Warning", "ProvisioningFailed", std::string(made.error().message()));
    co_return std::move(made).error();
  }
  event(claim, "Normal", "ProvisioningSucceeded",
        "Successfully provisioned volume " + std::string(volume.name()));
  co_return ok();
}

// The scheduler takes the missing annotation for the order to look for a node anew.
rt::Task<Result<void>> LocalPathProvisioner::choose_again(Object claim, std::string why) {
  event(claim, "Warning", "ProvisioningFailed", std::move(why));
  const auto without = claim.with([](api::Json& json) {
    auto annotations = api::object(json, "metadata.annotations");
    annotations.erase(kSelectedNode);
    api::set(json, "metadata.annotations", std::move(annotations));
  });
  auto done = co_await client().update(kClaims, without, "", client::WriteOptions());
  if (!done.ok() && !done.error().is(Reason::kNotFound)) co_return std::move(done).error();
  co_return ok();
}

rt::Task<Result<void>> LocalPathProvisioner::reclaim(Object volume) {
  if (volume.deleting()) {
    const std::string node(volume.label(kLocalPathNode));
    const bool held = has_finalizer(volume, kLocalPathFinalizer);
    if (!held || nodes_.get(api::Key("", node))) co_return ok();
    // The machine has left the cluster: nobody will ever say that the directory is gone.
    event(volume, "Warning", "VolumeDelete", "its node " + node + " is gone; the directory is left there");
    co_return co_await write_finalizer(client(), kVolumes, volume, kLocalPathFinalizer, false);
  }
  const bool released = api::str(volume.json(), "status.phase") == "Released";
  if (!released || api::str(volume.json(), "spec.persistentVolumeReclaimPolicy") != "Delete") co_return ok();
  client::DeleteOptions options;
  options.uid = volume.uid();
  options.resource_version = volume.resource_version();
  auto gone = co_await client().remove(kVolumes, volume.key(), std::move(options));
  if (!gone.ok() && !gone.error().is(Reason::kNotFound)) co_return std::move(gone).error();
  co_return ok();
}

LocalPathClass::LocalPathClass(Context& context_)
    : Controller(context_, "local-path-provisioner", 1), classes_(cache(kClasses)) {}

void LocalPathClass::start() {
  Controller::start();
  enqueue(api::Key("", std::string(localpath::kClassName)));
}

rt::Task<Result<void>> LocalPathClass::reconcile(api::Key key) {
  const auto present = classes_.get(key);
  if (context().options.local_storage) {
    if (present) co_return ok();
    Object wanted(localpath::storage_class());
    auto made = co_await client().create(kClasses, "", std::move(wanted), client::WriteOptions());
    if (!made.ok() && !made.error().is(Reason::kAlreadyExists)) co_return std::move(made).error();
    co_return ok();
  }
  if (!present || !localpath::packaged(present)) co_return ok();
  client::DeleteOptions options;
  options.uid = present.uid();
  auto gone = co_await client().remove(kClasses, key, std::move(options));
  if (!gone.ok() && !gone.error().is(Reason::kNotFound)) co_return std::move(gone).error();
  co_return ok();
}

}  // namespace mk::controller
