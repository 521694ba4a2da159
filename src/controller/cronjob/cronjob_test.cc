#include "cronjob/plan.h"
#include "kit/test_world.h"

using namespace mk;
using namespace mk::controller;
using namespace mk::controller::testing;
using namespace mk::api::resources;
using namespace std::chrono_literals;

namespace {

const api::Gvr kCronJobs{"batch", "v1", "cronjobs"};
const api::Key kKey("default", "tick");

api::Object cron(const char* spec, const char* last = "", const char* created = "2026-01-01T00:00:30Z") {
  const std::string status =
      *last ? std::string("status: {lastScheduleTime: \"") + last + "\"}" : std::string("status: {}");
  auto json = api::parse_yaml(
      "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tick, namespace: default, uid: c-1, "
      "creationTimestamp: \"" +
      std::string(created) + "\"}\nspec: " + spec + "\n" + status);
  REQUIRE(json.ok());
  return api::Object(*json);
}

std::string time(std::optional<api::Seconds> at) {
  return at ? rt::format_time(rt::WallTime(at->time_since_epoch())) : "never";
}

cronjob::Due due(const api::Object& object, const char* now) {
  cronjob::Due out;
  REQUIRE(!cronjob::due(object, cronjob::seconds_of(*rt::parse_time(now)), out));
  return out;
}

// A CronJob of every minute; the world's clock is where it is, so it is created "now".
api::Json every_minute(World& world, const char* more = "{}") {
  auto json = api::parse_yaml(R"(
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick, namespace: default, uid: c-1, generation: 1}
spec:
  schedule: "*/1 * * * ?"
  concurrencyPolicy: Allow
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 1
  jobTemplate:
    metadata: {labels: {app: tick}, annotations: {a: b}}
    spec:
      suspend: true
      template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}
)");
  auto patch = api::parse_yaml(more);
  REQUIRE((json.ok() && patch.ok()));
  for (const auto& [key, value] : patch->get_object()) api::set(*json, "spec." + std::string(key), value);
  api::set(*json, "metadata.creationTimestamp", api::text(rt::format_time(world.clock.now())));
  return *json;
}

void start(World& world, const char* more = "{}") {
  world.server.put(kCronJobs, every_minute(world, more));
  world.settle();
}

void finish(World& world, const api::Object& job, const char* type) {
  auto json = job.json();
  set_condition(json, Condition(type, "True", "", ""), world.clock.now());
  api::set(json, "status.startTime", api::text(rt::format_time(world.clock.now())));
  if (std::string_view(type) == "Complete")
    api::set(json, "status.completionTime", api::text(rt::format_time(world.clock.now())));
  world.server.put(kJobs, json);
  world.settle();
}

api::Object tick(World& world) {
  return world.server.find(kCronJobs, kKey);
}
std::size_t active(World& world) {
  return api::list(tick(world).json(), "status.active").size();
}
bool has_event(World& world, const char* reason) {
  const auto reasons = world.event_reasons();
  return std::count(reasons.begin(), reasons.end(), reason) > 0;
}

}  // namespace

TEST_CASE("which time of a CronJob is due") {
  struct Row {
    const char *spec, *last, *now, *start, *next;
    bool many;
  };
  const Row rows[] = {
      {"{schedule: \"*/5 * * * *\"}", "", "2026-01-01T00:04:59Z", "never", "2026-01-01T00:05:00Z", false},
      {"{schedule: \"*/5 * * * *\"}", "", "2026-01-01T00:05:00Z", "2026-01-01T00:05:00Z",
       "2026-01-01T00:10:00Z", false},
      {"{schedule: \"*/5 * * * *\"}", "2026-01-01T00:05:00Z", "2026-01-01T00:06:00Z", "never",
       "2026-01-01T00:10:00Z", false},
      // Of several missed ones, the last.
      {"{schedule: \"*/5 * * * *\"}", "2026-01-01T00:05:00Z", "2026-01-01T00:21:00Z", "2026-01-01T00:20:00Z",
       "2026-01-01T00:25:00Z", false},
      {"{schedule: \"* * * * *\"}", "2026-01-01T00:05:00Z", "2026-01-02T00:21:00Z", "2026-01-02T00:21:00Z",
       "2026-01-02T00:22:00Z", true},
      // What is older than the deadline does not count.
      {"{schedule: \"0 * * * *\", startingDeadlineSeconds: 600}", "2026-01-01T00:00:00Z",
       "2026-01-01T01:09:00Z", "2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z", false},
      {"{schedule: \"0 * * * *\", startingDeadlineSeconds: 600}", "2026-01-01T00:00:00Z",
       "2026-01-01T01:11:00Z", "never", "2026-01-01T02:00:00Z", false},
      {"{schedule: \"0 9 * * *\", timeZone: Asia/Tokyo}", "", "2026-01-01T00:01:00Z", "never",
       "2026-01-02T00:00:00Z", false},
      {"{schedule: \"@every 1h\"}", "2026-01-01T00:10:00Z", "2026-01-01T02:15:00Z", "2026-01-01T02:10:00Z",
       "2026-01-01T03:15:00Z", false},
  };
  for (const auto& row : rows) {
    INFO(row.spec << " at " << row.now);
    const auto made = due(cron(row.spec, row.last), row.now);
    CHECK(time(made.start) == row.start);
    CHECK(time(made.next) == row.next);
    CHECK(made.many_missed == row.many);
  }
  cronjob::Due out;
  CHECK(cronjob::due(cron("{schedule: x}"), {}, out)->reason == "UnparseableSchedule");
  CHECK(cronjob::due(cron("{schedule: \"@daily\", timeZone: Mars/Base}"), {}, out)->message ==
        "invalid timeZone: \"Mars/Base\": unknown time zone Mars/Base");
}

TEST_CASE("the Job of a scheduled time") {
  const auto object = cron(
      "{schedule: \"@daily\", timeZone: Asia/Kolkata, jobTemplate: {metadata: {labels: {a: b}}, spec: "
      "{parallelism: 3}}}");
  const auto at = cronjob::seconds_of(*rt::parse_time("2026-01-01T18:30:00Z"));
  const api::Object job(cronjob::make_job(object, at, *api::TimeZone::load("Asia/Kolkata")));
  CHECK(job.name() == "tick-29454870");
  CHECK(job.annotation(cronjob::kScheduledAt) == "2026-01-02T00:00:00+05:30");
  CHECK(job.label("a") == "b");
  CHECK(controlled_by(job, "c-1"));
  CHECK(api::num(job.json(), "spec.parallelism") == 3);
}

TEST_CASE("a CronJob makes a Job each minute and keeps its history short") {
  World world;
  start(world);
  world.settle(3min);
  CHECK(world.server.all(kJobs).size() == 3);
  CHECK(active(world) == 3);
  CHECK(has_event(world, "SuccessfulCreate"));
  const auto first = world.server.all(kJobs).front();
  CHECK(first.label("app") == "tick");
  CHECK(first.annotation("a") == "b");
  finish(world, first, "Complete");
  CHECK(active(world) == 2);
  CHECK(has_event(world, "SawCompletedJob"));
  CHECK(!api::str(tick(world).json(), "status.lastSuccessfulTime").empty());

  for (int i = 0; i < 4; ++i) {
    world.settle(1min);
    for (const auto& job : world.server.all(kJobs)) {
      if (!cronjob::job_finished(job.json())) finish(world, job, "Complete");
    }
  }
  CHECK(world.server.all(kJobs).size() == 3);
}

TEST_CASE("a CronJob that forbids concurrency waits, and catches up when the running Job ends") {
  World world;
  start(world, "{concurrencyPolicy: Forbid}");
  world.settle(3min);
  REQUIRE(world.server.all(kJobs).size() == 1);
  CHECK(active(world) == 1);
  CHECK(has_event(world, "JobAlreadyActive"));
  finish(world, world.server.all(kJobs).front(), "Failed");
  CHECK(world.server.all(kJobs).size() == 2);
  CHECK(active(world) == 1);
}

TEST_CASE("a CronJob that replaces ends the running Job first") {
  World world;
  start(world, "{concurrencyPolicy: Replace}");
  world.settle(1min);
  REQUIRE(world.server.all(kJobs).size() == 1);
  const std::string before(world.server.all(kJobs).front().name());
  world.settle(1min);
  REQUIRE(world.server.all(kJobs).size() == 1);
  CHECK(world.server.all(kJobs).front().name() != before);
  CHECK(active(world) == 1);
}

TEST_CASE("a suspended CronJob makes nothing, and notices a Job that went missing") {
  World world;
  start(world, "{suspend: true}");
  world.settle(3min);
  CHECK(world.server.all(kJobs).empty());

  edit(world, kCronJobs, "tick", [](api::Json& json) { api::set(json, "spec.suspend", false); });
  REQUIRE(world.server.all(kJobs).size() == 1);
  edit(world, kCronJobs, "tick", [](api::Json& json) { api::set(json, "spec.suspend", true); });
  world.server.erase(kJobs, world.server.all(kJobs).front().key());
  world.settle();
  CHECK(active(world) == 0);
  CHECK(has_event(world, "MissingJob"));
}

TEST_CASE("a CronJob whose status was not written takes its Job up again") {
  World world;
  bool refuse = true;
  world.server.intercept = [&refuse](const client::FakeClient::Action& action) -> Result<void> {
    if (refuse && action.subresource == "status" && action.resource == kCronJobs)
      return Error(Reason::kServerTimeout, "not now");
    return ok();
  };
  start(world);
  world.settle(61s);
  REQUIRE(world.server.all(kJobs).size() == 1);
  CHECK(active(world) == 0);
  refuse = false;
  world.settle(20s);
  CHECK(world.server.all(kJobs).size() == 1);
  CHECK(active(world) == 1);
}
