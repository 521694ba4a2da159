#include <catch2/catch.hpp>

#include "mk/api/resource.h"

using namespace mk;
using namespace mk::api;

TEST_CASE("versions in the order in which Kubernetes prefers them") {
  std::vector<std::string> versions{"v1beta1",  "foo1", "v10", "v1",       "v2beta1",
                                    "v1alpha2", "bar",  "v2",  "v1alpha10"};
  std::sort(versions.begin(), versions.end(), preferred_version);
  CHECK(versions == std::vector<std::string>{"v10", "v2", "v1", "v2beta1", "v1beta1", "v1alpha10", "v1alpha2",
                                             "bar", "foo1"});
}

TEST_CASE("the resources of a definition") {
  auto definition = parse_yaml(R"(
spec:
  group: example.com
  scope: Namespaced
  versions:
  - {name: v1beta1, served: true, storage: false}
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.n, statusReplicasPath: .status.n}}
    selectableFields: [{jsonPath: .spec.color}]
  - {name: v0, served: false, storage: false}
status:
  acceptedNames: {plural: foos, singular: foo, kind: Foo, listKind: FooList, shortNames: [f], categories: [all]}
  conditions: [{type: Established, status: "False"}]
)")
                        .value();
  CHECK(defined_resources(definition).empty());
  definition.at("status").at("conditions").at(0).at("status") = "True";
  const auto resources = defined_resources(definition);
  REQUIRE(resources.size() == 2);
  CHECK(resources[0].gvr == Gvr{"example.com", "v1", "foos"});
  CHECK(resources[0].namespaced);
  CHECK(resources[0].selectable_fields == std::vector<std::string>{"spec.color"});
  REQUIRE(resources[0].subresource("scale") != nullptr);
  CHECK(resources[0].subresource("status")->kind == Gvk{"example.com", "v1", "Foo"});
  CHECK(resources[1].gvr.version == "v1beta1");
  CHECK(resources[1].subresources.empty());
  auto built_in = definition;
  built_in.at("spec").as_object()["group"] = "apps";
  built_in.at("spec").as_object()["names"] = JsonObject{{"plural", "deployments"}};
  CHECK(defined_resources(built_in).empty());
  definition.at("spec").as_object()["conversion"] = JsonObject{{"strategy", "Webhook"}};
  CHECK(defined_resources(definition).size() == 1);
}
