#include <catch2/catch.hpp>

#include <map>

#include "mk/rt/group.h"
#include "mk/store/sim_disk.h"
#include "mk/store/state_machine.h"
#include "state_table.h"

using namespace mk;
using namespace mk::store;

// Power cuts and kills at any point of the state machine's work, on a disk that loses and tears what is not
// synced. The log, which keeps everything, is a list of transitions.
namespace {

class InlineWorker : public Worker {
 public:
  explicit InlineWorker(rt::Loop& loop) : loop_(loop) {}
  ~InlineWorker() override { *open_ = false; }
  void submit(std::function<void()> job, std::function<void()> done) override {
    job();
    if (!done) return;
    loop_.post([open = open_, done = std::move(done)] {
      if (*open) done();
    });
  }

 private:
  rt::Loop& loop_;
  const std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
};

class Run {
 public:
  explicit Run(std::uint64_t seed) : random_(rt::make_random(seed)), disk_(SimDisk::make(*random_)) {
    open();
  }

  void step() {
    const auto what = random_->below(20);
    if (what < 12) {
      for (auto left = 1 + random_->below(8); left > 0; --left) machine_->apply(next());
    } else if (what < 14) {
      if (auto proven = run(machine_->checkpoint()); proven.ok()) proven_ = *proven;
    } else if (what < 15) {
      copy_ = run(machine_->snapshot("/copy.db"));
    } else if (what < 16 && copy_ && copy_->ok()) {
      const auto installed = run(machine_->install("/copy.db"));
      if (installed.ok()) proven_ = installed->index;  // older than the state, which never is so but here
      copy_.reset();
      replay();
    } else if (what < 17) {
      machine_->apply(next());
      crash(false);
    } else if (what < 19) {
      crash(true);
    } else {
      fault();
    }
  }

  // What the machine has is what its index says, whichever way it came there.
  void check() {
    const auto applied = run(machine_->applied());
    REQUIRE(applied.ok());
    REQUIRE(applied->index == log_.size());
    std::map<std::string, std::string> expected;
    for (const auto& transition : log_) {
      for (const auto& change : transition.changes) {
        if (change.removed) {
          expected.erase(change.key);
        } else {
          expected[change.key] = std::string(change.value.view());
        }
      }
    }
    const auto all = run(machine_->range("", "", 0, 0)).value();
    std::map<std::string, std::string> found;
    std::uint64_t hash = 0;
    for (const auto& entry : all.entries) {
      found[entry.key] = std::string(entry.value.view());
      hash += content_hash(entry.key, entry.create_revision, entry.revision, entry.value.view());
    }
    REQUIRE(found == expected);
    REQUIRE(hash == applied->hash);
  }

  std::size_t cuts = 0;

 private:
  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out;
    auto body = [&]() -> rt::Task<> { out.emplace(co_await std::move(task)); };
    rt::run_until_done(loop_, body());
    return std::move(*out);
  }

  void open() {
    Applied found;
    StateMachineOptions options;
    options.dir = "/db";
    auto opened =
        open_state_machine(loop_, *disk_, std::make_unique<InlineWorker>(loop_), std::move(options), found);
    if (!opened.ok()) FAIL(opened.error().message());
    machine_ = std::move(opened).value();
    REQUIRE(found.index >= proven_);
    REQUIRE(found.index <= log_.size());
    replay_from(found.index);
  }

  void replay() { replay_from(run(machine_->applied()).value().index); }
  void replay_from(std::uint64_t index) {
    for (; index < log_.size(); ++index) machine_->apply(log_[index]);
  }

  Transition next() {
    Transition out;
    out.index = log_.size() + 1;
    out.term = 1;
    for (auto left = random_->below(6); left > 0; --left) {
      Change change;
      change.revision = ++revision_;
      change.key = "/key" + std::to_string(random_->below(30));
      Revision& life = lives_[change.key];
      change.removed = life != 0 && random_->below(4) == 0;
      if (life == 0) life = change.revision;
      change.create_revision = life;
      if (change.removed) life = 0;
      if (!change.removed)
        change.value = SharedBytes(std::string(random_->below(6000), 'a' + revision_ % 26));
      out.changes.push_back(std::move(change));
    }
    if (random_->below(15) == 0) out.compact_to = revision_ - static_cast<Revision>(random_->below(20));
    log_.push_back(out);
    return out;
  }

  void crash(bool power) {
    if (power) {
      disk_->cut_power();
      ++cuts;
    } else {
      disk_->kill();
    }
    disk_->set_faults({});
    machine_.reset();
    copy_.reset();
    open();
  }

  // The disk fails for a while: the machine says so and stops, and nothing it had is gone.
  void fault() {
    bool failed = false;
    machine_->set_failed([&](Error) { failed = true; });
    SimDisk::Faults faults;
    faults.write_error = faults.sync_error = 0.2;
    disk_->set_faults(faults);
    for (int i = 0; i < 5; ++i) machine_->apply(next());
    (void)run(machine_->checkpoint());
    const auto after = run(machine_->applied());
    REQUIRE((after.ok() || failed));
    crash(random_->below(2) == 0);
  }

  std::unique_ptr<rt::Random> random_;
  std::unique_ptr<SimDisk> disk_;
  rt::Loop loop_;
  std::unique_ptr<StateMachine> machine_;
  std::vector<Transition> log_;
  std::map<std::string, Revision> lives_;
  Revision revision_ = 0;
  std::uint64_t proven_ = 0;
  std::optional<Result<SnapshotFile>> copy_;
};

}  // namespace

TEST_CASE(
    "no power cut, kill or failing disk takes from the state what a checkpoint proved, or leaves it torn") {
  std::size_t cuts = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    Run run(seed);
    for (int i = 0; i < 60; ++i) run.step();
    run.check();
    cuts += run.cuts;
  }
  CHECK(cuts > 200);
}
