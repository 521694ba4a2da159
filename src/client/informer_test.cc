#include <catch2/catch.hpp>

#include "mk/client/fake_client.h"
#include "mk/client/informer.h"
#include "mk/rt/loop.h"

using namespace mk;
using namespace std::chrono_literals;
using api::resources::kPods;

namespace {

api::Json pod(const char* name, const char* node = "", const char* ns = "ns") {
  return api::JsonObject{
      {"metadata",
       api::JsonObject{{"name", name}, {"namespace", ns}, {"labels", api::JsonObject{{"app", name}}}}},
      {"spec", api::JsonObject{{"nodeName", node}}}};
}

std::vector<std::string> by_node(const api::Object& object) {
  return {std::string(api::str(object.json(), "spec.nodeName"))};
}

struct InformerFixture {
  explicit InformerFixture(client::ListOptions filter = {})
      : informer(fake, clock, *random, kPods, "", std::move(filter)) {
    informer.add_index("node", by_node);
    informer.on_change([this](const api::Object& before, const api::Object& after) {
      const auto name = std::string((after ? after : before).name());
      changes.push_back((before ? after ? "~" : "-" : "+") + name);
    });
  }
  ~InformerFixture() { rt::run_until_done(loop, group.stop()); }
  std::vector<std::string> seen() {
    loop.poll();
    return std::exchange(changes, {});
  }
  using Names = std::vector<std::string>;

  rt::Loop loop;
  rt::ManualClock clock;
  rt::Group group{loop.executor()};
  std::unique_ptr<rt::Random> random = rt::make_random(1);
  client::FakeClient fake{clock};
  client::Informer informer;
  std::vector<std::string> changes;
};

}  // namespace

TEST_CASE_METHOD(InformerFixture, "an informer lists, then follows") {
  fake.put(kPods, pod("a", "n1"));
  informer.start(group);
  CHECK(seen() == Names{"+a"});
  CHECK(informer.synced());
  fake.put(kPods, pod("b", "n1"));
  fake.put(kPods, pod("a", "n2"));
  CHECK(seen() == Names{"+b", "~a"});
  CHECK(informer.by_index("node", "n1").size() == 1);
  CHECK(informer.by_index("node", "n2").at(0).name() == "a");
  CHECK(informer.in_namespace("ns").size() == 2);
  CHECK(informer.in_namespace("n").empty());
  fake.erase(kPods, {"ns", "a"});
  CHECK(seen() == Names{"-a"});
  CHECK(informer.by_index("node", "n2").empty());
  CHECK(!informer.get({"ns", "a"}));
}

TEST_CASE_METHOD(InformerFixture, "a broken watch goes on where it was, without a list") {
  fake.put(kPods, pod("a"));
  informer.start(group);
  seen();
  fake.end_watches(Error(Reason::kServiceUnavailable, "reset"));
  loop.poll();
  fake.put(kPods, pod("b"));
  fake.erase(kPods, {"ns", "a"});
  CHECK(seen().empty());
  clock.advance(2s);
  CHECK(seen() == Names{"+b", "-a"});
  CHECK(fake.count("list", kPods) == 1);
  clock.advance(5s);
  fake.end_watches(Error(Reason::kGone, "time is up"));
  seen();
  fake.put(kPods, pod("c"));
  CHECK(seen() == Names{"+c"});
}

TEST_CASE_METHOD(InformerFixture, "a version too old means a list, and only differences are delivered") {
  fake.put(kPods, pod("a"));
  fake.put(kPods, pod("b"));
  fake.put(kPods, pod("c"));
  informer.start(group);
  seen();
  fake.end_watches(Error(Reason::kServiceUnavailable, "reset"));
  loop.poll();
  fake.erase(kPods, {"ns", "a"});
  fake.put(kPods, pod("b", "n1"));
  fake.put(kPods, pod("d"));
  fake.end_watches(Error(Reason::kExpired, "compacted"));
  clock.advance(2s);
  CHECK(seen() == Names{"~b", "+d", "-a"});
  CHECK(fake.count("list", kPods) == 2);
  fake.put(kPods, pod("e"));
  CHECK(seen() == Names{"+e"});
}

TEST_CASE_METHOD(InformerFixture, "failing lists are tried again with growing pauses") {
  int failures = 0;
  fake.intercept = [&](const client::FakeClient::Action&) -> Result<void> {
    if (failures++ < 6) return Error(Reason::kServiceUnavailable, "not yet");
    return ok();
  };
  informer.start(group);
  loop.poll();
  for (int i = 0; i < 5; ++i) {
    clock.advance(1s);
    loop.poll();
  }
  CHECK(failures < 5);
  CHECK(!informer.synced());
  for (int i = 0; i < 150; ++i) {
    clock.advance(1s);
    loop.poll();
  }
  CHECK(informer.synced());
}

TEST_CASE("a filtered informer sees objects come and go as they match") {
  client::ListOptions filter;
  filter.field_selector = "spec.nodeName=n1";
  InformerFixture fixture(filter);
  fixture.informer.start(fixture.group);
  fixture.loop.poll();
  fixture.fake.put(kPods, pod("a"));
  CHECK(fixture.seen().empty());
  fixture.fake.put(kPods, pod("a", "n1"));
  CHECK(fixture.seen() == std::vector<std::string>{"+a"});
  fixture.fake.put(kPods, pod("a", "n2"));
  CHECK(fixture.seen() == std::vector<std::string>{"-a"});
}
