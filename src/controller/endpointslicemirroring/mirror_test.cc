#include "endpointslicemirroring/mirror.h"
#include "endpointslice/endpoints.h"
#include "kit/test_world.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace mk::api::resources;

namespace {

constexpr char kService[] =
    "{apiVersion: v1, kind: Service, metadata: {name: db, namespace: default, uid: s}, spec: {ports: [{port: "
    "80}]}}";

std::string endpoints_with(const std::string& subsets, const std::string& labels = "{tier: data}") {
  return "{apiVersion: v1, kind: Endpoints, metadata: {name: db, namespace: default, uid: e, labels: " +
         labels + "}, subsets: " + subsets + "}";
}

void put_endpoints(World& world, const std::string& text) {
  world.put(kEndpoints, text.c_str());
}

}  // namespace

TEST_CASE("hand-made Endpoints are mirrored, followed and removed") {
  World world;
  world.put(kServices, kService);
  put_endpoints(world, endpoints_with("[{addresses: [{ip: 10.1.1.1}], notReadyAddresses: [{ip: 10.1.1.2}], "
                                      "ports: [{port: 80, name: web, protocol: TCP}]}]"));
  REQUIRE(world.server.all(kEndpointSlices).size() == 1);
  const auto slice = world.server.all(kEndpointSlices)[0];
  CHECK(slice.label("kubernetes.io/service-name") == "db");
  CHECK(slice.label("endpointslice.kubernetes.io/managed-by") == "endpointslicemirroring-controller.k8s.io");
  CHECK(slice.label("tier") == "data");
  CHECK(api::str(*api::controller_of(slice), "uid") == "e");
  const auto& mirrored = api::list(slice.json(), "endpoints");
  REQUIRE(mirrored.size() == 2);
  CHECK(api::flag(mirrored[0], "conditions.ready"));
  CHECK_FALSE(api::flag(mirrored[1], "conditions.ready", true));

  put_endpoints(world,
                endpoints_with("[{addresses: [{ip: 10.1.1.9}], ports: [{port: 80, name: web, protocol: "
                               "TCP}]}]"));
  REQUIRE(world.server.all(kEndpointSlices).size() == 1);
  const auto changed = world.server.all(kEndpointSlices)[0];
  CHECK(changed.name() == slice.name());
  CHECK(api::list(changed.json(), "endpoints").size() == 1);

  put_endpoints(world,
                endpoints_with("[{addresses: [{ip: 10.1.1.9}, {ip: 'fd00::1'}], ports: [{port: 81}]}]"));
  CHECK(world.server.all(kEndpointSlices).size() == 2);

  world.server.erase(kEndpoints, api::Key("default", "db"));
  world.settle();
  CHECK(world.server.all(kEndpointSlices).empty());
}

TEST_CASE("what is not mirrored: services with selectors, leaders' locks, who asks not to be") {
  const api::Object service(api::parse_yaml(kService).value());
  const auto wants = [&service](const std::string& text) {
    return mirror::wants_mirror(api::Object(api::parse_yaml(text).value()), service);
  };
  CHECK(wants(endpoints_with("[]")));
  CHECK_FALSE(wants(endpoints_with("[]", "{endpointslice.kubernetes.io/skip-mirror: 'true'}")));
  CHECK_FALSE(wants("{metadata: {name: db, annotations: {control-plane.alpha.kubernetes.io/leader: x}}}"));
  const auto selecting = service.with([](api::Json& json) {
    api::set(json, "spec.selector", api::JsonObject{{"a", "b"}});
  });
  CHECK_FALSE(mirror::wants_mirror(api::Object(api::parse_yaml(endpoints_with("[]")).value()), selecting));
  CHECK_FALSE(mirror::wants_mirror(api::Object(api::parse_yaml(endpoints_with("[]")).value()), {}));
}
