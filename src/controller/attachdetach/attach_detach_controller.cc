#include "attachdetach/attach_detach_controller.h"

#include <algorithm>

#include "kit/objects.h"
#include "mk/api/resource.h"
#include "mk/api/volume_matching.h"
#include "mk/client/attachment.h"

namespace mk::controller {

using api::Json;
using api::Object;
using namespace api::volume;
using api::resources::kPods;

namespace {

const api::Gvr kDrivers{"storage.k8s.io", "v1", "csidrivers"};
const api::Gvr kAttachments{"storage.k8s.io", "v1", "volumeattachments"};
const std::string kByNode = "pods-by-node", kByClaim = "pods-by-claim", kAttachedTo = "attached-to";

std::vector<std::string> node_index(const Object& pod) {
  const auto node = api::str(pod.json(), "spec.nodeName");
  return node.empty() ? std::vector<std::string>() : std::vector<std::string>{std::string(node)};
}

std::vector<std::string> claim_index(const Object& pod) {
  std::vector<std::string> out;
  for (const auto& volume : api::list(pod.json(), "spec.volumes")) {
    const auto name = claim_of_volume(pod.name(), volume);
    if (!name.empty()) out.push_back(std::string(pod.ns()) + "/" + name);
  }
  return out;
}

std::vector<std::string> attachment_index(const Object& attachment) {
  return {std::string(api::str(attachment.json(), "spec.nodeName"))};
}

Object attachment(const std::string& name, const std::string& node, const Object& volume) {
  Json out = api::JsonObject{{"apiVersion", "storage.k8s.io/v1"}, {"kind", "VolumeAttachment"}};
  api::set(out, "metadata.name", api::text(name));
  api::set(out, "spec.attacher", api::text(api::str(volume.json(), "spec.csi.driver")));
  api::set(out, "spec.nodeName", api::text(node));
  api::set(out, "spec.source.persistentVolumeName", api::text(volume.name()));
  return Object(std::move(out));
}

}  // namespace

AttachDetachController::AttachDetachController(Context& context_)
    : Controller(context_, "attachdetach-controller"),
      pods_(watch(kPods,
                  [](const Object& before, const Object& after) {
                    Keys keys;
                    const auto& pod = after ? after : before;
                    const bool moved = !before || !after || node_index(before) != node_index(after);
                    if (moved && !claim_index(pod).empty())
                      for (auto& node : node_index(pod)) keys.emplace_back("", std::move(node));
                    return keys;
                  })),
      claims_(watch(kClaims,
                    [this](const Object& before, const Object& after) {
                      const bool bound = after && fully_bound(after) && (!before || !fully_bound(before));
                      return bound ? nodes_of_claim(after) : Keys();
                    })),
      volumes_(cache(kVolumes)),
      drivers_(cache(kDrivers)),
      attachments_(watch(kAttachments, [](const Object& before, const Object& after) {
        return before && after
                   ? Keys()
                   : Keys{api::Key("",
                                   std::string(api::str((after ? after : before).json(), "spec.nodeName")))};
      })) {
  context().informers.indexed(kPods, kByNode, node_index);
  context().informers.indexed(kPods, kByClaim, claim_index);
  context().informers.indexed(kAttachments, kAttachedTo, attachment_index);
}

Controller::Keys AttachDetachController::nodes_of_claim(const Object& claim) {
  Keys keys;
  for (const auto& pod : pods_.by_index(kByClaim, claim.key().str()))
    for (auto& node : node_index(pod)) keys.emplace_back("", std::move(node));
  return keys;
}

std::map<std::string, Object> AttachDetachController::wanted(const std::string& node) {
  std::map<std::string, Object> out;
  for (const auto& pod : pods_.by_index(kByNode, node)) {
    for (const auto& name : claim_index(pod)) {
      const auto slash = name.find('/');
      const auto claim = claims_.get(api::Key(name.substr(0, slash), name.substr(slash + 1)));
      if (!claim || !fully_bound(claim)) continue;
      const auto volume = volumes_.get(api::Key("", std::string(api::str(claim.json(), "spec.volumeName"))));
      const std::string driver(volume ? api::str(volume.json(), "spec.csi.driver") : "");
      if (driver.empty()) continue;
      const auto about = drivers_.get(api::Key("", driver));
      if (about && !api::flag(about.json(), "spec.attachRequired", true)) continue;
      const std::string handle(api::str(volume.json(), "spec.csi.volumeHandle"));
      out[client::attachment_name(handle, driver, node)] = volume;
    }
  }
  return out;
}

// Others may make VolumeAttachments too; ours are known by their names.
bool AttachDetachController::made_here(const Object& present) {
  const Json& spec = *api::find(present.json(), "spec");
  const auto volume = volumes_.get(api::Key("", std::string(api::str(spec, "source.persistentVolumeName"))));
  if (!volume) return false;  // a volume is held by its driver's attacher while it is attached
  return present.name() ==
         client::attachment_name(std::string(api::str(volume.json(), "spec.csi.volumeHandle")),
                                 std::string(api::str(spec, "attacher")),
                                 std::string(api::str(spec, "nodeName")));
}

rt::Task<Result<void>> AttachDetachController::reconcile(api::Key key) {
  const auto volumes = wanted(key.name);
  for (const auto& present : attachments_.by_index(kAttachedTo, key.name)) {
    if (volumes.count(std::string(present.name())) != 0 || present.deleting() || !made_here(present))
      continue;
    client::DeleteOptions options;
    options.uid = present.uid();
    auto gone = co_await client().remove(kAttachments, present.key(), std::move(options));
    if (!gone.ok() && !gone.error().is(Reason::kNotFound)) co_return std::move(gone).error();
  }
  for (const auto& [name, volume] : volumes) {
    if (attachments_.get(api::Key("", name))) continue;  // also one that is leaving: its end brings us back
    Object object = attachment(name, key.name, volume);
    auto made = co_await client().create(kAttachments, "", std::move(object), client::WriteOptions());
    if (!made.ok() && !made.error().is(Reason::kAlreadyExists)) co_return std::move(made).error();
  }
  co_return ok();
}

}  // namespace mk::controller
