#include "node/node_agent.h"

#include <fmt/core.h>

#include "mk/api/resource.h"
#include "mk/base/log.h"
#include "node/node_object.h"
#include "pods/events.h"
#include "status/pod_status.h"

namespace mk::kubelet {

namespace {

constexpr Log kLog("kubelet");
constexpr auto kLook = std::chrono::seconds(10);  // how often images are looked at
constexpr auto kHeartbeat = std::chrono::minutes(5);
constexpr auto kLeaseRenew = std::chrono::seconds(10);
constexpr std::int64_t kLeaseSeconds = 40;
constexpr const char* kLeaseNamespace = "kube-node-lease";

bool same_peers(const std::vector<PeerNode>& a, const std::vector<PeerNode>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const PeerNode& x, const PeerNode& y) {
           return x.name == y.name && x.node_ip == y.node_ip && x.pod_cidr == y.pod_cidr &&
                  x.vtep_mac == y.vtep_mac;
         });
}

}  // namespace

NodeAgent::NodeAgent(Context& context, std::function<void()> network_ready)
    : context_(context),
      network_ready_(std::move(network_ready)),
      nodes_(context.client, context.clock, context.random, api::resources::kNodes, "",
             client::ListOptions()) {
  nodes_.on_change([this](const api::Object&, const api::Object& after) {
    if (after && after.name() == context_.options.node_name) {
      if (api::str(after.json(), "spec.podCIDR") != api::str(node_.json(), "spec.podCIDR")) want_status();
      node_ = after;
    }
    network_dirty_ = true;
    changed_.notify_all();
  });
}

rt::Task<Result<void>> NodeAgent::register_node() {
  auto read = [dir = context_.options.data_dir, pods = context_.options.max_pods] {
    return read_node_facts(dir, pods);
  };
  facts_ = co_await context_.pool.run(std::move(read));
  context_.allocatable = facts_.capacity;
  MK_CO_ASSIGN(const Json wanted, make_node(context_.options, facts_));
  rt::Duration pause = std::chrono::milliseconds(200);
  while (true) {
    auto result = co_await register_once(wanted);
    if (result.ok()) break;
    if (result.error().is(Reason::kInvalid) || result.error().is(Reason::kBadRequest)) co_return result;
    kLog.warn("cannot register the node, will retry", "node", context_.options.node_name, "error",
              result.error().message());
    co_await context_.clock.sleep_for(pause);
    pause = std::min<rt::Duration>(2 * pause, std::chrono::seconds(7));
  }
  context_.events.node("Normal", "Starting", "Starting kubelet.");
  co_return ok();
}

rt::Task<Result<void>> NodeAgent::register_once(Json wanted) {
  const api::Key key("", context_.options.node_name);
  auto existing = co_await context_.client.get(api::resources::kNodes, key);
  client::WriteOptions options;
  if (existing.ok()) {
    // Taken over: our labels and annotations are set again, taints are an administrator's matter once the
    // node exists.
    JsonObject metadata{{"labels", api::object(wanted, "metadata.labels")},
                        {"annotations", api::object(wanted, "metadata.annotations")}};
    JsonObject change{{"metadata", std::move(metadata)}};
    auto patched = co_await context_.client.patch(api::resources::kNodes, key, "", client::PatchType::kMerge,
                                                  Json(std::move(change)), options);
    if (!patched.ok()) co_return std::move(patched).error();
    node_ = *patched;
    co_return ok();
  }
  if (!existing.error().is(Reason::kNotFound)) co_return std::move(existing).error();
  NodeStatusInputs inputs{facts_, {}, false, {}, context_.clock.now()};
  wanted.as_object()["status"] = make_node_status(context_.options, inputs, wanted);
  api::Object object(std::move(wanted));
  auto created = co_await context_.client.create(api::resources::kNodes, "", std::move(object), options);
  if (!created.ok()) co_return std::move(created).error();
  node_ = *created;
  co_return ok();
}

void NodeAgent::start(rt::Group& group) {
  nodes_.start(group);
  group.spawn("node lease", run_lease());
  group.spawn("node status", run_status());
  group.spawn("pod network", run_network());
}

void NodeAgent::want_status() {
  status_due_ = true;
  status_wanted_.notify_all();
}

rt::Task<> NodeAgent::run_status() {
  while (true) {
    // Cleared before the write: a wish that arrives while it runs is for the next one.
    status_due_ = false;
    auto result = co_await write_status();
    if (!result.ok())
      kLog.warn("cannot write the node's status, will retry", "error", result.error().message());
    if (status_due_) continue;
    const bool retry = !result.ok();
    co_await rt::race(
        status_wanted_.wait(),
        context_.clock.sleep_for(retry ? rt::Duration(std::chrono::seconds(2)) : rt::Duration(kLook)));
  }
}

rt::Task<Result<void>> NodeAgent::write_status() {
  NodeStatusInputs inputs;
  inputs.facts = facts_;
  inputs.pressure = context_.pressure;
  inputs.network_ready = context_.runtime.network->ready();
  inputs.images = context_.runtime.images->list();
  inputs.now = context_.clock.now();
  const Json wanted = make_node_status(context_.options, inputs, node_.json());
  const Json* current = api::find(node_.json(), "status");
  const bool heartbeat = !written_ || context_.clock.mono() - written_at_ >= kHeartbeat;
  if (!heartbeat && current != nullptr && !node_status_changed(*current, wanted)) co_return ok();
  JsonObject status = wanted.get_object();
  // Only our own conditions: those of others are kept by the merge.
  JsonArray own;
  for (const Json& entry : api::list(wanted, "conditions")) {
    const auto type = api::str(entry, "type");
    if (type == "Ready" || type == "MemoryPressure" || type == "DiskPressure" || type == "PIDPressure")
      own.push_back(entry);
  }
  status["conditions"] = std::move(own);
  JsonObject change{{"status", std::move(status)}};
  const api::Key key("", context_.options.node_name);
  client::WriteOptions options;
  auto patched =
      co_await context_.client.patch(api::resources::kNodes, key, "status",
                                     client::PatchType::kStrategicMerge, Json(std::move(change)), options);
  if (!patched.ok()) {
    if (!patched.error().is(Reason::kNotFound)) co_return std::move(patched).error();
    // Somebody deleted the node while its kubelet lives: register again.
    MK_CO_ASSIGN(Json again, make_node(context_.options, facts_));
    configured_cidr_.clear();
    co_return co_await register_once(std::move(again));
  }
  node_ = *patched;
  if (inputs.network_ready && !written_ready_)
    context_.events.node("Normal", "NodeReady",
                         fmt::format("Node {} status is now: NodeReady", context_.options.node_name));
  written_ready_ = inputs.network_ready;
  written_ = true;
  written_at_ = context_.clock.mono();
  co_return ok();
}

rt::Task<> NodeAgent::run_lease() {
  while (true) {
    auto result = co_await renew_lease();
    if (!result.ok())
      kLog.warn("cannot renew the node's lease, will retry", "error", result.error().message());
    co_await context_.clock.sleep_for(result.ok() ? rt::Duration(kLeaseRenew)
                                                  : rt::Duration(std::chrono::seconds(2)));
  }
}

rt::Task<Result<void>> NodeAgent::renew_lease() {
  const std::string name = context_.options.node_name;
  client::WriteOptions options;
  const api::Key key(kLeaseNamespace, name);
  if (!lease_) {
    auto existing = co_await context_.client.get(api::resources::kLeases, key);
    if (existing.ok())
      lease_ = *existing;
    else if (!existing.error().is(Reason::kNotFound))
      co_return std::move(existing).error();
  }
  const std::string now = rt::format_micro_time(context_.clock.now());
  Json json =
      lease_ ? lease_.json() : Json(JsonObject{{"apiVersion", "coordination.k8s.io/v1"}, {"kind", "Lease"}});
  api::set(json, "metadata.name", text(name));
  api::set(json, "metadata.namespace", kLeaseNamespace);
  JsonObject owner{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", text(name)}, {"uid", text(node_.uid())}};
  api::set(json, "metadata.ownerReferences", JsonArray{std::move(owner)});
  api::set(json, "spec.holderIdentity", text(name));
  api::set(json, "spec.leaseDurationSeconds", kLeaseSeconds);
  api::set(json, "spec.renewTime", text(now));
  api::Object object(std::move(json));
  const bool exists = static_cast<bool>(lease_);
  auto written =
      exists ? co_await context_.client.update(api::resources::kLeases, object, "", options)
             : co_await context_.client.create(api::resources::kLeases, kLeaseNamespace, object, options);
  if (!written.ok()) {
    lease_ = api::Object();  // read it again
    co_return std::move(written).error();
  }
  lease_ = *written;
  co_return ok();
}

rt::Task<> NodeAgent::run_network() {
  co_await nodes_.wait_synced();
  while (true) {
    network_dirty_ = false;
    auto result = co_await set_up_network();
    if (!result.ok()) {
      kLog.warn("cannot set up the pod network, will retry", "error", result.error().message());
      co_await context_.clock.sleep_for(std::chrono::seconds(2));
      continue;
    }
    while (!network_dirty_) co_await changed_.wait();
  }
}

rt::Task<Result<void>> NodeAgent::set_up_network() {
  auto& network = *context_.runtime.network;
  const std::string cidr(api::str(node_.json(), "spec.podCIDR"));
  if (cidr.empty()) co_return ok();
  if (cidr != configured_cidr_) {
    PodNetworkConfig config{cidr, context_.options.cluster_cidr, context_.options.service_cidr,
                            context_.options.node_ip, 0};
    auto configured = co_await network.configure(std::move(config));
    if (!configured.ok()) co_return configured;
    configured_cidr_ = cidr;
    want_status();
    network_ready_();
  }
  const std::string mac = network.vtep_mac();
  if (!mac.empty() && node_.annotation(kVtepMacAnnotation) != mac) {
    JsonObject annotations{{kVtepMacAnnotation, text(mac)}};
    JsonObject change{{"metadata", JsonObject{{"annotations", std::move(annotations)}}}};
    client::WriteOptions options;
    const api::Key key("", context_.options.node_name);
    auto patched = co_await context_.client.patch(api::resources::kNodes, key, "", client::PatchType::kMerge,
                                                  Json(std::move(change)), options);
    if (!patched.ok()) co_return std::move(patched).error();
    node_ = *patched;
  }
  auto peers = make_peers(nodes_.all(), context_.options.node_name);
  if (peers_set_ && same_peers(peers, peers_)) co_return ok();
  auto set = co_await network.set_peers(peers);
  if (!set.ok()) co_return set;
  peers_ = std::move(peers);
  peers_set_ = true;
  co_return ok();
}

}  // namespace mk::kubelet
