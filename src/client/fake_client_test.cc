#include <catch2/catch.hpp>

#include "mk/client/fake_client.h"
#include "mk/rt/loop.h"

using namespace mk;
using api::resources::kConfigMaps;
using api::resources::kPods;

namespace {

api::Object pod(const char* name) {
  return api::Object(
      api::JsonObject{{"metadata", api::JsonObject{{"name", name}}}, {"spec", api::JsonObject{}}});
}

struct FakeFixture {
  rt::Loop loop;
  rt::ManualClock clock;
  client::FakeClient fake{clock};
};

}  // namespace

TEST_CASE_METHOD(FakeFixture, "create, conflict, update, generation") {
  auto body = [&]() -> rt::Task<> {
    auto made = (co_await fake.create(kPods, "ns", pod("a"), {})).value();
    CHECK((made.kind() == "Pod" && made.ns() == "ns" && !made.uid().empty() && made.generation() == 1));
    CHECK((co_await fake.create(kPods, "ns", pod("a"), {})).error().is(Reason::kAlreadyExists));
    auto edit = [](api::Json& json) {
      api::set(json, "spec.x", 1);
      api::set(json, "status.phase", "Running");
    };
    auto updated = (co_await fake.update(kPods, made.with(edit), "", {})).value();
    CHECK(updated.generation() == 2);
    CHECK(api::str(updated.json(), "status.phase").empty());
    CHECK((co_await fake.update(kPods, made.with(edit), "", {})).error().is(Reason::kConflict));
    auto status = (co_await fake.update(kPods, updated.with(edit), "status", {})).value();
    CHECK((api::str(status.json(), "status.phase") == "Running" && status.generation() == 2));
    auto again = (co_await fake.update(kPods, status, "", {})).value();
    CHECK(again.resource_version() == status.resource_version());
    api::Object generated(api::JsonObject{{"metadata", api::JsonObject{{"generateName", "g-"}}}});
    auto named = (co_await fake.create(kPods, "ns", generated, {})).value();
    CHECK(named.name().size() == 7);
    api::Json patch(api::JsonObject{{"metadata", api::JsonObject{{"labels", api::JsonObject{{"a", "b"}}}}}});
    CHECK((co_await fake.patch(kPods, named.key(), "", client::PatchType::kStrategicMerge, patch, {}))
              .value()
              .label("a") == "b");
    client::ListOptions options;
    options.label_selector = "a=b";
    CHECK((co_await fake.list(kPods, "", options)).value().items.size() == 1);
  };
  rt::run_until_done(loop, body());
}

TEST_CASE_METHOD(FakeFixture, "deletion waits for nodes and finalizers") {
  auto body = [&]() -> rt::Task<> {
    (void)co_await fake.create(kPods, "ns", pod("a"), {});
    api::Object binding(api::JsonObject{{"target", api::JsonObject{{"name", "n1"}}}});
    const api::Key key("ns", "a");
    CHECK((co_await fake.create_subresource(kPods, key, "binding", binding)).ok());
    CHECK((co_await fake.create_subresource(kPods, key, "binding", binding)).error().is(Reason::kConflict));
    CHECK((co_await fake.create_subresource(kPods, key, "eviction", api::Object(api::JsonObject{}))).ok());
    auto dying = fake.find(kPods, key);
    CHECK((dying.deleting() && api::num(dying.json(), "metadata.deletionGracePeriodSeconds") == 30));
    client::DeleteOptions now;
    now.grace_period_seconds = 0;
    now.uid = "other";
    CHECK((co_await fake.remove(kPods, key, now)).error().is(Reason::kConflict));
    now.uid.clear();
    CHECK((co_await fake.remove(kPods, key, now)).ok());
    CHECK(!fake.find(kPods, key));

    auto edit = [](api::Json& json) { api::set(json, "metadata.finalizers", api::JsonArray{"f"}); };
    (void)co_await fake.create(kConfigMaps, "ns", pod("c").with(edit), {});
    const api::Key map("ns", "c");
    CHECK((co_await fake.remove(kConfigMaps, map, {})).ok());
    REQUIRE(fake.find(kConfigMaps, map).deleting());
    auto release = [](api::Json& json) { api::erase(json, "metadata.finalizers"); };
    CHECK((co_await fake.update(kConfigMaps, fake.find(kConfigMaps, map).with(release), "", {})).ok());
    CHECK(!fake.find(kConfigMaps, map));
  };
  rt::run_until_done(loop, body());
}
