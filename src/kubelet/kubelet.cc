#include "mk/kubelet/kubelet.h"

#include "context.h"
#include "eviction/eviction_manager.h"
#include "image_gc/image_collector.h"
#include "mk/api/resource.h"
#include "mk/base/log.h"
#include "node/node_agent.h"
#include "plugins/registry.h"
#include "plugins/shown_dir.h"
#include "pods/events.h"
#include "pods/pod_manager.h"
#include "server/kubelet_server.h"
#include "static_pods/static_pods.h"
#include "volumes/csi/csi_volumes.h"
#include "volumes/local_path.h"
#include "volumes/mounter.h"
#include "volumes/object_watcher.h"

namespace mk::kubelet {

namespace {

constexpr Log kLog("kubelet");

class NodeKubelet : public Kubelet {
 public:
  NodeKubelet(rt::Loop& loop, rt::Clock& clock, rt::Random& random, rt::BlockingPool& pool,
              client::Client& client, NodeRuntime& runtime, KubeletOptions options)
      : options_(std::move(options)),
        runtime_(runtime),
        events_(client, clock, options_.node_name),
        objects_(loop, client, clock, random),
        mounter_(make_mounter()),
        services_(client, clock, random, api::resources::kServices, "", client::ListOptions()),
        context_{loop,    clock,    random,    pool,      client, runtime, options_,
                 events_, objects_, *mounter_, services_, {},     {}},
        local_paths_(context_),
        plugins_(context_, options_.data_dir + "/plugins_registry"),
        csi_(context_, plugins_, show_data_dir(options_.shown_dir, options_.data_dir)),
        pods_(context_),
        node_(context_, [this] { pods_.wake_all(); }),
        server_(context_, pods_),
        statics_(context_, pods_, [this]() -> const Json& { return node_.node(); }),
        group_(loop.executor()) {}

  rt::Task<Result<void>> start() override {
    MK_CO_ASSIGN(KubeletSettings settings, parse_kubelet_arguments(options_.arguments));
    runtime_.containers->on_change([this](const std::string& uid) { pods_.runtime_changed(uid); });
    auto started = co_await runtime_.containers->start();
    if (!started.ok()) co_return started;
    events_.start(group_);
    auto registered = co_await node_.register_node();
    if (!registered.ok()) co_return registered;
    auto listening = server_.start();
    if (!listening.ok()) co_return listening;
    node_.start(group_);
    local_paths_.start(group_);
    context_.csi = &csi_;
    if (auto made = co_await csi_.start(); !made.ok())
      kLog.warn("the CSINode was not made", "error", made.error().message());
    auto plugins = plugins_.start(group_);
    if (!plugins.ok()) co_return plugins;
    services_.start(group_);
    // Containers see the services that exist when they start.
    co_await services_.wait_synced();
    pods_.refuse = [this](const Json& pod) { return refuse_under_pressure(pod, context_.pressure); };
    co_await start_pods();
    images_ = std::make_unique<ImageCollector>(context_, pods_, settings);
    images_->start(group_);
    EvictionManager::Hooks hooks{[this] { node_.want_status(); }, [this] { return images_->make_room(); }};
    eviction_ = std::make_unique<EvictionManager>(context_, pods_, settings, std::move(hooks));
    eviction_->start(group_);
    kLog.info("kubelet started", "node", options_.node_name, "port", server_.port());
    co_return ok();
  }

  rt::Task<> stop() override {
    co_await server_.stop();
    co_await pods_.stop();
    co_await group_.stop();
    co_await objects_.stop();
  }

  rt::Task<> drain() override { co_await pods_.drain(); }
  bool node_ready() const override { return node_.ready(); }

 private:
  rt::Task<> start_pods() {
    const std::function<const Json&()> node = [this]() -> const Json& { return node_.node(); };
    if (options_.static_pods_dir.empty()) co_return co_await pods_.start(node);
    pods_.static_changed = [this] { statics_.wake(); };
    auto statics = co_await statics_.load();
    co_await pods_.start(node, std::move(statics));
    statics_.start(group_);
  }

  KubeletOptions options_;
  NodeRuntime& runtime_;
  EventRecorder events_;
  ObjectWatcher objects_;
  std::unique_ptr<Mounter> mounter_;
  client::Informer services_;
  Context context_;
  LocalPaths local_paths_;
  PluginRegistry plugins_;
  CsiVolumes csi_;
  PodManager pods_;
  NodeAgent node_;
  KubeletServer server_;
  StaticPods statics_;
  std::unique_ptr<ImageCollector> images_;
  std::unique_ptr<EvictionManager> eviction_;
  rt::Group group_;  // last: its tasks use everything above
};

}  // namespace

std::unique_ptr<Kubelet> make_kubelet(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                      rt::BlockingPool& pool, client::Client& client, NodeRuntime& runtime,
                                      KubeletOptions options) {
  return std::make_unique<NodeKubelet>(loop, clock, random, pool, client, runtime, std::move(options));
}

}  // namespace mk::kubelet
