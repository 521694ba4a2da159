#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "mk/store/disk.h"

namespace mk::store {
namespace {

class ThreadWorker : public Worker {
 public:
  ThreadWorker(rt::Loop& loop, const char* name) : loop_(loop) {
    thread_ = std::thread([this] { work(); });
    ::pthread_setname_np(thread_.native_handle(), std::string(name).substr(0, 15).c_str());
  }

  ~ThreadWorker() override {
    {
      std::lock_guard guard(mutex_);
      closing_ = true;
    }
    wake_.notify_one();
    thread_.join();
    *open_ = false;
  }

  void submit(std::function<void()> job, std::function<void()> done) override {
    {
      std::lock_guard guard(mutex_);
      jobs_.push_back(Job{std::move(job), std::move(done)});
    }
    wake_.notify_one();
  }

 private:
  struct Job {
    std::function<void()> job, done;
  };

  void work() {
    for (;;) {
      Job next;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        next = std::move(jobs_.front());
        jobs_.pop_front();
      }
      next.job();
      next.job = nullptr;  // what it holds ends here, not on the brain
      if (next.done)
        loop_.post([open = open_, done = std::move(next.done)] {
          if (*open) done();
        });
    }
  }

  rt::Loop& loop_;
  // Read and written on the brain only; shared with what is posted there.
  const std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Worker> make_thread_worker(rt::Loop& loop, const char* name) {
  return std::make_unique<ThreadWorker>(loop, name);
}

}  // namespace mk::store
