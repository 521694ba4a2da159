#include <catch2/catch.hpp>

#include "mk/client/event_recorder.h"
#include "mk/client/expectations.h"
#include "mk/client/fake_client.h"
#include "mk/client/work_queue.h"
#include "mk/rt/loop.h"

using namespace mk;
using namespace std::chrono_literals;

namespace {

struct QueueFixture {
  rt::Loop loop;
  rt::ManualClock clock;
  rt::Group group{loop.executor()};
  client::WorkQueue queue{clock, group, {}};
  std::vector<std::string> taken;

  rt::Task<> take_one() { taken.push_back(co_await queue.take()); }
  void take() {
    group.spawn("take", take_one());
    loop.poll();
  }
  ~QueueFixture() { rt::run_until_done(loop, group.stop()); }
};

api::Json pod(const char* name) {
  return api::JsonObject{{"metadata", api::JsonObject{{"name", name}, {"namespace", "ns"}}}};
}

}  // namespace

TEST_CASE_METHOD(QueueFixture, "a key is queued once and never handled twice at a time") {
  queue.add("a");
  queue.add("b");
  queue.add("a");
  CHECK(queue.size() == 2);
  take();
  take();
  CHECK(taken == std::vector<std::string>{"a", "b"});
  queue.add("a");
  take();
  CHECK(taken.size() == 2);
  queue.done("a");
  loop.poll();
  CHECK(taken.size() == 3);
  queue.done("b");
  CHECK(queue.size() == 0);
}

TEST_CASE_METHOD(QueueFixture, "delayed keys come when due, the earlier delay counts") {
  queue.add_after("late", 60s);
  queue.add_after("a", 10s);
  queue.add_after("a", 5s);
  queue.add_after("a", 20s);
  loop.poll();
  clock.advance(4s);
  loop.poll();
  CHECK(queue.size() == 0);
  clock.advance(1s);
  loop.poll();
  CHECK(queue.size() == 1);
  clock.advance(60s);
  loop.poll();
  take();
  take();
  take();
  CHECK(taken == std::vector<std::string>{"a", "late"});
}

TEST_CASE_METHOD(QueueFixture, "failures come back ever later until forgotten") {
  queue.add_rate_limited("x");
  loop.poll();
  clock.advance(5ms);
  loop.poll();
  take();
  CHECK(taken.size() == 1);
  for (int i = 0; i < 30; ++i) queue.add_rate_limited("x");
  CHECK(queue.failures("x") == 31);
  queue.forget("x");
  CHECK(queue.failures("x") == 0);
}

TEST_CASE("expectations hold a controller up until seen or old") {
  rt::ManualClock clock;
  client::Expectations expectations(clock);
  CHECK(expectations.satisfied("k"));
  expectations.expect_creations("k", 2);
  expectations.expect_deletions("k", {"u1"});
  expectations.creation_observed("k");
  expectations.creation_observed("k");
  CHECK(!expectations.satisfied("k"));
  expectations.deletion_observed("k", "other");
  expectations.deletion_observed("k", "u1");
  expectations.deletion_observed("k", "u1");
  CHECK(expectations.satisfied("k"));
  expectations.expect_creations("k", 1);
  clock.advance(5min + 1s);
  CHECK(expectations.satisfied("k"));
}

TEST_CASE("events are written, counted up, and limited") {
  rt::Loop loop;
  rt::ManualClock clock;
  rt::Group group(loop.executor());
  client::FakeClient fake(clock);
  client::EventRecorder recorder(fake, clock, group, "tester", "node-1");
  const auto about = fake.put(api::resources::kPods, pod("p"));
  recorder.normal(about, "Started", "it started");
  loop.poll();
  clock.advance(2s);
  recorder.normal(about, "Started", "it started");
  recorder.warning(about, "Failed", "it failed");
  loop.poll();
  auto events = fake.all(api::resources::kEvents);
  REQUIRE(events.size() == 2);
  CHECK(api::num(events[0].json(), "count") == 2);
  CHECK(api::str(events[0].json(), "lastTimestamp") != api::str(events[0].json(), "firstTimestamp"));
  CHECK(api::str(events[0].json(), "involvedObject.uid") == about.uid());
  CHECK(api::str(events[1].json(), "type") == "Warning");
  fake.erase(api::resources::kEvents, events[0].key());
  recorder.normal(about, "Started", "it started");
  loop.poll();
  CHECK(fake.all(api::resources::kEvents).size() == 2);
  for (int i = 0; i < 100; ++i) recorder.normal(about, "Noise", std::to_string(i));
  loop.poll();
  CHECK(fake.all(api::resources::kEvents).size() == 2 + 21);
  rt::run_until_done(loop, group.stop());
}
