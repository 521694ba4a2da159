#include <catch2/catch.hpp>

#include "mk/api/patch.h"

using namespace mk;
using namespace mk::api;

namespace {
Json yaml(std::string_view text) {
  auto parsed = parse_yaml(text);
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}
const Type& deployment_type() {
  return *builtin_schema().type(Gvk{"apps", "v1", "Deployment"});
}
ApplyOptions by(std::string manager, std::string now = "2026-01-01T00:00:00Z") {
  ApplyOptions options;
  options.manager = std::move(manager);
  options.api_version = "apps/v1";
  options.now = std::move(now);
  return options;
}
Json must(Result<Json> result) {
  INFO((result.ok() ? "" : result.error().message()));
  REQUIRE(result.ok());
  return std::move(result).value();
}
const Json* entry_of(const Json& object, std::string_view manager, std::string_view operation) {
  for (const auto& entry : list(object, "metadata.managedFields")) {
    if (str(entry, "manager") == manager && str(entry, "operation") == operation) return &entry;
  }
  return nullptr;
}
std::string fields_of(const Json& object, std::string_view manager, std::string_view operation = "Apply") {
  const auto* entry = entry_of(object, manager, operation);
  return entry ? to_json(*find(*entry, "fieldsV1")) : "none";
}

const char* kWeb = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: nginx
        image: nginx:1.25
        ports:
        - containerPort: 80
)";
}  // namespace

TEST_CASE("apply creates with ownership of what was said") {
  const auto made = must(server_side_apply(deployment_type(), nullptr, yaml(kWeb), by("me")));
  CHECK(
      fields_of(made, "me") ==
      R"({"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},)"
      R"("f:spec":{"f:containers":{"k:{\"name\":\"nginx\"}":{".":{},"f:image":{},"f:name":{},)"
      R"("f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}})");
  const auto again =
      must(server_side_apply(deployment_type(), &made, yaml(kWeb), by("me", "2026-02-02T00:00:00Z")));
  CHECK(again == made);  // nothing changed: not even the time
}

TEST_CASE("apply: conflict, force, sharing") {
  const auto live = must(server_side_apply(deployment_type(), nullptr, yaml(kWeb), by("me")));
  const auto other =
      yaml("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 5}\n");
  const auto refused = server_side_apply(deployment_type(), &live, other, by("you"));
  REQUIRE(!refused.ok());
  CHECK(refused.error().is(Reason::kConflict));
  CHECK(refused.error().message() == "Apply failed with 1 conflict: conflict with \"me\": .spec.replicas");
  REQUIRE(refused.error().causes.size() == 1);
  CHECK(refused.error().causes[0].type == "FieldManagerConflict");
  CHECK(refused.error().causes[0].field == ".spec.replicas");
  auto forced_options = by("you");
  forced_options.force = true;
  const auto forced = must(server_side_apply(deployment_type(), &live, other, forced_options));
  CHECK(num(forced, "spec.replicas") == 5);
  CHECK(fields_of(forced, "you") == R"({"f:spec":{"f:replicas":{}}})");
  CHECK(fields_of(forced, "me").find("f:replicas") == std::string::npos);
  const auto same =
      yaml("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 2}\n");
  const auto shared = must(server_side_apply(deployment_type(), &live, same, by("you")));
  CHECK(fields_of(shared, "me").find("f:replicas") != std::string::npos);
  CHECK(fields_of(shared, "you") == R"({"f:spec":{"f:replicas":{}}})");
}

TEST_CASE("apply removes what it no longer says, unless somebody else owns it") {
  const auto two = yaml(
      "metadata: {name: w, annotations: {a: '1', b: '2'}}\nspec: {template: {spec: {containers: [{name: x, "
      "image: i, args: [q]}, {name: y, image: j}]}}}\n");
  const auto live = must(server_side_apply(deployment_type(), nullptr, two, by("me")));
  auto defaulted = live;
  set(defaulted, "spec.revisionHistoryLimit", 10);
  auto& containers = find(defaulted, "spec.template.spec.containers")->get_array();
  const_cast<JsonArray&>(containers)[1].get_object()["imagePullPolicy"] = "Always";
  const auto one = yaml(
      "metadata: {name: w, annotations: {a: '1'}}\nspec: {template: {spec: {containers: [{name: x, image: "
      "i}]}}}\n");
  const auto next = must(server_side_apply(deployment_type(), &defaulted, one, by("me")));
  CHECK(to_json(*find(next, "spec.template.spec.containers")) == R"([{"name":"x","image":"i"}])");
  CHECK(to_json(*find(next, "metadata.annotations")) == R"({"a":"1"})");
  CHECK(num(next, "spec.revisionHistoryLimit") == 10);

  const auto sidecar =
      yaml("metadata: {name: w}\nspec: {template: {spec: {containers: [{name: y, args: [z]}]}}}\n");
  const auto shared = must(server_side_apply(deployment_type(), &live, sidecar, by("you")));
  const auto kept = must(server_side_apply(deployment_type(), &shared, one, by("me")));
  CHECK(to_json(*find(kept, "spec.template.spec.containers")) ==
        R"([{"name":"x","image":"i"},{"name":"y","args":["z"]}])");
  // A struct goes with the last of its fields; metadata does not.
  const auto surge = yaml(
      "metadata: {name: w, labels: {a: b}}\nspec: {strategy: {rollingUpdate: {maxSurge: 1}}, paused: "
      "true}\n");
  const auto with = must(server_side_apply(deployment_type(), nullptr, surge, by("me")));
  const auto without = must(server_side_apply(deployment_type(), &with,
                                              yaml("metadata: {name: w}\nspec: {paused: true}\n"), by("me")));
  CHECK(to_json(*find(without, "spec")) == R"({"paused":true})");
  CHECK(str(without, "metadata.name") == "w");
  CHECK(find(without, "metadata.labels") == nullptr);
}

TEST_CASE("apply: refused configurations") {
  CHECK(!server_side_apply(deployment_type(), nullptr, yaml("metadata: {managedFields: [{manager: x}]}"),
                           by("me"))
             .ok());
  CHECK(server_side_apply(deployment_type(), nullptr,
                          yaml("spec: {template: {spec: {containers: [{name: a}, {name: a}]}}}"), by("me"))
            .error()
            .message()
            .find("duplicate entries for key {\"name\":\"a\"}") != std::string::npos);
  CHECK(!server_side_apply(deployment_type(), nullptr, yaml("spec: {template: {spec: {volumes: [7]}}}"),
                           by("me"))
             .ok());
}

TEST_CASE("an update owns what it changes") {
  auto made = yaml(kWeb);
  track_update(deployment_type(), nullptr, made, by("kubectl-create"));
  CHECK(
      fields_of(made, "kubectl-create", "Update") ==
      R"({"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},)"
      R"("f:spec":{"f:containers":{"k:{\"name\":\"nginx\"}":{".":{},"f:image":{},"f:name":{},)"
      R"("f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}})");
  auto scaled = made;
  set(scaled, "spec.replicas", 7);
  track_update(deployment_type(), &made, scaled, by("hpa", "2026-01-01T00:00:01Z"));
  CHECK(fields_of(scaled, "hpa", "Update") == R"({"f:spec":{"f:replicas":{}}})");
  CHECK(fields_of(scaled, "kubectl-create", "Update").find("replicas") == std::string::npos);

  auto status = scaled;
  set(status, "status.replicas", 7);
  auto options = by("controller", "2026-01-01T00:00:02Z");
  options.subresource = "status";
  options.reset_fields = {"spec"};
  track_update(deployment_type(), &scaled, status, options);
  CHECK(fields_of(status, "controller", "Update") == R"({"f:status":{".":{},"f:replicas":{}}})");
  CHECK(str(*entry_of(status, "controller", "Update"), "subresource") == "status");

  auto same = status;
  track_update(deployment_type(), &status, same, by("other", "2026-01-01T00:00:03Z"));
  CHECK(same == status);
  auto labelled = status;
  erase(labelled, "metadata.labels.app");
  track_update(deployment_type(), &status, labelled, by("other"));
  CHECK(entry_of(labelled, "other", "Update") == nullptr);
  CHECK(fields_of(labelled, "kubectl-create", "Update").find(R"("f:metadata":{"f:labels":{}})") == 1);
}

TEST_CASE("managedFields can be reset and are kept for clients that drop them") {
  auto made = yaml(kWeb);
  track_update(deployment_type(), nullptr, made, by("a"));
  auto dropped = made;
  erase(dropped, "metadata.managedFields");
  track_update(deployment_type(), &made, dropped, by("b"));
  CHECK(entry_of(dropped, "a", "Update") != nullptr);
  for (const Json& fresh : {Json(JsonArray()), Json(JsonArray{JsonObject()})}) {
    auto reset = made;
    set(reset, "metadata.managedFields", fresh);
    track_update(deployment_type(), &made, reset, by("b"));
    CHECK(find(reset, "metadata.managedFields") == nullptr);
  }
}

TEST_CASE("fields stand in the order of their names whatever came and went") {
  auto made = yaml(kWeb);
  track_update(deployment_type(), nullptr, made, by("a"));
  auto less = made;
  erase(less, "spec.replicas");
  set(less, "metadata.labels.also", Json("x"));
  erase(less, "metadata.labels.app");
  track_update(deployment_type(), &made, less, by("a"));
  set(less, "spec.paused", Json(true));
  set(less, "spec.minReadySeconds", Json(3));
  track_update(deployment_type(), &made, less, by("a"));
  const auto sorted = [](const auto& self, const JsonObject& node) -> bool {
    std::string last;
    for (const auto& field : node) {
      if (std::string(field.key()) < last || !self(self, field.value().get_object())) return false;
      last = field.key();
    }
    return true;
  };
  const auto* entry = entry_of(less, "a", "Update");
  REQUIRE(entry != nullptr);
  CHECK(sorted(sorted, find(*entry, "fieldsV1")->get_object()));
}

TEST_CASE("apply after updates: conflicts name version and time; untracked objects get an owner") {
  auto live = yaml(kWeb);
  track_update(deployment_type(), nullptr, live, by("editor"));
  const auto refused = server_side_apply(deployment_type(), &live,
                                         yaml("metadata: {name: web}\nspec: {replicas: 3}\n"), by("me"));
  REQUIRE(!refused.ok());
  CHECK(refused.error().causes[0].message ==
        "conflict with \"editor\" using apps/v1 at 2026-01-01T00:00:00Z");
  const auto untracked = yaml(kWeb);
  const auto conflict = server_side_apply(deployment_type(), &untracked,
                                          yaml("metadata: {name: web}\nspec: {replicas: 3}\n"), by("me"));
  REQUIRE(!conflict.ok());
  CHECK(conflict.error().message().find("before-first-apply") != std::string::npos);
}

TEST_CASE("many one-off updaters are merged") {
  auto object = yaml(kWeb);
  track_update(deployment_type(), nullptr, object, by("first"));
  for (int i = 0; i < 30; ++i) {
    auto next = object;
    set(next, "metadata.annotations.k" + std::to_string(i), "v");
    track_update(deployment_type(), &object, next,
                 by("m" + std::to_string(i), "2026-01-01T00:00:" + std::to_string(10 + i) + "Z"));
    object = next;
  }
  CHECK(list(object, "metadata.managedFields").size() <= 11);
  CHECK(fields_of(object, "ancient-changes", "Update").find("f:containers") != std::string::npos);
}
