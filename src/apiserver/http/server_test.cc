#include "http/test_server.h"
#include "mk/base/strings.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;

namespace {

const std::string kMaps = "/api/v1/namespaces/default/configmaps";
const std::string kMap = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}})";

net::Request post(const std::string& target, const std::string& body,
                  const std::string& type = "application/json") {
  return TestServer::request("POST", target, body, type);
}

std::vector<Json> events(const std::string& stream) {
  std::vector<Json> out;
  for (const auto line : split(stream, '\n')) {
    if (!line.empty()) out.push_back(api::parse_json(line).value());
  }
  return out;
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

void check_status(const TestServer::Answer& answer, int code, std::string_view reason,
                  std::string_view message) {
  INFO(answer.text);
  const Json body = answer.json();
  CHECK(answer.status == code);
  CHECK(answer.headers.get("Content-Type") == "application/json");
  CHECK(api::str(body, "kind") == "Status");
  CHECK(api::str(body, "apiVersion") == "v1");
  CHECK(api::str(body, "status") == "Failure");
  CHECK(api::num(body, "code") == code);
  CHECK(api::str(body, "reason") == reason);
  CHECK(api::str(body, "message") == message);
}

}  // namespace

TEST_CASE("errors are Status objects in Kubernetes' words") {
  TestServer server;
  REQUIRE(server.send(server.admin(), post(kMaps, kMap)).status == 201);
  auto bad_token = TestServer::request("GET", kMaps);
  bad_token.headers.set("Authorization", "Bearer nonsense");
  check_status(server.send(server.anonymous(), bad_token), 401, "Unauthorized", "Unauthorized");
  check_status(
      server.send(server.nobody(), TestServer::request("GET", kMaps)), 403, "Forbidden",
      "configmaps is forbidden: User \"jane\" cannot list resource \"configmaps\" in API group \"\" in the "
      "namespace \"default\"");
  check_status(server.send(server.anonymous(), TestServer::request("GET", "/metrics")), 403, "Forbidden",
               "forbidden: User \"system:anonymous\" cannot get path \"/metrics\"");
  const auto missing = server.get(kMaps + "/none");
  check_status(missing, 404, "NotFound", "configmaps \"none\" not found");
  CHECK(api::str(missing.json(), "details.name") == "none");
  CHECK(api::str(missing.json(), "details.kind") == "configmaps");
  check_status(server.get("/api/v1/nonsense"), 404, "NotFound",
               "the server could not find the requested resource");
  check_status(server.get("/api/v1/namespaces/none"), 404, "NotFound", "namespaces \"none\" not found");
  check_status(server.send(server.admin(), post(kMaps, kMap)), 409, "AlreadyExists",
               "configmaps \"a\" already exists");
  check_status(server.send(server.admin(), post(kMaps, "<xml/>", "text/xml")), 415, "UnsupportedMediaType",
               server.send(server.admin(), post(kMaps, "<xml/>", "text/xml")).message());
  CHECK(server.send(server.admin(), post(kMaps, "{")).status == 400);
  CHECK(server.send(server.admin(), post(kMaps, "[]")).status == 400);
  const auto invalid = server.send(
      server.admin(), post(kMaps, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"A_"}})"));
  CHECK(invalid.status == 422);
  CHECK(invalid.reason() == "Invalid");
  CHECK(has(invalid.message(), "ConfigMap \"A_\" is invalid: metadata.name: Invalid value: \"A_\":"));
  CHECK(api::list(invalid.json(), "details.causes").size() == 1);
  CHECK(server.get(kMaps, "text/html").status == 406);
  CHECK(server.get(kMaps, "text/html").reason() == "NotAcceptable");
  const auto huge = server.send(server.admin(), post(kMaps, std::string(4 << 20, ' ')));
  CHECK(huge.status == 413);
  CHECK(huge.reason() == "RequestEntityTooLarge");
}

TEST_CASE("methods that a resource does not have") {
  TestServer server;
  const auto try_method = [&](const std::string& method, const std::string& target) {
    const auto answer = server.send(server.admin(), TestServer::request(method, target));
    CHECK(answer.reason() == (answer.status == 405 ? "MethodNotAllowed" : answer.reason()));
    return answer.status;
  };
  CHECK(try_method("DELETE", "/api/v1/namespaces") == 405);
  CHECK(try_method("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews") == 405);
  CHECK(try_method("DELETE", "/api/v1/namespaces/default/status") == 405);
  CHECK(try_method("POST", "/api/v1/namespaces/default") == 405);
  CHECK(try_method("BREW", kMaps) == 405);
  CHECK(server.get("/api/v1/namespaces/default/status").status == 200);
}

TEST_CASE("what is answered once has no Table form") {
  TestServer server;
  auto asked = post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                    R"({"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview",)"
                    R"("spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}})");
  CHECK(server.send(server.admin(), asked).status == 201);
  asked.headers.set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
  const auto refused = server.send(server.admin(), asked);
  CHECK(refused.status == 406);
  CHECK(refused.reason() == "NotAcceptable");
}

TEST_CASE("reading: JSON, YAML, pretty, HEAD, Table and metadata alone") {
  TestServer server;
  REQUIRE(server.send(server.admin(), post(kMaps, kMap)).status == 201);
  const auto plain = server.get(kMaps + "/a");
  CHECK(api::str(plain.json(), "data.k") == "v");
  CHECK(plain.headers.has("Audit-Id"));
  CHECK(plain.headers.get("Cache-Control") == "no-cache, private");
  const auto head = server.send(server.admin(), TestServer::request("HEAD", kMaps + "/a"));
  CHECK(head.status == 200);
  CHECK(head.text.empty());
  CHECK(has(server.get(kMaps + "/a?pretty=true").text, "\n    \"apiVersion\": \"v1\""));
  const auto yaml = server.get(kMaps + "/a", "application/yaml");
  CHECK(yaml.headers.get("Content-Type") == "application/yaml");
  CHECK(api::parse_yaml(yaml.text).value() == plain.json());

  const auto list = server.get(kMaps).json();
  CHECK(api::str(list, "kind") == "ConfigMapList");
  CHECK(!api::str(list, "metadata.resourceVersion").empty());
  const auto table =
      server.get(kMaps, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json").json();
  CHECK(api::str(table, "kind") == "Table");
  CHECK(api::str(api::list(table, "columnDefinitions")[0], "name") == "Name");
  const Json& row = api::list(table, "rows")[0];
  CHECK(api::str(row, "object.kind") == "PartialObjectMetadata");
  CHECK(api::find(row, "object.data") == nullptr);
  const auto full =
      server.get(kMaps + "/a?includeObject=Object", "application/json;as=Table;v=v1;g=meta.k8s.io").json();
  CHECK(api::str(api::list(full, "rows")[0], "object.data.k") == "v");
  const auto partial =
      server.get(kMaps, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").json();
  CHECK(api::str(partial, "kind") == "PartialObjectMetadataList");
  CHECK(api::str(api::list(partial, "items")[0], "metadata.name") == "a");
}

TEST_CASE("writing: YAML, warnings, managers, dry runs, deletion") {
  TestServer server;
  const auto made =
      server.post(kMaps, "{apiVersion: v1, kind: ConfigMap, metadata: {name: y}, dat: 1, data: {a: b}}");
  CHECK(made.status == 201);
  CHECK(made.headers.get("Warning") == "299 - \"unknown field \\\"dat\\\"\"");
  REQUIRE(api::list(made.json(), "metadata.managedFields").size() == 1);
  CHECK(api::str(api::list(made.json(), "metadata.managedFields")[0], "manager") == "tester");
  const auto strict = server.post(kMaps + "?fieldValidation=Strict",
                                  "{apiVersion: v1, kind: ConfigMap, metadata: {name: z}, dat: 1}");
  CHECK(strict.status == 400);
  const auto repeated = server.send(
      server.admin(),
      post(kMaps + "?fieldValidation=Strict",
           R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"a":"1","a":"2"}})"));
  CHECK(repeated.status == 400);
  CHECK(has(repeated.message(), "duplicate field \"data.a\""));
  const auto twice = TestServer::request("PATCH", kMaps + "/y", R"({"data":{"a":"1","a":"2"}})",
                                         "application/merge-patch+json");
  CHECK(server.send(server.admin(), twice).headers.get("Warning") ==
        "299 - \"duplicate field \\\"data.a\\\"\"");
  CHECK(server.post(kMaps + "?dryRun=All", kMap).status == 201);
  CHECK(server.get(kMaps + "/a").status == 404);
  CHECK(server.post(kMaps + "?dryRun=Some", kMap).status == 400);
  const auto patch =
      TestServer::request("PATCH", kMaps + "/y", "data: {k: v}", "application/apply-patch+yaml");
  CHECK(server.send(server.admin(), patch).status == 400);  // no fieldManager
  CHECK(server.send(server.admin(), TestServer::request("PATCH", kMaps + "/y", "{}", "text/plain")).status ==
        415);
  const auto gone = server.send(server.admin(), TestServer::request("DELETE", kMaps + "/y"));
  CHECK(gone.status == 200);
  CHECK(api::str(gone.json(), "kind") == "Status");
  CHECK(api::str(gone.json(), "status") == "Success");
  CHECK(api::str(gone.json(), "details.uid") == api::str(made.json(), "metadata.uid"));
}

TEST_CASE("apply makes objects only for those who may create them") {
  TestServer server;
  REQUIRE(server
              .post("/apis/rbac.authorization.k8s.io/v1/clusterroles",
                    "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: "
                    "patcher}, rules: "
                    "[{apiGroups: [''], resources: [configmaps], verbs: [patch]}]}")
              .status == 201);
  REQUIRE(server
              .post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                    "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: "
                    "patcher}, roleRef: "
                    "{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: patcher}, subjects: "
                    "[{kind: User, name: "
                    "jane, apiGroup: rbac.authorization.k8s.io}]}")
              .status == 201);
  const auto apply =
      TestServer::request("PATCH", kMaps + "/a?fieldManager=m", kMap, "application/apply-patch+yaml");
  const auto refused = server.send(server.nobody(), apply);
  CHECK(refused.status == 403);
  CHECK(has(refused.message(), "User \"jane\" cannot create resource \"configmaps\""));
  CHECK(server.send(server.admin(), apply).status == 201);
  CHECK(server.send(server.nobody(), apply).status == 200);
}

TEST_CASE("deletecollection by label answers with what it deleted") {
  TestServer server;
  for (const char* name : {"a", "b", "c"}) {
    const std::string label = *name == 'b' ? "keep" : "drop";
    REQUIRE(server
                .post(kMaps, std::string("{apiVersion: v1, kind: ConfigMap, metadata: {name: ") + name +
                                 ", labels: {l: " + label + "}}}")
                .status == 201);
  }
  const auto deleted =
      server.send(server.admin(), TestServer::request("DELETE", kMaps + "?labelSelector=l%3Ddrop"));
  CHECK(deleted.status == 200);
  CHECK(api::list(deleted.json(), "items").size() == 2);
  const auto left = server.get(kMaps + "?labelSelector=l").json();
  CHECK(api::list(left, "items").size() == 1);
}

TEST_CASE("watches: events, bookmarks, their end, and what is too old") {
  TestServer server;
  REQUIRE(server.send(server.admin(), post(kMaps, kMap)).status == 201);
  const std::string watch = kMaps + "?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Da";
  const auto plain = events(server.stream(watch));
  REQUIRE(plain.size() == 1);
  CHECK(api::str(plain[0], "type") == "ADDED");
  CHECK(api::str(plain[0], "object.data.k") == "v");

  const auto marked = events(server.stream(
      watch + "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"));
  REQUIRE(marked.size() == 2);
  CHECK(api::str(marked[1], "type") == "BOOKMARK");
  CHECK(api::object(marked[1], "object.metadata.annotations").at("k8s.io/initial-events-end") == "true");
  CHECK(events(server.stream(watch + "&sendInitialEvents=false&resourceVersionMatch=NotOlderThan")).empty());
  CHECK(server.get(watch + "&sendInitialEvents=true").status == 422);
  CHECK(server.get(watch + "&resourceVersionMatch=NotOlderThan").status == 422);

  const auto table = events(server.stream(watch, "application/json;as=Table;v=v1;g=meta.k8s.io"));
  REQUIRE(table.size() == 1);
  CHECK(api::str(table[0], "object.kind") == "Table");

  // Events are written lazily: the ring of changes that watches resume from is full in no time.
  const std::string all = "/api/v1/namespaces/default/events";
  REQUIRE(
      server
          .post(all,
                "{apiVersion: v1, kind: Event, metadata: {name: e}, involvedObject: {namespace: default}}")
          .status == 201);
  for (int i = 0; i < 1002; ++i) {
    const std::string body = "{\"count\":" + std::to_string(i + 1) + "}";
    REQUIRE(server
                .send(server.admin(),
                      TestServer::request("PATCH", all + "/e", body, "application/merge-patch+json"))
                .status == 200);
  }
  const auto old = events(server.stream(all + "?watch=true&timeoutSeconds=1&resourceVersion=1"));
  REQUIRE(old.size() == 1);
  CHECK(api::str(old[0], "type") == "ERROR");
  CHECK(api::num(old[0], "object.code") == 410);
  CHECK(api::str(old[0], "object.reason") == "Expired");
}

TEST_CASE("health, version, metrics and keys") {
  TestServer server;
  for (const char* path : {"/healthz", "/livez", "/readyz", "/readyz/ping", "/livez/etcd"})
    CHECK(server.get(path).text == "ok");
  CHECK(server.get("/livez/none").status == 404);
  CHECK(has(server.get("/readyz?verbose").text, "[+]ping ok\n"));
  CHECK(has(server.get("/readyz?verbose&exclude=ping").text, "[+]ping excluded: ok\n"));
  server.server().add_ready_check("cache", [] { return std::string("not yet"); });
  const auto unready = server.get("/readyz");
  CHECK(unready.status == 500);
  CHECK(has(unready.text, "[-]cache failed: "));
  CHECK(has(unready.text, "readyz check failed"));
  CHECK(server.get("/livez").status == 200);
  CHECK(server.get("/readyz?exclude=cache").status == 200);
  CHECK(server.send(server.anonymous(), TestServer::request("GET", "/version")).status == 200);
  CHECK(api::str(server.get("/version").json(), "gitVersion") == "v1.36.0+mk1");
  (void)server.get("/api/v1/made-up-1/x");
  const auto metrics = server.get("/metrics").text;
  CHECK(has(metrics, "apiserver_request_total"));
  CHECK(!has(metrics, "made-up"));
  const auto oidc = server.get("/.well-known/openid-configuration").json();
  CHECK(has(api::str(oidc, "jwks_uri"), "/openid/v1/jwks"));
  const auto keys = server.get("/openid/v1/jwks");
  CHECK(keys.headers.get("Content-Type") == "application/jwk-set+json");
  CHECK(api::list(keys.json(), "keys").size() == 1);
  CHECK(server.get("/none").status == 404);
}

TEST_CASE("discovery, aggregated and not, and OpenAPI with ETags") {
  TestServer server;
  CHECK(api::list(server.get("/api").json(), "versions")[0] == "v1");
  const auto groups = server.get("/apis").json();
  CHECK(api::str(groups, "kind") == "APIGroupList");
  CHECK(api::str(server.get("/apis/apps").json(), "preferredVersion.groupVersion") == "apps/v1");
  const auto hash_of = [&](const std::string& version, std::string_view resource) {
    const Json all = server.get(version).json();
    for (const auto& entry : api::list(all, "resources"))
      if (api::str(entry, "name") == resource)
        return std::string(api::str(entry, "storageVersionHash", "none"));
    return std::string();
  };
  CHECK(hash_of("/api/v1", "pods") == "xPOwRZ+Yhw8=");
  CHECK(hash_of("/apis/apps/v1", "deployments") == "8aSe+NMegvE=");
  CHECK(hash_of("/apis/events.k8s.io/v1", "events") == hash_of("/api/v1", "events"));
  CHECK(hash_of("/apis/authentication.k8s.io/v1", "tokenreviews") == "none");
  const auto core = server.get("/api/v1").json();
  bool scale = false;
  for (const auto& resource : api::list(core, "resources")) {
    if (api::str(resource, "name") != "replicationcontrollers/scale") continue;
    scale = api::str(resource, "group") == "autoscaling" && api::str(resource, "kind") == "Scale";
  }
  CHECK(scale);
  CHECK(server.get("/apis/none/v1").status == 404);
  const std::string accept =
      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
  for (const char* path : {"/api", "/apis", "/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1"}) {
    INFO(path);
    const auto answer = server.get(path, accept);
    CHECK(answer.status == 200);
    auto again = TestServer::request("GET", path, "", "", accept);
    again.headers.set("If-None-Match", std::string(answer.headers.get("ETag")));
    const auto same = server.send(server.admin(), again);
    CHECK(same.status == 304);
    CHECK(same.text.empty());
  }
  CHECK(api::str(server.get("/apis", accept).json(), "kind") == "APIGroupDiscoveryList");
}

TEST_CASE("a large answer to a GET is gzipped for those who accept it, and nothing else is") {
  TestServer server;
  const std::string path = "/api/v1/namespaces/default/configmaps";
  for (int i = 0; i < 3; ++i) {
    const std::string name = "big" + std::to_string(i);
    REQUIRE(
        server.post(path, "{metadata: {name: " + name + "}, data: {k: '" + std::string(60000, 'x') + "'}}")
            .status == 201);
  }
  const auto get = [&](const std::string& target, const std::string& encoding) {
    net::Request request = TestServer::request("GET", target);
    if (!encoding.empty()) request.headers.set("Accept-Encoding", encoding);
    return server.send(server.admin(), std::move(request));
  };
  const auto packed = get(path, "gzip"), plain = get(path, "");
  CHECK(packed.headers.get("Content-Encoding") == "gzip");
  CHECK(packed.headers.get("Vary") == "Accept-Encoding");
  CHECK((packed.text.size() < 20000 && packed.text.substr(0, 2) == "\x1f\x8b"));
  CHECK((plain.text.size() > 180000 && !plain.headers.has("Content-Encoding")));
  CHECK(!get(path, "gzip;q=0").headers.has("Content-Encoding"));
  CHECK(!get(path + "/big1", "gzip").headers.has("Content-Encoding"));
  net::Request removal = TestServer::request("DELETE", path);
  removal.headers.set("Accept-Encoding", "gzip");
  const auto removed = server.send(server.admin(), std::move(removal));
  CHECK((removed.status == 200 && !removed.headers.has("Content-Encoding")));
}

TEST_CASE("a collection is deleted whole, and answered in the form asked for") {
  TestServer server;
  const std::string path = "/api/v1/namespaces/default/configmaps";
  for (int i = 0; i < 100; ++i)
    REQUIRE(server.post(path, "{metadata: {name: m" + std::to_string(i) + ", labels: {a: b}}}").status ==
            201);
  const auto removed =
      server.send(server.admin(), TestServer::request("DELETE", path + "?labelSelector=a%3Db", "", "",
                                                      "application/json;as=Table;v=v1;g=meta.k8s.io"));
  CHECK(removed.status == 200);
  CHECK(api::str(removed.json(), "kind") == "Table");
  CHECK(api::list(removed.json(), "rows").size() == 100);
  CHECK(api::list(server.get(path + "?labelSelector=a%3Db").json(), "items").empty());
}

TEST_CASE("PATCH and PUT of a collection are not allowed, whatever they carry") {
  TestServer server;
  const std::string path = "/api/v1/namespaces/default/configmaps";
  for (const char* method : {"PATCH", "PUT"})
    CHECK(server.send(server.admin(), TestServer::request(method, path, "{}", "text/unknown")).status == 405);
}

TEST_CASE("what is answered and not stored is no Table") {
  TestServer server;
  const std::string path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io";
  const std::string body = R"({"spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}})";
  const auto post = [&](const std::string& accept) {
    return server.send(server.admin(), TestServer::request("POST", path, body, "application/json", accept));
  };
  CHECK(post(table).status == 406);
  CHECK(post(table + ",application/json").status == 201);
}
