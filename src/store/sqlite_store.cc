#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "change_table.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/rt/event.h"
#include "mk/store/store.h"

namespace mk::store {
namespace {

constexpr Log kLog("store");

// Holds the data directory for this process alone; freed by the kernel, however the process ends.
class DirLock {
 public:
  static Result<std::unique_ptr<DirLock>> take(const std::string& dir) {
    const std::string path = dir + "/lock";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
      return Error(Reason::kForbidden, "cannot write to " + dir + ": " + std::strerror(errno) +
                                           "; give mk a writable --data-dir");
    std::unique_ptr<DirLock> lock(new DirLock(fd));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0)
      return Error(Reason::kConflict,
                   dir + " is in use by another mk server; stop it or choose another --data-dir");
    return lock;
  }
  ~DirLock() { ::close(fd_); }

 private:
  explicit DirLock(int fd) : fd_(fd) {}
  int fd_;
};

// A caller's request, done on the store's thread and answered on the loop's.
struct Job {
  enum class Kind { kCommit, kCall };
  Kind kind = Kind::kCall;
  std::vector<Operation> operations;
  Durability durability = Durability::kDurable;
  std::function<void(ChangeTable&)> call;  // kCall
  std::vector<Change> changes;             // kCommit: what happened
  std::optional<Result<Revision>> result;  // kCommit
  bool finished = false;
  rt::Event done;
};

// One thread owns the file. Writers that arrive while it syncs share the next sync (group commit).
class SqliteStore : public Store {
 public:
  SqliteStore(rt::Loop& loop, Options options, std::unique_ptr<DirLock> lock,
              std::unique_ptr<ChangeTable> table)
      : loop_(loop), options_(std::move(options)), lock_(std::move(lock)), table_(std::move(table)) {
    revision_ = table_->revision();
    compacted_ = table_->compacted();
    thread_ = std::thread([this] { work(); });
  }

  ~SqliteStore() override {
    {
      std::lock_guard guard(mutex_);
      closing_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void set_feed(Feed feed) override { feed_ = std::move(feed); }
  Revision revision() const override { return revision_; }
  Revision compacted() const override { return compacted_; }
  std::uint64_t sync_count() const override { return syncs_; }

  rt::Task<Result<Revision>> commit(std::vector<Operation> operations, Durability durability) override {
    auto job = std::make_shared<Job>();
    job->kind = Job::Kind::kCommit;
    job->operations = std::move(operations);
    job->durability = durability;
    co_await submit(job);
    co_return std::move(*job->result);
  }

  rt::Task<Result<Range>> range(std::string prefix, std::string after, std::size_t limit,
                                Revision at) override {
    auto out = std::make_shared<std::optional<Result<Range>>>();
    auto work = [out, prefix, after, limit, at](ChangeTable& table) {
      *out = table.range(prefix, after, limit, at);
    };
    co_await call(std::move(work));
    co_return std::move(**out);
  }

  rt::Task<Result<std::vector<Change>>> history(Revision since, std::size_t limit) override {
    auto out = std::make_shared<std::optional<Result<std::vector<Change>>>>();
    auto work = [out, since, limit](ChangeTable& table) { *out = table.history(since, limit); };
    co_await call(std::move(work));
    co_return std::move(**out);
  }

  rt::Task<Result<void>> linearize() override { co_return ok(); }  // every write goes through this process

  rt::Task<Result<void>> compact(Revision up_to) override {
    auto out = std::make_shared<std::optional<Result<void>>>();
    auto work = [out, up_to](ChangeTable& table) {
      auto done = table.compact(up_to);
      *out = done.ok() ? table.sync() : std::move(done);
    };
    co_await call(std::move(work));
    co_return std::move(**out);
  }

 private:
  using Jobs = std::deque<std::shared_ptr<Job>>;

  rt::Task<> call(std::function<void(ChangeTable&)> work) {
    auto job = std::make_shared<Job>();
    job->call = std::move(work);
    co_await submit(std::move(job));
  }

  rt::Task<> submit(std::shared_ptr<Job> job) {
    {
      std::lock_guard guard(mutex_);
      jobs_.push_back(job);
    }
    wake_.notify_one();
    while (!job->finished) co_await job->done.wait();
  }

  // --- the store's thread ---

  void work() {
    for (;;) {
      Jobs batch;
      {
        std::unique_lock lock(mutex_);
        const auto ready = [this] { return closing_ || !jobs_.empty(); };
        if (!table_->dirty()) {
          wake_.wait(lock, ready);
        } else if (!wake_.wait_until(lock, lazy_deadline_, ready)) {
          lock.unlock();
          flush_lazy();
          continue;
        }
        if (jobs_.empty()) break;
        batch.swap(jobs_);
      }
      handle(std::move(batch));
    }
    table_.reset();  // syncs what is left
  }

  void handle(Jobs batch) {
    const bool was_dirty = table_->dirty();
    bool durable = false;
    for (auto& job : batch) {
      if (job->kind == Job::Kind::kCall) {
        job->call(*table_);
        continue;
      }
      auto changes = table_->apply(job->operations);
      if (changes.ok()) {
        job->changes = std::move(changes).value();
        job->result = job->changes.empty() ? table_->revision() : job->changes.back().revision;
        durable = durable || job->durability == Durability::kDurable;
      } else {
        job->result = std::move(changes).error();
      }
    }
    if (!was_dirty && table_->dirty())
      lazy_deadline_ = std::chrono::steady_clock::now() + options_.lazy_delay;
    if (durable) sync_or_fail(batch);
    answer(std::move(batch));
  }

  // A failed sync has undone the whole open transaction: nobody in it may believe otherwise.
  void sync_or_fail(Jobs& batch) {
    auto synced = table_->sync();
    ++syncs_;
    if (synced.ok()) return;
    kLog.error("a commit failed", "error", synced.error().message());
    for (auto& job : batch) {
      if (job->kind != Job::Kind::kCommit) continue;
      job->changes.clear();
      job->result = synced.error();
    }
  }

  void flush_lazy() {
    const auto synced = table_->sync();
    ++syncs_;
    if (!synced.ok())
      kLog.warn("heartbeats and events could not be written", "error", synced.error().message());
  }

  void answer(Jobs batch) {
    const Revision compacted = table_->compacted();
    loop_.post([this, batch = std::move(batch), compacted] {
      compacted_ = compacted;
      std::vector<Change> changes;
      for (const auto& job : batch) {
        for (auto& change : job->changes) changes.push_back(std::move(change));
      }
      if (!changes.empty()) {
        revision_ = changes.back().revision;
        if (feed_) feed_(changes);
      }
      for (const auto& job : batch) {
        job->finished = true;
        job->done.notify_all();
      }
    });
  }

  rt::Loop& loop_;
  const Options options_;
  const std::unique_ptr<DirLock> lock_;

  // The loop's side.
  Feed feed_;
  Revision revision_ = 0, compacted_ = 0;

  // Shared.
  std::mutex mutex_;
  std::condition_variable wake_;
  Jobs jobs_;
  bool closing_ = false;
  std::atomic<std::uint64_t> syncs_{0};

  // The thread's side.
  std::unique_ptr<ChangeTable> table_;
  std::chrono::steady_clock::time_point lazy_deadline_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_store(rt::Loop& loop, Options options) {
  if (auto made = make_dirs(options.dir, 0700); !made.ok())
    return std::move(made).error().wrap("cannot use the data directory");
  MK_ASSIGN(auto lock, DirLock::take(options.dir));
  const std::string path = options.dir + "/state.db";
  auto table = ChangeTable::open(path);
  if (!table.ok()) return std::move(table).error().wrap("cannot open the store " + path);
  return std::unique_ptr<Store>(
      std::make_unique<SqliteStore>(loop, std::move(options), std::move(lock), std::move(table).value()));
}

}  // namespace mk::store
