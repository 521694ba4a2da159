#include "flow/priority_level.h"

#include <catch2/catch.hpp>
#include <map>

#include "mk/rt/group.h"
#include "mk/rt/loop.h"

using namespace mk;
using namespace mk::apiserver;
using namespace std::chrono_literals;

namespace {

// A level whose requests are tasks that end when the test says so.
struct Bench {
  Bench(int seats, std::size_t queues, std::size_t hand, std::size_t length)
      : level(std::make_shared<PriorityLevel>("test", clock)) {
    PriorityLevel::Config config;
    config.queues = queues > 0;
    config.queue_count = std::max<std::size_t>(queues, 1);
    config.hand_size = hand;
    config.queue_length = length;
    level->configure(std::move(config), seats);
  }
  ~Bench() {
    running.clear();
    auto stop = [this]() -> rt::Task<> { co_await group.stop(); };
    rt::run_until_done(loop, stop());
  }

  // A request of a flow; `started` and `refused` count by flow.
  void ask(std::uint64_t flow, int seats = 1) {
    group.spawn("ask", run(*this, flow, seats));
    loop.poll();
  }
  static rt::Task<> run(Bench& bench, std::uint64_t flow, int seats) {
    Seats got = bench.level->try_enter(seats);
    if (!got) {
      auto waited = co_await bench.level->wait(flow, seats, 15s);
      if (!waited.ok()) {
        CHECK(waited.error().is(Reason::kTooManyRequests));
        CHECK(waited.error().retry_after_seconds == 1);
        ++bench.refused[flow];
        co_return;
      }
      got = std::move(waited).value();
    }
    ++bench.started[flow];
    bench.running.push_back(std::move(got));
  }
  void end_one() {
    Seats first = std::move(running.front());
    running.pop_front();
    first = Seats();
    loop.poll();
  }

  rt::Loop loop;
  rt::ManualClock clock;
  rt::Group group{loop.executor()};
  std::shared_ptr<PriorityLevel> level;
  std::deque<Seats> running;
  std::map<std::uint64_t, int> started, refused;
};

}  // namespace

TEST_CASE("a level runs as many requests as it has seats; the others wait their turn") {
  Bench bench(2, 1, 1, 50);
  for (int i = 0; i < 5; ++i) bench.ask(1);
  CHECK((bench.started[1] == 2 && bench.level->waiting() == 3 && bench.level->seats_in_use() == 2));
  bench.end_one();
  CHECK((bench.started[1] == 3 && bench.level->waiting() == 2));
  while (!bench.running.empty()) bench.end_one();
  CHECK((bench.started[1] == 5 && bench.level->waiting() == 0 && bench.level->seats_in_use() == 0));
}

TEST_CASE("a flow that floods fills its own queues and leaves another its share") {
  Bench bench(1, 64, 1, 50);
  for (int i = 0; i < 500; ++i) bench.ask(7);
  CHECK((bench.started[7] == 1 && bench.refused[7] == 449));
  for (int i = 0; i < 10; ++i) bench.ask(8);
  CHECK(bench.refused[8] == 0);
  for (int i = 0; i < 20; ++i) bench.end_one();
  CHECK(bench.started[8] == 10);  // every second turn was theirs
}

TEST_CASE("what takes more seats has its turn less often") {
  Bench bench(4, 2, 1, 100);
  bench.ask(2);
  for (int i = 0; i < 3; ++i) bench.ask(2);  // all seats are taken
  for (int i = 0; i < 40; ++i) bench.ask(0, 4);
  for (int i = 0; i < 40; ++i) bench.ask(1, 1);
  for (int i = 0; i < 34; ++i) bench.end_one();
  CHECK(bench.started[1] >= 3 * bench.started[0]);
  CHECK(bench.started[0] >= 4);
}

TEST_CASE("a level without queues refuses when no seat is free") {
  Bench bench(1, 0, 1, 50);
  bench.ask(1);
  bench.ask(1);
  CHECK((bench.started[1] == 1 && bench.refused[1] == 1 && bench.level->counts().no_seat == 1));
  bench.end_one();
  bench.ask(1);
  CHECK(bench.started[1] == 2);
}

TEST_CASE("who waits too long is refused, and gives its place up") {
  Bench bench(1, 4, 2, 50);
  for (int i = 0; i < 3; ++i) bench.ask(1);
  bench.clock.advance(16s);
  bench.loop.poll();
  CHECK((bench.refused[1] == 2 && bench.level->waiting() == 0 && bench.level->counts().timed_out == 2));
  bench.end_one();
  bench.ask(1);
  CHECK(bench.started[1] == 2);
}

TEST_CASE("a request that is cancelled in the queue or with its seat leaves nothing behind") {
  Bench bench(1, 4, 2, 50);
  for (int i = 0; i < 3; ++i) bench.ask(1);
  bench.group.cancel();
  bench.loop.poll();
  CHECK(bench.level->waiting() == 0);
  bench.end_one();
  CHECK(bench.level->seats_in_use() == 0);
  bench.ask(1);
  CHECK(bench.started[1] == 2);
}

TEST_CASE("a request that is wider than its level still runs, alone") {
  Bench bench(2, 4, 2, 50);
  bench.ask(1, 5);
  bench.ask(1);
  CHECK((bench.level->running() == 1 && bench.level->waiting() == 1));
  bench.end_one();
  CHECK((bench.level->running() == 1 && bench.level->waiting() == 0));
}

TEST_CASE("more seats let waiting requests in at once; demand is what was in use and waited for") {
  Bench bench(1, 4, 2, 50);
  for (int i = 0; i < 4; ++i) bench.ask(1);
  bench.clock.advance(10s);
  const auto demand = bench.level->take_demand();
  CHECK((demand.high == 4 && demand.average == Approx(4) && demand.deviation == Approx(0).margin(1e-6)));
  bench.level->set_seats(3);
  bench.loop.poll();
  CHECK((bench.level->running() == 3 && bench.level->waiting() == 1));
}
