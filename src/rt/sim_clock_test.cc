#include "mk/rt/sim_clock.h"

#include <catch2/catch.hpp>

#include "mk/rt/group.h"

using namespace mk;
using namespace std::chrono_literals;

namespace {

rt::Task<> note_after(rt::Clock& clock, rt::Duration time, int mark, std::vector<int>& marks) {
  co_await clock.sleep_for(time);
  marks.push_back(mark);
}

}  // namespace

TEST_CASE("a simulated clock goes to the next deadline by itself") {
  rt::Loop loop;
  rt::SimClock clock;
  rt::Group group(loop.executor());
  std::vector<int> marks;
  group.spawn("late", note_after(clock, 20s, 3, marks));
  group.spawn("early", note_after(clock, 10s, 1, marks));
  clock.at(clock.mono() + 10s, [&marks] { marks.push_back(2); });
  const rt::MonoTime begin = clock.mono();
  clock.run(loop, 15s);
  CHECK(marks ==
        std::vector<int>{2, 1});  // on one instant in the order asked; a task resumes after its event
  CHECK(clock.mono() - begin == 15s);
  CHECK(clock.run_until(loop, 1h, [&marks] { return marks.size() == 3; }));
  CHECK(clock.mono() - begin == 20s);
}

TEST_CASE("the wall of a simulated clock jumps, its intervals do not") {
  rt::SimClock clock;
  const auto wall = clock.now();
  const auto mono = clock.mono();
  clock.jump_wall(-1h);
  CHECK(clock.now() == wall - 1h);
  CHECK(clock.mono() == mono);
}
