#pragma once

#include <catch2/catch.hpp>

#include <unistd.h>

#include "mk/base/files.h"
#include "mk/client/fake_client.h"
#include "pods/events.h"
#include "pods/pod_manager.h"
#include "testing/fake_mounter.h"
#include "testing/fake_runtime.h"

namespace mk::kubelet {

// A node with a pod manager, an API in memory and a clock that the test moves.
class PodsOnNode {
 public:
  PodsOnNode() {
    char name[] = "/tmp/mk-kubelet-test-XXXXXX";
    dir_ = ::mkdtemp(name);
    options.node_name = "n1";
    options.node_ip = "10.0.0.1";
    options.data_dir = dir_ + "/data";
    options.log_dir = dir_ + "/logs";
    runtime.containers = std::make_unique<FakeRuntime>(clock);
    runtime.images = std::make_unique<FakeImages>();
    runtime.network = std::make_unique<FakeNetwork>();
    network().config.pod_cidr = "10.42.0.0/24";
    images().add("img");
    context.allocatable = {4000, std::int64_t(8) << 30, std::int64_t(100) << 30, 110};
    containers().on_change([this](const std::string& uid) {
      if (pods) pods->runtime_changed(uid);
    });
    events.start(group);
    services.start(group);
    restart();
  }
  ~PodsOnNode() {
    auto end = [this]() -> rt::Task<> {
      co_await pods->stop();
      co_await group.stop();
      co_await objects.stop();
    };
    rt::run_until_done(loop, end());
    (void)remove_tree(dir_);
  }

  // As if the kubelet's process had been started again.
  void restart() {
    auto again = [this]() -> rt::Task<> {
      if (pods) co_await pods->stop();
      pods = std::make_unique<PodManager>(context);
      co_await pods->start([this]() -> const Json& { return node; });
    };
    rt::run_until_done(loop, again());
    settle();
  }

  // Everything that can happen without time passing; blocking work runs on threads, so it gets real time.
  void settle() {
    for (int quiet = 0; quiet < 40;) {
      if (loop.poll() != 0)
        quiet = 0;
      else
        ++quiet, ::usleep(1000);
    }
  }
  void advance(rt::Duration by) {
    clock.advance(by);
    settle();
  }

  void create(const std::string& name, const std::string& spec, const std::string& extra = "") {
    const std::string text = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
                             R"(","namespace":"default","uid":"uid-)" + name + "\"" + extra + R"(},"spec":)" +
                             spec + R"(,"status":{"phase":"Pending"}})";
    auto pod = api::parse_json(text);
    REQUIRE(pod.ok());
    api::set(*pod, "spec.nodeName", "n1");
    api.put(api::resources::kPods, *pod);
    settle();
  }
  api::Object get(const std::string& name) {
    return api.find(api::resources::kPods, api::Key("default", name));
  }
  std::string phase(const std::string& name) {
    return std::string(api::str(get(name).json(), "status.phase"));
  }
  Json status_of(const std::string& pod, std::size_t index = 0) {
    const api::Object object = get(pod);
    const auto& list = api::list(object.json(), "status.containerStatuses");
    return index < list.size() ? list[index] : Json();
  }
  bool ready(const std::string& name) {
    const api::Object object = get(name);
    for (const Json& condition : api::list(object.json(), "status.conditions"))
      if (api::str(condition, "type") == "Ready") return api::str(condition, "status") == "True";
    return false;
  }
  void remove(const std::string& name, std::int64_t grace) {
    client::DeleteOptions how;
    how.grace_period_seconds = grace;
    auto call = [&]() -> rt::Task<> {
      (void)co_await api.remove(api::resources::kPods, api::Key("default", name), how);
    };
    rt::run_until_done(loop, call());
    settle();
  }

  FakeRuntime& containers() { return static_cast<FakeRuntime&>(*runtime.containers); }
  FakeImages& images() { return static_cast<FakeImages&>(*runtime.images); }
  FakeNetwork& network() { return static_cast<FakeNetwork&>(*runtime.network); }

  rt::Loop loop;
  rt::ManualClock clock;
  std::unique_ptr<rt::Random> random = rt::make_random(1);
  rt::BlockingPool pool{2};
  client::FakeClient api{clock};
  NodeRuntime runtime;
  KubeletOptions options;
  EventRecorder events{api, clock, "n1"};
  ObjectWatcher objects{loop, api, clock, *random};
  FakeMounter mounter;
  client::Informer services{api, clock, *random, api::resources::kServices, "", client::ListOptions()};
  Context context{loop,   clock,   *random, pool,     api, runtime, options,
                  events, objects, mounter, services, {},  {}};
  Json node = *api::parse_json(R"({"metadata":{"name":"n1","labels":{"kubernetes.io/os":"linux"}}})");
  rt::Group group{loop.executor()};
  std::unique_ptr<PodManager> pods;

 private:
  std::string dir_;
};

}  // namespace mk::kubelet
