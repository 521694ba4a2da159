#include <catch2/catch.hpp>

#include <unistd.h>

#include "mk/rt/all.h"
#include "mk/rt/blocking.h"
#include "mk/rt/channel.h"
#include "mk/rt/clock.h"
#include "mk/rt/fd.h"
#include "mk/rt/group.h"
#include "mk/rt/loop.h"
#include "mk/rt/process.h"
#include "mk/rt/random.h"

using namespace mk;
using namespace std::chrono_literals;

namespace {

rt::Task<> sleep_then_note(rt::Clock& clock, rt::Duration how_long, int mark, std::vector<int>& marks) {
  co_await clock.sleep_for(how_long);
  marks.push_back(mark);
}

rt::Task<> never() {
  rt::Event event;
  co_await event.wait();
}

rt::Task<int> answer_after(rt::Clock& clock, rt::Duration how_long) {
  co_await clock.sleep_for(how_long);
  co_return 42;
}

}  // namespace

TEST_CASE("a manual clock wakes sleepers in order of their deadlines") {
  rt::Loop loop;
  rt::ManualClock clock;
  rt::Group group(loop.executor());
  std::vector<int> marks;
  group.spawn("late", sleep_then_note(clock, 20s, 2, marks));
  group.spawn("early", sleep_then_note(clock, 10s, 1, marks));
  loop.poll();
  clock.advance(15s);
  loop.poll();
  CHECK(marks == std::vector<int>{1});
  clock.advance(15s);
  loop.poll();
  CHECK(marks == std::vector<int>{1, 2});
  CHECK(group.size() == 0);
}

TEST_CASE("stopping a group cancels its tasks and waits for them") {
  rt::Loop loop;
  rt::Group group(loop.executor());
  group.spawn("never", never());
  group.spawn("never", never());
  loop.poll();
  CHECK(group.size() == 2);
  rt::run_until_done(loop, group.stop());
  CHECK(group.size() == 0);
}

TEST_CASE("cancelling a race cancels both sides and is an ordinary cancellation") {
  rt::Loop loop;
  auto clock = rt::make_real_clock();
  rt::Group group(loop.executor());
  auto both = []() -> rt::Task<> { co_await rt::race(never(), never()); };
  auto timed = [&]() -> rt::Task<> { co_await rt::with_timeout(*clock, 1h, answer_after(*clock, 1h)); };
  group.spawn("both", both());
  group.spawn("timed", timed());
  loop.poll();
  rt::run_until_done(loop, group.stop());
  CHECK(group.size() == 0);
}

TEST_CASE("all tasks run side by side, and end before a failure of one is told") {
  rt::Loop loop;
  rt::ManualClock clock;
  std::vector<int> marks;
  bool failed = false;
  auto fail = [&]() -> rt::Task<> {
    co_await clock.sleep_for(2s);
    throw std::runtime_error("broken");
  };
  auto body = [&]() -> rt::Task<> {
    std::vector<rt::Task<>> tasks;
    tasks.push_back(sleep_then_note(clock, 3s, 3, marks));
    tasks.push_back(fail());
    tasks.push_back(sleep_then_note(clock, 1s, 1, marks));
    try {
      co_await rt::all(std::move(tasks));
    } catch (const std::runtime_error&) {
      failed = true;
    }
    co_await rt::all(std::vector<rt::Task<>>());
  };
  rt::Group group(loop.executor());
  group.spawn("body", body());
  for (int i = 0; i < 3; ++i) {
    loop.poll();
    CHECK(!failed);
    clock.advance(1s);
  }
  loop.poll();
  CHECK((failed && marks == std::vector<int>{1, 3} && group.size() == 0));
}

TEST_CASE("cancelling all cancels each of them") {
  rt::Loop loop;
  rt::Group group(loop.executor());
  auto body = []() -> rt::Task<> {
    std::vector<rt::Task<>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(never());
    co_await rt::all(std::move(tasks));
  };
  group.spawn("all", body());
  loop.poll();
  rt::run_until_done(loop, group.stop());
  CHECK(group.size() == 0);
}

TEST_CASE("with_timeout gives the value or nothing") {
  rt::Loop loop;
  auto clock = rt::make_real_clock();
  auto body = [&]() -> rt::Task<> {
    auto fast = co_await rt::with_timeout(*clock, 1s, answer_after(*clock, 1ms));
    CHECK(fast == 42);
    auto slow = co_await rt::with_timeout(*clock, 1ms, answer_after(*clock, 10s));
    CHECK(!slow);
  };
  rt::run_until_done(loop, body());
}

TEST_CASE("a channel delivers in order and ends when closed") {
  rt::Loop loop;
  rt::Channel<int> channel;
  std::vector<int> seen;
  auto reader = [&]() -> rt::Task<> {
    while (auto value = co_await channel.pop()) seen.push_back(*value);
  };
  rt::Group group(loop.executor());
  group.spawn("reader", reader());
  loop.poll();
  channel.push(1);
  channel.push(2);
  channel.close();
  loop.poll();
  CHECK(seen == std::vector<int>{1, 2});
  CHECK(group.size() == 0);
}

TEST_CASE("blocking work returns its value to the task's loop") {
  rt::Loop loop;
  rt::BlockingPool pool(4);
  auto body = [&]() -> rt::Task<> {
    auto work = [] { return std::string("done"); };
    CHECK(co_await pool.run(std::move(work)) == "done");
  };
  rt::run_until_done(loop, body());
}

TEST_CASE("a process gets its input, and its output and exit code come back") {
  rt::Command command({"sh", "-c", "cat; echo oops >&2; exit 3"});
  command.input = std::string(200000, 'x');
  const auto result = rt::run_process_blocking(command);
  REQUIRE(result.ok());
  CHECK(result->out.size() == 200000);
  CHECK(result->err == "oops\n");
  CHECK(result->exit_code == 3);
}

TEST_CASE("a process that hangs is killed with its children") {
  rt::Command command({"sh", "-c", "sleep 100 & sleep 100"});
  command.timeout = 50ms;
  const auto result = rt::run_process_blocking(command);
  REQUIRE(result.ok());
  CHECK(result->timed_out);
}

TEST_CASE("a missing program is an error that names it") {
  const auto result = rt::run_process_blocking(rt::Command({"mk-no-such-program"}));
  REQUIRE(!result.ok());
  CHECK(result.error().is(Reason::kNotFound));
  CHECK(result.error().message().find("mk-no-such-program") != std::string::npos);
}

TEST_CASE("a pipe is awaited to its end") {
  rt::Loop loop;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  auto body = [&]() -> rt::Task<> {
    rt::AsyncFd reader(loop.executor(), ends[0]);
    {
      rt::AsyncFd writer(loop.executor(), ends[1]);
      CHECK((co_await writer.write_all("hello")).ok());
    }
    auto first = co_await reader.read_some(100);
    CHECK(first.value() == "hello");
    auto second = co_await reader.read_some(100);
    CHECK(second.value().empty());
  };
  rt::run_until_done(loop, body());
}

TEST_CASE("times are RFC 3339 and round trip") {
  const auto time = rt::parse_time("2026-01-02T03:04:05.123456+01:00");
  REQUIRE(time);
  CHECK(rt::format_time(*time) == "2026-01-02T02:04:05Z");
  CHECK(rt::format_micro_time(*time) == "2026-01-02T02:04:05.123456Z");
  for (const char* bad :
       {"", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05", "x026-01-02T03:04:05Z"})
    CHECK(!rt::parse_time(bad));
}

TEST_CASE("times of other centuries are taken for the farthest that can be reckoned with") {
  const auto past = rt::parse_time("0001-01-01T00:00:00Z"), future = rt::parse_time("9999-12-31T23:59:59Z");
  REQUIRE((past && future));
  CHECK(rt::format_time(*past) == "1800-01-01T00:00:00Z");
  CHECK(rt::format_time(*future) == "2190-01-01T00:00:00Z");
  CHECK(*future - *past > std::chrono::hours(24 * 365 * 389));
}

TEST_CASE("a seed gives the same chance again") {
  auto a = rt::make_random(7), b = rt::make_random(7);
  CHECK(a->next() == b->next());
  CHECK(a->below(1) == 0);
}
