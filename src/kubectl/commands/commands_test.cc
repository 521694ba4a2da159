#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "cli/command.h"
#include "mk/net/server.h"

using namespace mk;
using namespace mk::kubectl;

namespace {

using ExchangePtr = std::shared_ptr<net::Exchange>;

const char* kCore =
    R"({"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{},"versions":[{"version":"v1","resources":[
 {"resource":"pods","singularResource":"pod","scope":"Namespaced","shortNames":["po"],"categories":["all"],"verbs":["get","list"],"responseKind":{"group":"","version":"v1","kind":"Pod"}},
 {"resource":"services","singularResource":"service","scope":"Namespaced","shortNames":["svc"],"categories":["all"],"verbs":["get","list"],"responseKind":{"group":"","version":"v1","kind":"Service"}},
 {"resource":"nodes","singularResource":"node","scope":"Cluster","shortNames":["no"],"verbs":["get"],"responseKind":{"group":"","version":"v1","kind":"Node"}},
 {"resource":"configmaps","singularResource":"configmap","scope":"Namespaced","shortNames":["cm"],"verbs":["get"],"responseKind":{"group":"","version":"v1","kind":"ConfigMap"}}]}]}]})";
const char* kGroups =
    R"({"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{"name":"apps"},"versions":[{"version":"v1","resources":[
 {"resource":"deployments","singularResource":"deployment","scope":"Namespaced","shortNames":["deploy"],"categories":["all"],"verbs":["get","list"],
  "responseKind":{"group":"apps","version":"v1","kind":"Deployment"},"subresources":[{"subresource":"scale","responseKind":{"group":"autoscaling","version":"v1","kind":"Scale"},"verbs":["get"]}]}]}]}]})";
const char* kPodTable =
    R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"5"},"columnDefinitions":[{"name":"Name","priority":0},{"name":"Ready","priority":0},{"name":"IP","priority":1}],
 "rows":[{"cells":["b","1/1","10.0.0.1"],"object":{"metadata":{"name":"b","namespace":"default","labels":{"app":"x"},"creationTimestamp":"2"}}},
         {"cells":["a","0/1","10.0.0.2"],"object":{"metadata":{"name":"a","namespace":"default","creationTimestamp":"1"}}}]})";

// Answers recorded documents on a thread of its own and remembers what was asked.
class RecordedServer {
 public:
  RecordedServer() {
    answers["GET /api"] = {200, kCore};
    answers["GET /apis"] = {200, kGroups};
    server_ = net::listen_http(loop_, *clock_, "127.0.0.1", 0, {}, {}, [this](ExchangePtr exchange) {
                return answer(std::move(exchange));
              }).value();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~RecordedServer() {
    loop_.post([this] { loop_.stop(); });
    thread_.join();
    rt::run_until_done(loop_, server_->stop());
  }

  // Runs kubectl against it.
  int run(std::vector<std::string> arguments, std::string input = "") {
    arguments.insert(arguments.begin(), fmt::format("--server=http://127.0.0.1:{}", server_->port()));
    std::istringstream in(input);
    std::ostringstream out_stream, err_stream;
    Io io{in, out_stream, err_stream};
    const int code = kubectl::run(io, std::move(arguments));
    out = out_stream.str();
    err = err_stream.str();
    return code;
  }

  std::string requests() {
    const std::lock_guard lock(mutex_);
    return log_;
  }

  std::map<std::string, std::pair<int, std::string>> answers;
  std::string out, err;

 private:
  rt::Task<> answer(ExchangePtr exchange) {
    const auto& request = exchange->request();
    const std::string key = request.method + " " + request.target;
    {
      const std::lock_guard lock(mutex_);
      if (request.target != "/api" && request.target != "/apis")
        log_ += key + (request.body.empty() ? "" : " " + request.body) + "\n";
    }
    if (exchange->wants_websocket()) {
      co_await answer_exec(exchange);
      co_return;
    }
    auto found = answers.find(key);
    if (found == answers.end()) found = answers.find(request.method + " " + std::string(request.path()));
    net::Response response(
        404, "application/json",
        R"({"kind":"Status","status":"Failure","reason":"NotFound","code":404,"message":"pods \"x\" not found"})");
    if (found != answers.end())
      response = net::Response(found->second.first, "application/json", found->second.second);
    (void)co_await exchange->respond(std::move(response));
  }

  // A command that says something on both outputs and ends with 3.
  static rt::Task<> answer_exec(ExchangePtr exchange) {
    std::vector<std::string> protocols{"v5.channel.k8s.io"};
    auto socket = (co_await exchange->accept_websocket(std::move(protocols))).value();
    const std::string status =
        R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}})";
    for (const auto& frame : {std::string("\x01hello\n"), std::string("\x02oops\n"), "\x03" + status}) {
      net::WebSocket::Message message(true, frame);
      (void)co_await socket->write(std::move(message));
    }
    (void)co_await socket->read();
  }

  rt::Loop loop_;
  std::unique_ptr<rt::Clock> clock_ = rt::make_real_clock();
  std::unique_ptr<net::HttpServer> server_;
  std::thread thread_;
  std::mutex mutex_;
  std::string log_;
};

}  // namespace

TEST_CASE("get prints the server's tables") {
  RecordedServer server;
  server.answers["GET /api/v1/namespaces/default/pods"] = {200, kPodTable};
  REQUIRE(server.run({"get", "po"}) == 0);
  CHECK(server.out == "NAME   READY\nb      1/1\na      0/1\n");
  REQUIRE(server.run({"get", "pods", "-o", "wide", "--show-labels"}) == 0);
  CHECK(server.out ==
        "NAME   READY   IP         LABELS\nb      1/1     10.0.0.1   app=x\na      0/1     10.0.0.2   "
        "<none>\n");
  REQUIRE(server.run({"get", "pods", "--sort-by=.metadata.name", "--no-headers"}) == 0);
  CHECK(server.out == "a     0/1\nb     1/1\n");
  server.answers["GET /api/v1/pods"] = server.answers["GET /api/v1/namespaces/default/pods"];
  REQUIRE(server.run({"get", "pod", "-A"}) == 0);
  CHECK(server.out == "NAMESPACE   NAME   READY\ndefault     b      1/1\ndefault     a      0/1\n");
  server.answers["GET /api/v1/namespaces/default/services"] = {
      200, R"({"kind":"Table","columnDefinitions":[{"name":"Name"}],"rows":[{"cells":["s"]}]})"};
  REQUIRE(server.run({"get", "pods,svc"}) == 0);
  CHECK(server.out == "NAME    READY\npod/b   1/1\npod/a   0/1\n\nNAME\nservice/s\n");
}

TEST_CASE("errors are kubectl's") {
  RecordedServer server;
  CHECK(server.run({"get", "pods", "x"}) == 1);
  CHECK(server.err == "Error from server (NotFound): pods \"x\" not found\n");
  CHECK(server.run({"get", "pods", "x", "--ignore-not-found"}) == 0);
  CHECK((server.err.empty() && server.out.empty()));
  CHECK(server.run({"get", "gizmos"}) == 1);
  CHECK(server.err == "error: the server doesn't have a resource type \"gizmos\"\n");
  server.answers["GET /api/v1/namespaces/n/pods"] = {
      200, R"({"kind":"Table","columnDefinitions":[{"name":"Name"}],"rows":[]})"};
  CHECK(server.run({"-n", "n", "get", "pods"}) == 0);
  CHECK(server.err == "No resources found in n namespace.\n");
  CHECK(server.run({"frobnicate"}) == 1);
  CHECK(server.err == "error: unknown command \"frobnicate\" for \"kubectl\"\n");
  CHECK(server.run({"get", "--nope"}) == 1);
  CHECK(server.err == "error: unknown flag: --nope\nSee 'kubectl get --help' for usage.\n");
  CHECK(server.run({"--server=http://127.0.0.1:1", "get", "pods"}) == 1);
  CHECK(server.err ==
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n");
}

TEST_CASE("apply creates, configures, and leaves alone") {
  RecordedServer server;
  const std::string manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: '1'\n";
  server.answers["POST /api/v1/namespaces/default/configmaps"] = {
      201, R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c"}})"};
  REQUIRE(server.run({"apply", "-f", "-"}, manifest) == 0);
  CHECK(server.out == "configmap/c created\n");
  CHECK(server.requests().find(
            "POST /api/v1/namespaces/default/configmaps?fieldManager=kubectl-client-side-apply") !=
        std::string::npos);
  const auto sent = server.requests();
  const auto body = sent.find(" {") + 1;  // behind the URL of the POST
  const std::string live = sent.substr(body, sent.rfind('\n') - body);
  server.answers["GET /api/v1/namespaces/default/configmaps/c"] = {200, live};
  server.answers["PATCH /api/v1/namespaces/default/configmaps/c"] = {200, live};
  REQUIRE(server.run({"apply", "-f", "-"}, manifest) == 0);
  CHECK(server.out == "configmap/c unchanged\n");
  REQUIRE(server.run({"apply", "-f", "-", "--dry-run=server"}, manifest + "  b: '2'\n") == 0);
  CHECK(server.out == "configmap/c configured (server dry run)\n");
  CHECK(server.requests().find("dryRun=All") != std::string::npos);
  REQUIRE(server.run({"apply", "-f", "-", "--server-side", "--force-conflicts"}, manifest) == 0);
  CHECK(server.out == "configmap/c serverside-applied\n");
  CHECK(server.run({"apply", "-f", "/nonexistent.yaml"}) == 1);
  CHECK(server.err == "error: the path \"/nonexistent.yaml\" does not exist\n");
}

TEST_CASE("commands that write") {
  RecordedServer server;
  server.answers["GET /apis/apps/v1/namespaces/default/deployments/d"] = {
      200,
      R"({"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"d","generation":1,"resourceVersion":"1","labels":{"a":"1"}},"spec":{"replicas":1},
     "status":{"observedGeneration":1,"replicas":1,"updatedReplicas":1,"availableReplicas":1}})"};
  server.answers["PATCH /apis/apps/v1/namespaces/default/deployments/d"] = {
      200, R"({"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"d","resourceVersion":"2"}})"};
  server.answers["PATCH /apis/apps/v1/namespaces/default/deployments/d/scale"] = {
      200, R"({"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"d"}})"};
  server.answers["DELETE /apis/apps/v1/namespaces/default/deployments/d"] = {
      200, R"({"kind":"Status","status":"Success"})"};
  REQUIRE(server.run({"scale", "deployment/d", "--replicas=3"}) == 0);
  CHECK(server.out == "deployment.apps/d scaled\n");
  REQUIRE(server.run({"rollout", "status", "deploy/d"}) == 0);
  CHECK(server.out == "deployment \"d\" successfully rolled out\n");
  REQUIRE(server.run({"label", "deploy", "d", "b=2", "a-"}) == 0);
  CHECK(server.out == "deployment.apps/d labeled\n");
  CHECK(server.requests().find(R"({"metadata":{"labels":{"b":"2","a":null}}})") != std::string::npos);
  CHECK(server.run({"label", "deploy", "d", "a=2"}) == 1);
  CHECK(server.err == "error: 'a' already has a value (1), and --overwrite is false\n");
  REQUIRE(server.run({"patch", "deploy", "d", "-p", "{\"spec\":{\"paused\":true}}"}) == 0);
  CHECK(server.out == "deployment.apps/d patched\n");
  REQUIRE(server.run({"delete", "deploy", "d", "--wait=false"}) == 0);
  CHECK(server.out == "deployment.apps \"d\" deleted from default namespace\n");
  REQUIRE(server.run({"create", "deployment", "web", "--image=reg/app:1", "--dry-run=client", "-o",
                      "jsonpath={.spec.template.spec.containers[0].name}"}) == 0);
  CHECK(server.out == "app");
  CHECK(server.run({"wait", "deploy/d", "--for=jsonpath={.spec.replicas}=1"}) == 0);
  CHECK(server.out == "deployment.apps/d condition met\n");
}

TEST_CASE("create job: from an image, or from a cron job") {
  RecordedServer server;
  server.answers["GET /apis/batch/v1/namespaces/default/cronjobs/tick"] = {
      200,
      R"({"kind":"CronJob","apiVersion":"batch/v1","metadata":{"name":"tick","namespace":"default","uid":"u"},
      "spec":{"schedule":"@daily","jobTemplate":{"metadata":{"labels":{"a":"b"}},"spec":{"completions":3}}}})"};
  const auto shown = [&server](std::vector<std::string> words) {
    words.insert(words.end(), {"--dry-run=client", "-o", "json"});
    REQUIRE(server.run(words) == 0);
    return *api::parse_json(server.out);
  };
  auto job = shown({"create", "job", "once", "--from=cronjob/tick"});
  CHECK(api::num(job, "spec.completions") == 3);
  CHECK(api::str(job, "metadata.labels.a") == "b");
  CHECK(api::to_json(*api::find(job, "metadata.annotations")) ==
        R"({"cronjob.kubernetes.io/instantiate":"manual"})");
  CHECK(api::str(api::list(job, "metadata.ownerReferences").at(0), "uid") == "u");
  CHECK(server.run({"create", "job", "once"}) == 1);
  CHECK(server.err == "error: either --image or --from must be specified\n");
  server.run({"create", "job", "once", "--image=reg/app:1", "--dry-run=client", "-o",
              "jsonpath={.spec.template.spec}", "--", "date"});
  CHECK(server.out ==
        R"({"containers":[{"name":"once","image":"reg/app:1","command":["date"]}],"restartPolicy":"Never"})");
  server.run({"create", "cronjob", "tock", "--image=app", "--schedule=*/5 * * * *", "--dry-run=client", "-o",
              "jsonpath={.spec.schedule} {.spec.jobTemplate.spec.template.spec.restartPolicy}"});
  CHECK(server.out == "*/5 * * * * OnFailure");
}

TEST_CASE("exec gives the command's outputs and its exit code") {
  RecordedServer server;
  server.answers["GET /api/v1/namespaces/default/pods/p"] = {
      200, R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"default"},
      "spec":{"containers":[{"name":"c"},{"name":"d"}]},"status":{"phase":"Running"}})"};
  CHECK(server.run({"exec", "p", "--", "sh", "-c", "exit 3"}) == 3);
  CHECK(server.out == "hello\n");
  CHECK(server.err == "Defaulted container \"c\" out of: c, d\noops\ncommand terminated with exit code 3\n");
  CHECK(server.requests().find("/pods/p/exec?container=c&stdout=true&command=sh&command=-c&command=exit") !=
        std::string::npos);
  CHECK(server.run({"exec", "p", "-c", "nope", "--", "true"}) == 1);
  CHECK(server.err == "error: container nope is not valid for pod p\n");
}

TEST_CASE("watches go on until the server has no more") {
  RecordedServer server;
  server.answers["GET /api/v1/namespaces/default/pods"] = {200, kPodTable};
  server.answers
      ["GET /api/v1/namespaces/default/pods?watch=true&allowWatchBookmarks=true&resourceVersion=5"] = {
      200,
      R"({"type":"MODIFIED","object":{"kind":"Table","rows":[{"cells":["a","1/1","10.0.0.2"],"object":{"metadata":{"name":"a","resourceVersion":"6"}}}]}})"
      "\n"};
  server
      .answers["GET /api/v1/namespaces/default/pods?watch=true&allowWatchBookmarks=true&resourceVersion=6"] =
      {200, ""};
  REQUIRE(server.run({"get", "pods", "-w"}) == 0);
  CHECK(server.out == "NAME   READY\nb      1/1\na      0/1\na      1/1\n");
}

TEST_CASE("delete waits until the object is gone") {
  RecordedServer server;
  server.answers["DELETE /api/v1/namespaces/default/pods/p"] = {
      200, R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","uid":"u"}})"};
  server.answers["GET /api/v1/namespaces/default/pods/p"] = {
      200, R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","uid":"u","resourceVersion":"9"}})"};
  server.answers["GET /api/v1/namespaces/default/pods"] = {
      200, R"({"type":"DELETED","object":{"metadata":{"uid":"u","resourceVersion":"10"}}})"
           "\n"};
  REQUIRE(server.run({"delete", "pod/p"}) == 0);
  CHECK(server.out == "pod \"p\" deleted from default namespace\n");
  CHECK(server.requests().find("fieldSelector=metadata.name=p&watch=true") != std::string::npos);
}
