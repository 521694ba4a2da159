#include "mk/rt/blocking.h"

#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "mk/rt/event.h"

namespace mk::rt {

namespace asio = boost::asio;

namespace {

constexpr auto kIdleMax = std::chrono::seconds(10);

// What the waiting task and the working thread share.
struct Job {
  std::function<void()> work;
  Executor executor;  // whose loop the waiter lives on
  Event done;         // touched on that loop only
  bool finished = false;
  std::exception_ptr failure;
};

}  // namespace

struct BlockingPool::State {
  std::mutex mutex;
  std::condition_variable work_ready, all_gone;
  std::deque<std::shared_ptr<Job>> jobs;
  std::size_t threads = 0, idle = 0, threads_max = 1;
  bool closing = false;

  void work_loop();
  static void finish(std::shared_ptr<Job> job);
};

void BlockingPool::State::finish(std::shared_ptr<Job> job) {
  try {
    job->work();
  } catch (...) {
    job->failure = std::current_exception();
  }
  job->work = nullptr;  // captured state dies on the thread that used it
  auto executor = job->executor;
  asio::post(executor, [job = std::move(job)] {
    job->finished = true;
    job->done.notify_all();
  });
}

void BlockingPool::State::work_loop() {
  std::unique_lock lock(mutex);
  for (;;) {
    if (jobs.empty()) {
      ++idle;
      const bool woken = work_ready.wait_for(lock, kIdleMax, [&] { return closing || !jobs.empty(); });
      --idle;
      if (!woken || (closing && jobs.empty())) break;
    }
    auto job = std::move(jobs.front());
    jobs.pop_front();
    lock.unlock();
    finish(std::move(job));
    lock.lock();
  }
  --threads;
  all_gone.notify_all();
}

BlockingPool::BlockingPool(std::size_t threads_max) : state_(std::make_shared<State>()) {
  state_->threads_max = threads_max;
}

BlockingPool::~BlockingPool() {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->work_ready.notify_all();
  state_->all_gone.wait(lock, [&] { return state_->threads == 0; });
}

Task<> BlockingPool::run_erased(std::function<void()> work) {
  auto job = std::make_shared<Job>();
  job->work = std::move(work);
  job->executor = co_await this_executor();
  {
    auto state = state_;
    std::lock_guard lock(state->mutex);
    state->jobs.push_back(job);
    if (state->idle < state->jobs.size() && state->threads < state->threads_max) {
      ++state->threads;
      std::thread([state] { state->work_loop(); }).detach();  // counted: the destructor waits for it
    } else {
      state->work_ready.notify_one();
    }
  }
  while (!job->finished) co_await job->done.wait();
  if (job->failure) std::rethrow_exception(job->failure);
}

}  // namespace mk::rt
