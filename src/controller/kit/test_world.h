#pragma once

#include <catch2/catch.hpp>

#include "kit/objects.h"
#include "mk/api/resource.h"
#include "mk/client/fake_client.h"
#include "mk/controller/manager.h"
#include "mk/rt/group.h"

// For tests of controllers.
namespace mk::controller::testing {

// All controllers against a server in memory, on a clock that moves only when told.
struct World {
  static constexpr rt::Duration kStep = std::chrono::milliseconds(50);
  rt::Loop loop;
  rt::ManualClock clock;
  std::unique_ptr<rt::Random> random = rt::make_random(1);
  client::FakeClient server{clock};
  std::unique_ptr<controller::Manager> manager;
  rt::Group group{loop.executor()};

  explicit World(controller::ManagerOptions options = {}) {
    options.ca_pem = "CA";
    const controller::ClientFor client_for = [this](const std::string&) -> client::Client& { return server; };
    manager = controller::make_manager(loop, clock, *random, client_for, std::move(options));
    group.spawn("start", manager->start());
    settle();
  }
  ~World() {
    rt::run_until_done(loop, manager->stop());
    rt::run_until_done(loop, group.stop());
  }

  void settle(rt::Duration by = std::chrono::seconds(2)) {
    for (rt::Duration done{0}; done < by; done += kStep) {
      while (loop.poll() > 0) {
      }
      clock.advance(kStep);
    }
    while (loop.poll() > 0) {
    }
  }

  api::Object put(const api::Gvr& gvr, const char* yaml) {
    auto json = api::parse_yaml(yaml);
    REQUIRE(json.ok());
    auto made = server.put(gvr, *json);
    settle();
    return made;
  }

  // What a kubelet would say.
  void make_ready(const api::Object& pod, bool ready = true) {
    api::Json json = pod.json();
    api::set(json, "status.phase", "Running");
    controller::set_condition(json, controller::Condition("Ready", ready ? "True" : "False", "", ""),
                              clock.now());
    api::set(json, "status.podIP", "10.42.0.9");
    server.put(api::resources::kPods, json);
  }
  void make_all_ready() {
    for (const auto& pod : server.all(api::resources::kPods)) {
      if (!controller::pod_ready(pod.json())) make_ready(pod);
    }
    settle();
  }
  // Pods come and go until nothing changes.
  void roll() {
    for (int i = 0; i < 20; ++i) make_all_ready();
  }
  std::size_t pods() { return server.all(api::resources::kPods).size(); }
  std::vector<std::string> event_reasons() {
    std::vector<std::string> reasons;
    for (const auto& event : server.all(api::resources::kEvents))
      reasons.emplace_back(api::str(event.json(), "reason"));
    return reasons;
  }
};

inline api::Object edit(World& world, const api::Gvr& gvr, const char* name,
                        const std::function<void(api::Json&)>& change) {
  const auto live = world.server.find(gvr, api::Key("default", name));
  REQUIRE(live);
  auto json = live.json();
  change(json);
  api::set(json, "metadata.generation", live.generation() + 1);
  auto made = world.server.put(gvr, json);
  world.settle();
  return made;
}

inline std::string condition(const api::Object& object, const char* type, const char* field = "reason") {
  const auto* found = controller::find_condition(object.json(), type);
  return found ? std::string(api::str(*found, field)) : "absent";
}

}  // namespace mk::controller::testing
