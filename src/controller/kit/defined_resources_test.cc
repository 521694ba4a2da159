#include "kit/defined_resources.h"

#include "kit/test_world.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;

namespace {

const api::Gvr kFoos{"example.com", "v1", "foos"};

constexpr const char* kFooDefinition = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.example.com, uid: definition}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: foos, kind: Foo}
  versions: [{name: v1, served: true, storage: true}]
status:
  acceptedNames: {plural: foos, kind: Foo}
  conditions: [{type: Established, status: "True"}]
)";

constexpr const char* kOwned = R"(
apiVersion: v1
kind: ConfigMap
metadata:
  name: owned
  namespace: default
  uid: dependent
  ownerReferences: [{apiVersion: example.com/v1, kind: Foo, name: owner, uid: owner}]
)";

constexpr const char* kOwner =
    "{apiVersion: example.com/v1, kind: Foo, metadata: {name: owner, namespace: default, uid: owner}}";

}  // namespace

TEST_CASE("a custom resource owns others, and they go with it") {
  World world;
  world.put(kDefinitions, kFooDefinition);
  world.put(kFoos, kOwner);
  world.put(api::resources::kConfigMaps, kOwned);
  world.settle();
  CHECK(world.server.find(api::resources::kConfigMaps, api::Key("default", "owned")));
  world.server.erase(kFoos, api::Key("default", "owner"));
  world.settle();
  CHECK_FALSE(world.server.find(api::resources::kConfigMaps, api::Key("default", "owned")));
}

TEST_CASE("custom resources of a definition that is gone own nothing any more") {
  World world;
  world.put(kDefinitions, kFooDefinition);
  world.put(kFoos, kOwner);
  CHECK(world.server.count("list", kFoos) == 1);
  world.server.erase(kDefinitions, api::Key("", "foos.example.com"));
  world.server.end_watches(Error(Reason::kGone, "closed"));
  world.settle(std::chrono::seconds(10));
  const auto lists = world.server.count("list", kFoos);
  world.settle(std::chrono::seconds(120));
  CHECK(world.server.count("list", kFoos) == lists);
  world.put(kDefinitions, kFooDefinition);
  CHECK(world.server.count("list", kFoos) == lists + 1);
}

TEST_CASE("a namespace that goes takes its custom resources along") {
  World world;
  world.put(kDefinitions, kFooDefinition);
  world.put(kFoos, kOwner);
  world.put(api::resources::kNamespaces, R"(
apiVersion: v1
kind: Namespace
metadata: {name: default, uid: n, deletionTimestamp: "2026-01-02T03:04:05Z"}
spec: {finalizers: [kubernetes]}
status: {phase: Terminating}
)");
  world.settle();
  CHECK_FALSE(world.server.find(kFoos, api::Key("default", "owner")));
}
