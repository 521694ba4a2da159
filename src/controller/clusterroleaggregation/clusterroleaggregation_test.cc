#include "kit/test_world.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace mk::api::resources;

namespace {

std::string role(const std::string& name, const std::string& labels, const std::string& more) {
  return "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: " + name +
         ", uid: " + name + ", labels: " + labels + "}, " + more + "}";
}

std::size_t rules(World& world, const char* name) {
  return api::list(world.server.find(kClusterRoles, api::Key("", name)).json(), "rules").size();
}

}  // namespace

TEST_CASE("an aggregated role follows the roles it selects, also through another one") {
  World world;
  world.put(kClusterRoles,
            role("view", "{to-edit: 'true'}",
                 "aggregationRule: {clusterRoleSelectors: [{matchLabels: {to-view: 'true'}}]}, "
                 "rules: null")
                .c_str());
  world.put(kClusterRoles,
            role("edit", "{}", "aggregationRule: {clusterRoleSelectors: [{matchLabels: {to-edit: 'true'}}]}")
                .c_str());
  CHECK(rules(world, "view") == 0);
  world.put(kClusterRoles, role("crontabs", "{to-view: 'true'}",
                                "rules: [{apiGroups: [x], resources: [crontabs], verbs: [get]}]")
                               .c_str());
  world.put(kClusterRoles, role("more", "{to-view: 'true', to-edit: 'true'}",
                                "rules: [{apiGroups: [x], resources: [crontabs], verbs: [get]}, {apiGroups: "
                                "[y], resources: [z], verbs: [get]}]")
                               .c_str());
  CHECK(rules(world, "view") == 2);
  CHECK(rules(world, "edit") == 2);
  world.server.erase(kClusterRoles, api::Key("", "more"));
  world.settle();
  CHECK(rules(world, "view") == 1);
  CHECK(rules(world, "edit") == 1);
  const auto writes = world.server.count("update", kClusterRoles);
  world.settle();
  CHECK(world.server.count("update", kClusterRoles) == writes);
}
