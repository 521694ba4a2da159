#include <catch2/catch.hpp>

#include "env/environment.h"

using namespace mk;
using namespace mk::kubelet;

namespace {
Json parse(const char* json) {
  return *api::parse_json(json);
}
const Json kPod =
    parse(R"({"metadata":{"name":"p","namespace":"ns","uid":"u","labels":{"b":"2","a":"say \"hi\"\n"}},
  "spec":{"nodeName":"n","containers":[{"name":"c","resources":{"limits":{"cpu":"1200m","memory":"64Mi"},"requests":{"cpu":"250m"}}}]}})");
DownwardInputs inputs() {
  return {&kPod, {2000, 1 << 30, 1 << 30, 110}, "10.0.0.1", {"10.42.0.5"}};
}
}  // namespace

TEST_CASE("expansion of $(NAME)") {
  const Variables variables{{"A", "1"}, {"B", "two"}};
  CHECK(expand("x-$(A)-$(B)", variables) == "x-1-two");
  CHECK(expand("$$(A) $(UNKNOWN) $(A", variables) == "$(A) $(UNKNOWN) $(A");
  CHECK(expand("cost $5 $", variables) == "cost $5 $");
}

TEST_CASE("the downward API") {
  const auto in = inputs();
  CHECK(*field_value(in, "metadata.labels") == "a=\"say \\\"hi\\\"\\n\"\nb=\"2\"");
  CHECK(*field_value(in, "metadata.labels['b']") == "2");
  CHECK(*field_value(in, "status.podIP") == "10.42.0.5");
  CHECK(*field_value(in, "status.hostIP") == "10.0.0.1");
  CHECK(!field_value(in, "spec.nothing").ok());
  CHECK(*resource_value(in, parse(R"({"resource":"limits.cpu"})"), "c") == "2");
  CHECK(*resource_value(in, parse(R"({"resource":"requests.cpu","divisor":"1m"})"), "c") == "250");
  CHECK(*resource_value(in, parse(R"({"resource":"limits.memory","divisor":"1Mi"})"), "c") == "64");
  CHECK(*resource_value(in, parse(R"({"resource":"limits.ephemeral-storage"})"), "c") == "1073741824");
}

TEST_CASE("environment: later sources win, services are known, missing objects are named") {
  EnvironmentInputs in;
  in.downward = inputs();
  in.services.emplace_back(parse(
      R"({"metadata":{"name":"foo-svc","namespace":"ns"},"spec":{"clusterIP":"10.43.0.9","ports":[{"port":8765,"name":"web"}]}})"));
  in.services.emplace_back(parse(
      R"({"metadata":{"name":"kubernetes","namespace":"default"},"spec":{"clusterIP":"10.43.0.1","ports":[{"port":443,"name":"https"}]}})"));
  in.services.emplace_back(parse(
      R"({"metadata":{"name":"other","namespace":"elsewhere"},"spec":{"clusterIP":"10.43.0.8","ports":[{"port":1}]}})"));
  in.objects["configmaps/c"] =
      api::Object(parse(R"({"kind":"ConfigMap","data":{"1-key":"a","dup":"from"}})"));
  in.objects["secrets/s"] = api::Object(parse(R"({"kind":"Secret","data":{"pw":"aGVsbG8="}})"));
  const Json container = parse(
      R"J({"name":"c","envFrom":[{"prefix":"P_","configMapRef":{"name":"c"}},{"configMapRef":{"name":"c"}},
    {"secretRef":{"name":"gone","optional":true}}],
    "env":[{"name":"dup","value":"own"},{"name":"PW","valueFrom":{"secretKeyRef":{"name":"s","key":"pw"}}},
    {"name":"ALL","value":"$(PW) $(FOO_SVC_SERVICE_HOST)"},{"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}]})J");
  const auto made = make_environment(container, in);
  REQUIRE(made.ok());
  auto out = *made;
  CHECK(out["P_1-key"] == "a");
  CHECK(out["1-key"] == "a");
  CHECK(out["dup"] == "own");
  CHECK(out["ALL"] == "hello 10.43.0.9");
  CHECK(out["IP"] == "10.42.0.5");
  CHECK(out["FOO_SVC_PORT_8765_TCP_ADDR"] == "10.43.0.9");
  CHECK(out["FOO_SVC_PORT"] == "tcp://10.43.0.9:8765");
  CHECK(out["KUBERNETES_SERVICE_HOST"] == "10.43.0.1");
  CHECK(out["KUBERNETES_SERVICE_PORT_HTTPS"] == "443");
  CHECK(out.count("OTHER_SERVICE_HOST") == 0);
  const auto missing =
      make_environment(parse(R"({"name":"c","envFrom":[{"secretRef":{"name":"gone"}}]})"), in);
  REQUIRE(!missing.ok());
  CHECK(missing.error().message() == "secret \"gone\" not found");
}

TEST_CASE("command and args against the image's") {
  ImageInfo image;
  image.entrypoint = {"/entry"};
  image.command = {"default"};
  const Variables variables{{"V", "x"}};
  using Words = std::vector<std::string>;
  CHECK(make_argv(parse("{}"), image, variables) == Words{"/entry", "default"});
  CHECK(make_argv(parse(R"J({"args":["a$(V)"]})J"), image, variables) == Words{"/entry", "ax"});
  CHECK(make_argv(parse(R"({"command":["c"]})"), image, variables) == Words{"c"});
  CHECK(make_argv(parse(R"({"command":["c"],"args":["d"]})"), image, variables) == Words{"c", "d"});
}
