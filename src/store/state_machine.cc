#include "mk/store/state_machine.h"

#include <atomic>
#include <deque>
#include <mutex>
#include <optional>

#include "disk_vfs.h"
#include "mk/base/log.h"
#include "mk/rt/event.h"
#include "paths.h"
#include "state_copy.h"
#include "state_table.h"

namespace mk::store {
namespace {

constexpr Log kLog("store");

// How much goes into one SQLite transaction: enough to share its cost, few enough for what waits behind it.
constexpr std::size_t kBatchBytes = 1 << 20;
constexpr int kCopyPages = 64;  // in one step of a snapshot

std::size_t size_of(const Transition& transition) {
  std::size_t bytes = sizeof(Transition);
  for (const auto& change : transition.changes)
    bytes += sizeof(Change) + change.key.size() + change.value.size();
  return bytes;
}

// What the worker's jobs use. Only `queue` and what belongs to it is shared with the brain.
struct State {
  State(Disk& disk_, StateMachineOptions options_) : disk(disk_), options(std::move(options_)) {
    if (!disk.is_system()) vfs = std::make_unique<DiskVfs>(disk);
  }

  std::string vfs_name() const { return vfs ? vfs->name() : ""; }

  std::string path() const { return options.dir + "/state.db"; }

  void push(Transition transition) {
    const std::size_t bytes = size_of(transition);
    std::lock_guard guard(mutex);
    queued_bytes += bytes;
    queue.push_back(std::move(transition));
  }

  std::size_t backlog() {
    std::lock_guard guard(mutex);
    return queued_bytes;
  }

  std::vector<Transition> take_batch(std::size_t& bytes) {
    std::vector<Transition> out;
    std::lock_guard guard(mutex);
    for (bytes = 0; !queue.empty() && bytes < kBatchBytes; queue.pop_front()) {
      bytes += size_of(queue.front());
      out.push_back(std::move(queue.front()));
    }
    return out;
  }

  Disk& disk;
  const StateMachineOptions options;

  void fail(Error why) {
    if (error) return;
    error = std::move(why);
    failed = true;
  }

  std::mutex mutex;
  std::deque<Transition> queue;
  std::size_t queued_bytes = 0;

  // Told to the brain by the worker. Once `failed` is set, `error` changes no more and anybody may read it.
  std::atomic<bool> compacting = false, failed = false;
  std::atomic<bool> copying = false;  // the brain's: somebody waits for a snapshot

  std::unique_ptr<DiskVfs> vfs;  // under `table` and `copy`
  // The worker's alone.
  std::unique_ptr<StateTable> table;
  std::unique_ptr<StateCopy> copy;  // of `table`, so it goes first
  std::optional<Error> error;       // final
};

Result<void> apply_batch(StateTable& table, const std::vector<Transition>& batch) {
  MK_TRY(table.begin());
  for (const auto& transition : batch) {
    if (auto applied = table.apply(transition); !applied.ok()) {
      table.roll_back();
      return applied;
    }
  }
  MK_TRY(table.commit());
  return table.checkpoint_if_long();
}

// Everything that is queued. The first failure ends it for good: what comes after it must not be applied.
void drain(State& state) {
  if (!state.copying) state.copy.reset();  // its maker was cancelled
  while (!state.error) {
    std::size_t bytes = 0;
    const auto batch = state.take_batch(bytes);
    if (batch.empty()) return;
    auto applied = apply_batch(*state.table, batch);
    if (!applied.ok()) state.fail(std::move(applied).error().wrap("cannot apply to the state"));
    state.compacting = state.table->compacting();
    std::lock_guard guard(state.mutex);
    state.queued_bytes -= bytes;
  }
}

void compact_step(State& state) {
  drain(state);
  if (state.error) return;
  if (auto removed = state.table->compact_some(); !removed.ok())
    state.fail(std::move(removed).error().wrap("cannot compact the state"));
  state.compacting = state.table->compacting();
}

Result<std::unique_ptr<StateTable>> open_table(State& state) {
  MK_TRY(state.disk.make_dirs(state.options.dir));
  auto table = StateTable::open(state.path(), state.vfs_name());
  if (!table.ok()) return std::move(table).error().wrap("cannot open the store " + state.path());
  MK_TRY(state.disk.sync_dir(state.options.dir));
  return table;
}

// Is this a whole state of our format? Leaves one plain file without a log beside it.
Result<void> check_file(State& state, const std::string& path) {
  MK_ASSIGN(const bool there, state.disk.exists(path));
  if (!there) return Error(Reason::kInvalid, path + " is not there");
  MK_ASSIGN(auto table, StateTable::open(path, state.vfs_name()));
  MK_TRY(table->check_integrity());
  MK_TRY(table->checkpoint());
  table.reset();
  MK_ASSIGN(const bool log, state.disk.exists(path + "-wal"));
  if (log) return Error(Reason::kInternalError, path + " could not be closed");
  return ok();
}

Result<Applied> install_file(State& state, const std::string& path) {
  if (auto checked = check_file(state, path); !checked.ok())
    return Error(Reason::kInvalid, checked.error().message()).wrap("not a snapshot of a store");
  {
    std::lock_guard guard(state.mutex);
    state.queue.clear();
    state.queued_bytes = 0;
  }
  state.copy.reset();
  // The old state's log must not be there when the new file is: SQLite would apply it to that.
  MK_TRY(state.table->checkpoint());
  state.table.reset();
  MK_TRY(state.disk.remove(state.path() + "-wal"));
  MK_TRY(state.disk.sync_dir(state.options.dir));
  MK_TRY(state.disk.rename(path, state.path()));
  MK_TRY(state.disk.sync_dir(state.options.dir));
  MK_TRY(state.disk.sync_dir(parent_of(path)));
  MK_ASSIGN(state.table, open_table(state));
  return state.table->applied();
}

Result<SnapshotFile> finish_copy(State& state, const std::string& path) {
  state.copy.reset();
  SnapshotFile out;
  out.path = path;
  out.applied = state.table->applied();
  MK_ASSIGN(auto file, state.disk.open(path, Disk::Open::kExisting));
  MK_TRY(file->sync());
  MK_TRY(state.disk.sync_dir(parent_of(path)));
  MK_ASSIGN(out.size, file->size());
  return out;
}

class Machine : public StateMachine {
 public:
  Machine(std::shared_ptr<State> state, std::unique_ptr<Worker> worker)
      : state_(std::move(state)), worker_(std::move(worker)) {}

  ~Machine() override {
    auto state = state_;
    worker_->submit(
        [state] {
          drain(*state);
          state->copy.reset();
          if (state->table && !state->error) (void)state->table->checkpoint();
          state->table.reset();
        },
        nullptr);
    worker_.reset();
  }

  void apply(Transition transition) override {
    state_->push(std::move(transition));
    if (state_->backlog() > state_->options.hold) kick();
  }
  std::size_t backlog() const override { return state_->backlog(); }

  rt::Task<Result<Range>> range(std::string prefix, std::string after, std::size_t limit,
                                Revision at) override {
    auto read = [prefix, after, limit, at](State& state) {
      return state.table->range(prefix, after, limit, at);
    };
    co_return co_await ask<Range>(std::move(read));
  }

  rt::Task<Result<std::vector<Change>>> history(Revision since, std::size_t limit) override {
    auto read = [since, limit](State& state) { return state.table->history(since, limit); };
    co_return co_await ask<std::vector<Change>>(std::move(read));
  }

  rt::Task<Result<Applied>> applied() override {
    auto read = [](State& state) -> Result<Applied> { return state.table->applied(); };
    co_return co_await ask<Applied>(std::move(read));
  }

  rt::Task<Result<void>> keys(KeyVisit visit) override {
    auto read = [visit](State& state) -> Result<bool> {
      MK_TRY(state.table->each_key(visit));
      return true;
    };
    MK_CO_TRY(co_await ask<bool>(std::move(read)));
    co_return ok();
  }

  rt::Task<Result<std::uint64_t>> checkpoint() override {
    auto work = [](State& state) {
      auto proven = state.table->checkpoint();
      if (!proven.ok()) state.fail(proven.error());
      return proven;
    };
    co_return co_await ask<std::uint64_t>(std::move(work));
  }

  rt::Task<Result<SnapshotFile>> snapshot(std::string path) override;
  rt::Task<Result<Applied>> install(std::string path) override;
  void set_failed(Failed failed) override {
    failed_ = std::move(failed);
    report();
  }

 private:
  // Drains, then does `work` on the worker. Once the state has failed, everything answers so.
  template <class T>
  rt::Task<Result<T>> ask(std::function<Result<T>(State&)> work) {
    struct Answer {
      std::optional<Result<T>> result;
      bool finished = false;
      rt::Event done;
    };
    auto answer = std::make_shared<Answer>();
    auto job = [state = state_, answer, work = std::move(work)] {
      drain(*state);
      answer->result.emplace(state->error ? Result<T>(*state->error) : work(*state));
    };
    auto done = [this, answer] {
      answer->finished = true;
      answer->done.notify_all();
      after_job();
    };
    worker_->submit(std::move(job), std::move(done));
    while (!answer->finished) co_await answer->done.wait();
    co_return std::move(*answer->result);
  }

  void kick() {
    if (draining_) return;
    draining_ = true;
    worker_->submit([state = state_] { drain(*state); },
                    [this] {
                      draining_ = false;
                      after_job();
                      if (state_->backlog() > 0 && !state_->failed) kick();
                    });
  }

  // One step of a compaction at a time, so that reads and transitions get in between.
  void after_job() {
    report();
    if (stepping_ || !state_->compacting || state_->failed) return;
    stepping_ = true;
    worker_->submit([state = state_] { compact_step(*state); },
                    [this] {
                      stepping_ = false;
                      after_job();
                    });
  }

  void report() {
    if (!state_->failed || !failed_) return;
    kLog.error("the store has failed", "error", state_->error->message());
    std::exchange(failed_, nullptr)(*state_->error);
  }

  const std::shared_ptr<State> state_;
  Failed failed_;
  bool draining_ = false, stepping_ = false;
  std::unique_ptr<Worker> worker_;
};

rt::Task<Result<SnapshotFile>> Machine::snapshot(std::string path) {
  if (state_->copying) co_return Error(Reason::kConflict, "another snapshot is being made");
  state_->copying = true;
  // Also when this task is cancelled between two steps, or destroyed after the machine.
  const auto end = [state = state_](State*) { state->copying = false; };
  const std::unique_ptr<State, decltype(end)> guard(state_.get(), end);
  auto begin = [path](State& state) -> Result<bool> {
    MK_TRY(state.disk.remove(path));
    state.copy.reset();
    MK_ASSIGN(state.copy, StateCopy::begin(state.table->database(), path, state.vfs_name()));
    return true;
  };
  MK_CO_TRY(co_await ask<bool>(std::move(begin)));
  // The state goes on: what the copy holds is told in the job that ended it.
  auto step = [path](State& state) -> Result<std::optional<SnapshotFile>> {
    if (!state.copy) return Error(Reason::kServiceUnavailable, "the state was replaced meanwhile");
    MK_ASSIGN(const bool whole, state.copy->step(kCopyPages));
    if (!whole) return std::optional<SnapshotFile>();
    MK_ASSIGN(SnapshotFile file, finish_copy(state, path));
    return std::optional(std::move(file));
  };
  for (;;) {
    MK_CO_ASSIGN(auto file, co_await ask<std::optional<SnapshotFile>>(step));
    if (file) co_return std::move(*file);
  }
}

rt::Task<Result<Applied>> Machine::install(std::string path) {
  auto work = [path](State& state) -> Result<Applied> {
    auto installed = install_file(state, path);
    if (!installed.ok() && !installed.error().is(Reason::kInvalid)) state.fail(installed.error());
    if (state.table) state.compacting = state.table->compacting();
    return installed;
  };
  co_return co_await ask<Applied>(std::move(work));
}

}  // namespace

Result<std::unique_ptr<StateMachine>> open_state_machine(rt::Loop&, Disk& disk,
                                                         std::unique_ptr<Worker> worker,
                                                         StateMachineOptions options, Applied& found) {
  auto state = std::make_shared<State>(disk, std::move(options));
  MK_ASSIGN(state->table, open_table(*state));
  if (state->options.each_key) MK_TRY(state->table->each_key(state->options.each_key));
  found = state->table->applied();
  state->compacting = state->table->compacting();
  return std::unique_ptr<StateMachine>(std::make_unique<Machine>(std::move(state), std::move(worker)));
}

}  // namespace mk::store
