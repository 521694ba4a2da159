#include "mk/rt/blocking.h"

#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <exception>
#include <list>
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

// Every thread is joined, never detached: what a library keeps per thread is freed before the process ends.
struct BlockingPool::State {
  using Threads = std::list<std::thread>;

  std::mutex mutex;
  std::condition_variable work_ready;
  std::deque<std::shared_ptr<Job>> jobs;
  Threads threads;  // at work or idle
  Threads left;     // at their last instruction, to be joined
  std::size_t idle = 0, threads_max = 1;
  bool closing = false;

  void start_thread();
  void work_loop(Threads::iterator self);
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

// The caller holds `mutex`, so the new thread sees its own place in the list.
void BlockingPool::State::start_thread() {
  const auto self = threads.emplace(threads.end());
  try {
    *self = std::thread([this, self] { work_loop(self); });
  } catch (...) {
    threads.erase(self);
    throw;
  }
}

void BlockingPool::State::work_loop(Threads::iterator self) {
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
  left.splice(left.end(), threads, self);
  work_ready.notify_all();  // the destructor waits for an empty list
}

BlockingPool::BlockingPool(std::size_t threads_max) : state_(std::make_unique<State>()) {
  state_->threads_max = threads_max;
}

BlockingPool::~BlockingPool() {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->work_ready.notify_all();
  state_->work_ready.wait(lock, [&] { return state_->threads.empty(); });
  lock.unlock();
  for (auto& thread : state_->left) thread.join();
}

Task<> BlockingPool::run_erased(std::function<void()> work) {
  auto job = std::make_shared<Job>();
  job->work = std::move(work);
  job->executor = co_await this_executor();
  {
    std::lock_guard lock(state_->mutex);
    for (auto& thread : state_->left) thread.join();
    state_->left.clear();
    state_->jobs.push_back(job);
    if (state_->idle < state_->jobs.size() && state_->threads.size() < state_->threads_max) {
      state_->start_thread();
    } else {
      state_->work_ready.notify_one();
    }
  }
  while (!job->finished) co_await job->done.wait();
  if (job->failure) std::rethrow_exception(job->failure);
}

}  // namespace mk::rt
