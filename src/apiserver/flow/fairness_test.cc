#include "flow/fairness.h"

#include <catch2/catch.hpp>

#include "flow/flow_status.h"
#include "http/test_server.h"
#include "registry/test_api.h"

using namespace mk;
using namespace mk::apiserver;
using testing::TestServer;

namespace {

const std::string kFlow = "/apis/flowcontrol.apiserver.k8s.io/v1/";

std::string number_in(const std::string& metrics, const std::string& series) {
  const auto at = metrics.find(series + " ");
  if (at == std::string::npos) return "";
  const auto begin = at + series.size() + 1;
  return metrics.substr(begin, metrics.find('\n', begin) - begin);
}

std::string level_manifest(const std::string& name, int shares, const std::string& response, int lendable) {
  return "apiVersion: flowcontrol.apiserver.k8s.io/v1\nkind: PriorityLevelConfiguration\nmetadata: {name: " +
         name + "}\nspec: {type: Limited, limited: {nominalConcurrencyShares: " + std::to_string(shares) +
         ", lendablePercent: " + std::to_string(lendable) + ", limitResponse: " + response + "}}\n";
}

std::string schema_manifest(const std::string& name, const std::string& level, int precedence,
                            const std::string& user) {
  return "apiVersion: flowcontrol.apiserver.k8s.io/v1\nkind: FlowSchema\nmetadata: {name: " + name +
         "}\nspec:\n  priorityLevelConfiguration: {name: " + level +
         "}\n  matchingPrecedence: " + std::to_string(precedence) +
         "\n  distinguisherMethod: {type: ByUser}\n  rules:\n    - subjects: [{kind: User, user: {name: " +
         user +
         "}}]\n      resourceRules: [{verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], "
         "clusterScope: true}]\n      nonResourceRules: [{verbs: ['*'], nonResourceURLs: ['*']}]\n";
}

net::Request as(const std::string& user, const std::string& path) {
  net::Request out = TestServer::request("GET", path);
  out.headers.set("Impersonate-User", user);
  out.headers.set("Impersonate-Group", "system:authenticated");
  return out;
}

}  // namespace

TEST_CASE("every answer says how its request was classified") {
  TestServer server;
  const auto uid = [&](const std::string& path) {
    return std::string(api::str(server.get(kFlow + path).json(), "metadata.uid"));
  };
  auto admin = server.get("/api/v1/namespaces");
  CHECK(admin.headers.get("X-Kubernetes-PF-FlowSchema-UID") == uid("flowschemas/exempt"));
  CHECK(admin.headers.get("X-Kubernetes-PF-PriorityLevel-UID") == uid("prioritylevelconfigurations/exempt"));
  auto user = server.send(server.admin(), as("jane", "/version"));
  CHECK(user.headers.get("X-Kubernetes-PF-FlowSchema-UID") == uid("flowschemas/global-default"));

  REQUIRE(server.post(kFlow + "prioritylevelconfigurations", level_manifest("mine", 1, "{type: Reject}", 0))
              .status == 201);
  REQUIRE(server.post(kFlow + "flowschemas", schema_manifest("mine", "mine", 1000, "jane")).status == 201);
  REQUIRE(server.post(kFlow + "flowschemas", schema_manifest("lost", "nowhere", 900, "jane")).status == 201);
  user = server.send(server.admin(), as("jane", "/version"));
  CHECK(user.headers.get("X-Kubernetes-PF-FlowSchema-UID") == uid("flowschemas/mine"));
  CHECK(user.headers.get("X-Kubernetes-PF-PriorityLevel-UID") == uid("prioritylevelconfigurations/mine"));
  CHECK(!number_in(server.get("/metrics").text,
                   "apiserver_flowcontrol_nominal_limit_seats{priority_level=\"mine\"}")
             .empty());
}

TEST_CASE("a FlowSchema tells in its status whether its priority level exists") {
  api::Json json = api::parse_json(R"({"kind":"FlowSchema","metadata":{"name":"a"},
    "spec":{"priorityLevelConfiguration":{"name":"b"}}})")
                       .value();
  const api::Object schema(json);
  auto found = dangling_condition(schema, true, "now");
  REQUIRE(found);
  CHECK(api::str(*found, "status") == "False");
  api::JsonObject status;
  status["conditions"] = api::JsonArray{*found};
  json.as_object()["status"] = std::move(status);
  CHECK(!dangling_condition(api::Object(json), true, "now"));
  CHECK(api::str(*dangling_condition(api::Object(json), false, "now"), "status") == "True");
}

TEST_CASE("levels have seats by their shares, as many as in Kubernetes") {
  TestServer server;
  const std::string metrics = server.get("/metrics").text;
  const auto seats = [&](const std::string& level) {
    return number_in(metrics, "apiserver_flowcontrol_current_limit_seats{priority_level=\"" + level + "\"}");
  };
  CHECK((seats("workload-low") == "245" && seats("global-default") == "49" && seats("catch-all") == "13"));
}

TEST_CASE("seats that one level does not need are lent to one that does, and come back") {
  testing::TestApi api;
  for (const std::string& manifest :
       {level_manifest("idle", 30, "{type: Reject}", 50), level_manifest("busy", 30, "{type: Reject}", 0),
        schema_manifest("busy", "busy", 1000, "jane"), schema_manifest("idle", "idle", 1000, "john")})
    api.create(manifest);
  Fairness fairness(api.cacher(), api.clock, 65);  // 30 each, and 5 for catch-all
  const auto level_of = [&](const std::string& user) {
    UserInfo who;
    who.name = user;
    return fairness.classify(who, parse_request("GET", "/api/v1/pods", false)).level;
  };
  const auto busy = level_of("jane"), idle = level_of("john");
  REQUIRE((busy->name() == "busy" && idle->name() == "idle"));
  CHECK((busy->current_seats() == 30 && idle->current_seats() == 30));
  std::vector<Seats> taken;
  for (int i = 0; i < 30; ++i) taken.push_back(busy->try_enter(1));
  CHECK(!busy->try_enter(1));
  api.clock.advance(std::chrono::seconds(10));
  fairness.share_out();
  CHECK((busy->current_seats() > 35 && idle->current_seats() >= 15));
  CHECK(busy->current_seats() + idle->current_seats() <= 62);
  CHECK(busy->try_enter(1));
  taken.clear();
  for (int i = 0; i < 30; ++i) taken.push_back(idle->try_enter(1));  // as many as it finds
  api.clock.advance(std::chrono::seconds(10));
  fairness.share_out();
  CHECK(idle->current_seats() >= 15);
  CHECK(level_of("somebody")->name() == "catch-all");
}

TEST_CASE("what was classified is remembered until a schema or a level changes") {
  testing::TestApi api;
  api.create(level_manifest("large", 100, "{type: Reject}", 0));
  const auto schema = api.create(schema_manifest("large", "large", 1000, "jane"));
  Fairness fairness(api.cacher(), api.clock, 600);
  UserInfo jane, john;
  jane.name = "jane";
  john.name = "john";
  const auto list = parse_request("GET", "/api/v1/namespaces/a/configmaps", false);
  const auto level = [&](const UserInfo& user) { return fairness.classify(user, list).level->name(); };
  for (int i = 0; i < 2; ++i) CHECK((level(jane) == "large" && level(john) == "catch-all"));
  for (int i = 0; i < 5000; ++i)
    fairness.classify(jane, parse_request("GET", "/path/" + std::to_string(i), false));
  CHECK((level(jane) == "large" && level(john) == "catch-all"));
  REQUIRE(api.try_remove(schema).ok());
  CHECK(level(jane) == "catch-all");
}

TEST_CASE("a list takes more seats the more there is to list, but never a whole level") {
  testing::TestApi api;
  for (int i = 0; i < 250; ++i)
    api.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: m" + std::to_string(i) + "}}");
  api.create(level_manifest("large", 100, "{type: Reject}", 0));
  api.create(schema_manifest("large", "large", 1000, "jane"));
  Fairness fairness(api.cacher(), api.clock, 600);
  UserInfo jane;
  jane.name = "jane";
  const auto list = parse_request("GET", "/api/v1/configmaps", false);
  const auto level = fairness.classify(jane, list).level;
  CHECK(fairness.seats_of(list, *level) == 3);
  CHECK(fairness.seats_of(parse_request("GET", "/api/v1/namespaces/default/configmaps/m1", false), *level) ==
        1);
  PriorityLevel small("small", api.clock);
  small.configure(PriorityLevel::Config(), 10);
  CHECK(fairness.seats_of(list, small) == 1);
}

TEST_CASE("watches and other long requests hold no seat") {
  for (const char* path : {"/api/v1/namespaces/a/pods/b/log", "/api/v1/namespaces/a/pods/b/exec",
                           "/api/v1/namespaces/a/services/b/proxy/c"})
    CHECK(Fairness::is_long_running(parse_request("GET", path, false)));
  CHECK(Fairness::is_long_running(parse_request("GET", "/api/v1/pods", true)));
  CHECK(!Fairness::is_long_running(parse_request("GET", "/api/v1/pods", false)));
  CHECK(!Fairness::is_long_running(parse_request("GET", "/version", true)));
}
