#include <fmt/core.h>

#include "mk/api/resource.h"
#include "volumes/csi/csi_volumes.h"

// What the API knows of this node's drivers: the CSINode, and the Node's topology labels.
namespace mk::kubelet {

namespace {
const api::Gvr kCsiNodes{"storage.k8s.io", "v1", "csinodes"};
constexpr const char* kNodeId = "csi.volume.kubernetes.io/nodeid";
}  // namespace

rt::Task<Result<void>> CsiVolumes::start() {
  co_return co_await write_csi_node("", std::nullopt);
}

// Puts the driver's entry into the CSINode, or takes it out; "" only makes the object.
rt::Task<Result<void>> CsiVolumes::write_csi_node(std::string driver, std::optional<Json> entry) {
  const std::string node_name = context_.options.node_name;
  const api::Key key("", node_name);
  client::WriteOptions options;
  while (true) {
    auto present = co_await context_.client.get(kCsiNodes, key);
    if (!present.ok() && !present.error().is(Reason::kNotFound)) co_return std::move(present).error();
    Json json = JsonObject{{"apiVersion", "storage.k8s.io/v1"}, {"kind", "CSINode"}};
    if (present.ok()) json = present->json();
    JsonArray drivers;
    for (const Json& other : api::list(json, "spec.drivers"))
      if (api::str(other, "name") != driver) drivers.push_back(other);
    if (entry) drivers.push_back(*entry);
    if (present.ok() && drivers == api::list(json, "spec.drivers")) co_return ok();
    api::set(json, "spec.drivers", std::move(drivers));
    if (present.ok()) {
      api::Object changed(std::move(json));
      auto done = co_await context_.client.update(kCsiNodes, changed, "", options);
      if (done.ok()) co_return ok();
      if (!done.error().is(Reason::kConflict)) co_return std::move(done).error();
      continue;
    }
    MK_CO_ASSIGN(const api::Object node, co_await context_.client.get(api::resources::kNodes, key));
    JsonArray owners;
    owners.push_back(JsonObject{
        {"apiVersion", "v1"}, {"kind", "Node"}, {"name", text(node_name)}, {"uid", text(node.uid())}});
    api::set(json, "metadata.name", text(node_name));
    api::set(json, "metadata.ownerReferences", std::move(owners));
    api::Object made(std::move(json));
    auto done = co_await context_.client.create(kCsiNodes, "", made, options);
    if (done.ok()) co_return ok();
    if (!done.error().is(Reason::kAlreadyExists)) co_return std::move(done).error();
  }
}

rt::Task<Result<void>> CsiVolumes::label_node(std::string driver, std::string id,
                                              std::map<std::string, std::string> topology) {
  const api::Key key("", context_.options.node_name);
  MK_CO_ASSIGN(const api::Object node, co_await context_.client.get(api::resources::kNodes, key));
  auto ids = api::parse_json(node.annotation(kNodeId)).value_or(Json(JsonObject()));
  if (!ids.is_object()) ids = JsonObject();
  ids.as_object()[driver] = id;
  JsonObject labels, annotations;
  for (const auto& [name, value] : topology) labels[name] = value;
  annotations[kNodeId] = api::to_json(ids);
  JsonObject metadata{{"labels", std::move(labels)}, {"annotations", std::move(annotations)}};
  JsonObject change{{"metadata", std::move(metadata)}};
  client::WriteOptions options;
  auto done = co_await context_.client.patch(api::resources::kNodes, key, "", client::PatchType::kMerge,
                                             Json(std::move(change)), options);
  if (!done.ok()) co_return std::move(done).error();
  co_return ok();
}

}  // namespace mk::kubelet
