#include "quota/ledger.h"

#include "mk/rt/event.h"
#include "registry/test_api.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;
using api::Object;

namespace {

std::string quota(std::string_view hard) {
  return "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: default}, spec: {hard: " +
         std::string(hard) + "}}";
}

std::string config_map(std::string_view name) {
  return "{apiVersion: v1, kind: ConfigMap, metadata: {name: " + std::string(name) + ", namespace: default}}";
}

std::string pod(std::string_view name, std::string_view more = "") {
  return "{apiVersion: v1, kind: Pod, metadata: {name: " + std::string(name) +
         ", namespace: default}, spec: {" + std::string(more) +
         "containers: [{name: c, image: x, resources: {requests: {cpu: 100m}}}]}}";
}

// A quota is counted soon after it is written, not before its writer hears of it.
std::string used(TestApi& api, const std::string& name, const std::string& quota_name = "q") {
  const auto wait = [&]() -> rt::Task<> {
    for (int i = 0; i < 100; ++i) co_await rt::yield();
  };
  const Object like(TestApi::yaml("{apiVersion: v1, kind: ResourceQuota, metadata: {name: " + quota_name +
                                  ", namespace: default}}"));
  for (int i = 0; i < 1000; ++i) {
    const Object quota = api.get(like);
    const bool counted = api::object(quota.json(), "status.hard") == api::object(quota.json(), "spec.hard");
    const auto& numbers = api::object(quota.json(), "status.used");
    if (const auto found = numbers.find(name); counted && found != numbers.end())
      return std::string(found->value().as_string());
    api.run([](rt::Task<> task) -> rt::Task<int> {
      co_await std::move(task);
      co_return 0;
    }(wait()));
  }
  return "never counted";
}

void check_refused(const Result<Written>& written, const std::string& message) {
  REQUIRE(!written.ok());
  CHECK(written.error().is(Reason::kForbidden));
  CHECK(written.error().message() == message);
}

}  // namespace

TEST_CASE("a quota counts what is there, what comes and what goes") {
  TestApi api;
  api.create(config_map("a"));
  api.create(quota("{configmaps: 3, count/configmaps: 3, resourcequotas: 1}"));
  CHECK(used(api, "configmaps") == "1");
  CHECK(used(api, "resourcequotas") == "1");
  const auto b = api.create(config_map("b"));
  CHECK(used(api, "count/configmaps") == "2");
  api.create(config_map("c"));
  check_refused(api.try_create(config_map("d")),
                "configmaps \"d\" is forbidden: exceeded quota: q, requested: "
                "configmaps=1,count/configmaps=1, used: configmaps=3,count/configmaps=3, limited: "
                "configmaps=3,count/configmaps=3");
  REQUIRE(api.try_remove(b).ok());
  CHECK(used(api, "configmaps") == "2");
  CHECK(api.try_create(config_map("d")).ok());
}

TEST_CASE("creations at once never exceed a quota, and share its writes") {
  TestApi api;
  api.create(quota("{configmaps: 7}"));
  REQUIRE(used(api, "configmaps") == "0");
  int made = 0, refused = 0;
  const auto before = api.cacher().revision();
  const auto create_one = [&](std::string name) -> rt::Task<> {
    Json object = TestApi::yaml(config_map(name));
    auto call = api.context(object);
    call.name.clear();
    auto written = co_await api.registry().create(call, std::move(object));
    ++(written.ok() ? made : refused);
    if (written.ok())
      CHECK(api.get(written->object).resource_version() == written->object.resource_version());
  };
  const auto create_all = [&]() -> rt::Task<int> {
    rt::Group group(co_await rt::this_executor());
    for (int i = 0; i < 40; ++i) group.spawn("create", create_one("c" + std::to_string(i)));
    while (made + refused < 40) co_await rt::yield();
    co_await group.stop();
    co_return 0;
  };
  api.run(create_all());
  CHECK(made == 7);
  CHECK(refused == 33);
  CHECK(used(api, "configmaps") == "7");
  CHECK(api.cacher().resource(api::resources::kConfigMaps).size() == 7);
  // Seven objects, and by far fewer writes of the quota.
  CHECK(api.cacher().revision() - before <= 10);
}

TEST_CASE("two creations of one name and quota: one is made and counted") {
  TestApi api;
  api.create(quota("{configmaps: 5}"));
  REQUIRE(used(api, "configmaps") == "0");
  int made = 0, exists = 0;
  const auto create_one = [&]() -> rt::Task<> {
    Json object = TestApi::yaml(config_map("same"));
    auto call = api.context(object);
    call.name.clear();
    auto written = co_await api.registry().create(call, std::move(object));
    if (written.ok()) ++made;
    if (!written.ok() && written.error().is(Reason::kAlreadyExists)) ++exists;
  };
  const auto both = [&]() -> rt::Task<int> {
    rt::Group group(co_await rt::this_executor());
    group.spawn("create", create_one());
    group.spawn("create", create_one());
    while (made + exists < 2) co_await rt::yield();
    co_await group.stop();
    co_return 0;
  };
  api.run(both());
  CHECK(made == 1);
  CHECK(used(api, "configmaps") == "1");
}

TEST_CASE("pods are charged while they run, and moved between scopes by updates") {
  TestApi api;
  api.create(quota("{pods: 2, requests.cpu: 250m}"));
  api.create(
      "{apiVersion: v1, kind: ResourceQuota, metadata: {name: t, namespace: default}, spec: {hard: {pods: "
      "1}, "
      "scopes: [Terminating]}}");
  REQUIRE(used(api, "pods") == "0");
  const auto a = api.create(pod("a"));
  CHECK(used(api, "requests.cpu") == "100m");
  api.create(pod("b"));
  check_refused(api.try_create(pod("c")),
                "pods \"c\" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=100m, used: "
                "pods=2,requests.cpu=200m, limited: pods=2,requests.cpu=250m");
  api.patch(client::PatchType::kMerge, a, "{spec: {activeDeadlineSeconds: 60}}");
  CHECK(used(api, "pods", "t") == "1");
  api.patch(client::PatchType::kMerge, a, "{status: {phase: Succeeded}}", "status");
  CHECK(used(api, "pods", "t") == "0");
  CHECK(used(api, "requests.cpu") == "100m");
  check_refused(api.try_create("{apiVersion: v1, kind: Pod, metadata: {name: d, namespace: default}, spec: "
                               "{containers: [{name: c, image: x}]}}"),
                "pods \"d\" is forbidden: failed quota: q: must specify requests.cpu for: c");
}

TEST_CASE("a trial is checked and not counted") {
  TestApi api;
  api.create(quota("{configmaps: 1}"));
  REQUIRE(used(api, "configmaps") == "0");
  api.dry_run = true;
  CHECK(api.try_create(config_map("a")).ok());
  api.dry_run = false;
  CHECK(used(api, "configmaps") == "0");
  api.create(config_map("a"));
  api.dry_run = true;
  CHECK_FALSE(api.try_create(config_map("b")).ok());
}

TEST_CASE("a status that somebody else wrote is put right, and a new limit is counted") {
  TestApi api;
  api.create(config_map("a"));
  const auto made = api.create(quota("{configmaps: 5}"));
  REQUIRE(used(api, "configmaps") == "1");
  api.patch(client::PatchType::kMerge, made, "{status: {hard: {configmaps: '9'}, used: {configmaps: '4'}}}",
            "status");
  CHECK(used(api, "configmaps") == "1");
  api.patch(client::PatchType::kMerge, made, "{spec: {hard: {configmaps: 1, secrets: 1}}}");
  CHECK(used(api, "secrets") == "0");
  CHECK_FALSE(api.try_create(config_map("b")).ok());
}

TEST_CASE("counts are right after a restart") {
  TestApi api;
  api.create(quota("{configmaps: 2}"));
  REQUIRE(used(api, "configmaps") == "0");
  const auto a = api.create(config_map("a"));
  api.restart();
  REQUIRE(api.try_remove(a).ok());
  CHECK(used(api, "configmaps") == "0");
  api.create(config_map("b"));
  api.create(config_map("c"));
  CHECK_FALSE(api.try_create(config_map("d")).ok());
}

TEST_CASE("a quota can be deleted while it counts") {
  TestApi api;
  const auto made = api.create(quota("{configmaps: 1, resourcequotas: 1}"));
  REQUIRE(used(api, "resourcequotas") == "1");
  api.create(config_map("a"));
  REQUIRE(api.try_remove(made).ok());
  CHECK(api.try_create(config_map("b")).ok());
}
