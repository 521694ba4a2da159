#include <deque>

#include "mk/rt/group.h"
#include "mk/store/sim_disk.h"

namespace mk::store {
namespace {

struct Job {
  std::function<void()> job, done;
};

struct State {
  State(rt::Clock& clock_, rt::Random& random_, rt::Duration shortest_, rt::Duration longest_)
      : clock(clock_), random(random_), shortest(shortest_), longest(longest_) {}

  rt::Clock& clock;
  rt::Random& random;
  const rt::Duration shortest, longest;
  std::deque<Job> jobs;
  bool running = false, closed = false;
};

// Holds the state and not the worker: it may still be suspended when that is gone.
rt::Task<> work(std::shared_ptr<State> state) {
  while (!state->jobs.empty()) {
    const auto span = static_cast<std::uint64_t>((state->longest - state->shortest).count()) + 1;
    const rt::Duration total =
        state->shortest + rt::Duration(static_cast<std::int64_t>(state->random.below(span)));
    const rt::Duration before = rt::Duration(
        static_cast<std::int64_t>(state->random.below(static_cast<std::uint64_t>(total.count()) + 1)));
    co_await state->clock.sleep_for(before);
    if (state->closed) co_return;
    const Job next = std::move(state->jobs.front());
    state->jobs.pop_front();
    next.job();
    co_await state->clock.sleep_for(total - before);
    if (state->closed) co_return;
    if (next.done) next.done();
    if (state->closed) co_return;
  }
  state->running = false;
}

class SimWorker : public Worker {
 public:
  SimWorker(rt::Loop& loop, std::shared_ptr<State> state)
      : state_(std::move(state)), tasks_(loop.executor()) {}

  ~SimWorker() override {
    state_->closed = true;
    while (!state_->jobs.empty()) {
      const Job next = std::move(state_->jobs.front());
      state_->jobs.pop_front();
      next.job();
    }
  }

  void submit(std::function<void()> job, std::function<void()> done) override {
    state_->jobs.push_back(Job{std::move(job), std::move(done)});
    if (state_->running) return;
    state_->running = true;
    tasks_.spawn("sim worker", work(state_));
  }

 private:
  const std::shared_ptr<State> state_;
  rt::Group tasks_;
};

}  // namespace

std::unique_ptr<Worker> make_sim_worker(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                        rt::Duration shortest, rt::Duration longest) {
  auto state = std::make_shared<State>(clock, random, shortest, longest);
  return std::make_unique<SimWorker>(loop, std::move(state));
}

}  // namespace mk::store
