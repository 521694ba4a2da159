#include "log_writer.h"

#include "log_model.h"
#include "mk/base/temp_dir.h"
#include "mk/rt/event.h"

using namespace mk;
using namespace mk::quorum;
using std::chrono::microseconds;
using store::SimDisk;

namespace {

// A log writer over a simulated disk and a simulated thread, and what was promised to its user.
struct Brain {
  explicit Brain(std::uint64_t seed) : random(rt::make_random(seed)), disk(SimDisk::make(*random)) {
    options.dir = "/log";
    options.cluster = "test";
    options.segment_size = 16384;
    options.reserve = 0;
  }
  ~Brain() { writer.reset(); }

  // The next life: checks what it finds and goes on from there.
  void open() {
    writer.reset();
    mount = disk->mount();
    failure.reset();
    LogContent content;
    auto log = open_log(*mount, options, content);
    if (!log.ok()) FAIL(log.error().message());
    found = LogModel::of(content);
    history = {found};
    promised = 0;
    writer = std::make_unique<LogWriter>(
        std::move(log).value(),
        store::make_sim_worker(loop, clock, *random, microseconds(100), microseconds(900)),
        [this](Error error) {
          CHECK_FALSE(failure);
          failure = std::move(error);
        });
  }
  LogWriter::Done promise() {
    const std::size_t step = history.size();  // of the model after this call
    return [this, step] {
      CHECK_FALSE(failure);
      CHECK(step > promised);
      promised = step;
    };
  }
  void call() {
    LogModel model = history.back();
    const Face face{*this};
    REQUIRE(random_call(*random, model, face).ok());
    history.push_back(std::move(model));
  }
  // In small steps: who wakes sleeps again from then on.
  void pass(rt::Duration time) {
    constexpr rt::Duration kStep = microseconds(100);
    for (rt::Duration gone{0}; gone <= time; gone += kStep) {
      while (loop.poll() > 0) continue;
      clock.advance(kStep);
    }
    while (loop.poll() > 0) continue;
  }

  // What random_call calls.
  struct Face {
    Brain& brain;
    Result<void> set_vote(Term term, ServerId vote) const {
      brain.writer->set_vote(term, vote, brain.promise());
      return ok();
    }
    Result<void> append(std::vector<LogEntry> entries) const {
      brain.writer->append(std::move(entries), brain.promise());
      return ok();
    }
    Result<void> truncate_after(Index last) const {
      brain.writer->truncate_after(last);
      return ok();
    }
    Result<void> trim(Index base) const {
      brain.writer->trim(base);
      return ok();
    }
    Result<void> restart_at(Index base, Term term) const {
      brain.writer->restart_at(base, term, brain.promise());
      return ok();
    }
  };

  rt::Loop loop;
  rt::ManualClock clock;
  std::unique_ptr<rt::Random> random;
  std::unique_ptr<SimDisk> disk;
  std::unique_ptr<store::Disk> mount;
  LogOptions options;
  std::unique_ptr<LogWriter> writer;
  std::optional<Error> failure;
  LogModel found;
  std::vector<LogModel> history;  // the model after each call of this life; [0]: as found
  std::size_t promised = 0;       // the last call of which `done` was called
};

LogEntry entry(Index index, std::string data = "x") {
  return make_entry(index, 1, std::move(data));
}

}  // namespace

TEST_CASE("Requests that arrive while a sync runs share the next one, in order") {
  Brain brain(1);
  brain.open();
  const auto before = brain.writer->sync_count();
  std::string order;
  brain.writer->append({entry(1)}, [&] { order += 'a'; });
  brain.pass(microseconds(1));
  for (Index i = 2; i <= 100; ++i)
    brain.writer->append({entry(i)}, [&, i] { order += i == 2 ? "b" : i == 100 ? "c" : ""; });
  brain.writer->set_vote(3, 1, [&] { order += 'd'; });
  CHECK(order.empty());
  brain.pass(std::chrono::milliseconds(5));
  CHECK(order == "abcd");
  CHECK(brain.writer->sync_count() - before <= 2);
}

TEST_CASE("Two hundred power cuts and kills of a log and its writer break no promise") {
  std::size_t cuts = 0, promises = 0;
  for (std::uint64_t seed = 0; seed < seeds(45); ++seed) {
    INFO("seed " << seed);
    Brain brain(seed);
    brain.open();
    for (int life = 0; life < 8; ++life) {
      SimDisk::Faults faults;
      if (brain.random->below(2) == 0) faults.calls_left = 1 + brain.random->below(60);
      brain.disk->set_faults(faults);
      const auto calls = 1 + brain.random->below(60);
      for (std::uint64_t i = 0; i < calls && !brain.failure; ++i) {
        brain.call();
        if (brain.random->below(3) == 0) brain.pass(microseconds(brain.random->below(1500)));
      }
      const bool cut = brain.random->below(3) != 0;
      cuts += cut ? 1 : 0;
      cut ? brain.disk->cut_power() : brain.disk->kill();
      const auto history = brain.history;
      const auto promised = brain.promised;
      promises += promised;
      brain.open();
      const auto place =
          std::find(history.begin() + static_cast<std::ptrdiff_t>(promised), history.end(), brain.found);
      if (place == history.end())
        FAIL("found " << to_text(brain.found) << ", promised " << to_text(history[promised]));
    }
  }
  CHECK(cuts >= 200);
  CHECK(promises > 1000);
}

TEST_CASE("After a failure nothing is promised any more, and it is told once") {
  Brain brain(1);
  brain.open();
  int done = 0;
  brain.writer->append({entry(1)}, [&] { ++done; });
  brain.pass(std::chrono::milliseconds(5));
  CHECK(done == 1);
  SimDisk::Faults faults;
  faults.sync_error = 1;
  brain.disk->set_faults(faults);
  brain.writer->append({entry(2)}, [&] { ++done; });
  brain.pass(std::chrono::milliseconds(5));
  brain.disk->set_faults({});
  brain.writer->append({entry(3)}, [&] { ++done; });
  brain.writer->set_vote(2, 2, [&] { ++done; });
  brain.pass(std::chrono::milliseconds(5));
  CHECK(done == 1);
  REQUIRE(brain.failure);
  CHECK(brain.failure->message().find("/log/0000000000000001.log") != std::string::npos);
}

TEST_CASE("A writer says when space is short and notices when there is some again") {
  Brain brain(1);
  brain.options.reserve = 50000;
  brain.open();
  CHECK(brain.writer->has_space());
  SimDisk::Faults faults;
  faults.capacity = 60000;
  brain.disk->set_faults(faults);
  int done = 0;
  brain.writer->append({entry(1)}, [&] { ++done; });
  brain.pass(std::chrono::milliseconds(5));
  CHECK(done == 1);
  CHECK_FALSE(brain.writer->has_space());
  brain.pass(std::chrono::milliseconds(5));
  CHECK_FALSE(brain.writer->has_space());
  brain.disk->set_faults({});
  CHECK_FALSE(brain.writer->has_space());
  brain.pass(std::chrono::milliseconds(5));
  CHECK(brain.writer->has_space());
  CHECK_FALSE(brain.failure);
}

TEST_CASE("A writer that goes has written what it was asked for") {
  Brain brain(1);
  brain.open();
  bool done = false;
  brain.writer->append({entry(1, "last words")}, [&] { done = true; });
  brain.open();
  CHECK_FALSE(done);
  REQUIRE(brain.found.entries.size() == 1);
  CHECK(brain.found.entries[0].data.view() == "last words");
}

TEST_CASE("A log on a real disk and a real thread keeps what it promised") {
  const TempDir temp;
  auto disk = store::make_real_disk();
  LogOptions options;
  options.dir = temp.path() + "/log";
  options.cluster = "test";
  options.segment_size = 64 << 10;
  options.reserve = 0;
  LogContent content;
  constexpr Index kEntries = 500;
  {
    rt::Loop loop;
    auto log = open_log(*disk, options, content).value();
    std::optional<Error> failure;
    LogWriter writer(std::move(log), store::make_thread_worker(loop, "mk-log"),
                     [&](Error error) { failure = std::move(error); });
    Index durable = 0;
    rt::Event changed;
    auto run = [&]() -> rt::Task<> {
      for (Index i = 1; i <= kEntries; ++i) {
        writer.append({make_entry(i, 1, std::string(i, 'x'))}, [&, i] {
          CHECK(durable == i - 1);
          durable = i;
          changed.notify_all();
        });
        if (i == 300) writer.trim(200);
        while (i - durable > 16) co_await changed.wait();
      }
      while (durable < kEntries) co_await changed.wait();
    };
    rt::run_until_done(loop, run());
    CHECK_FALSE(failure);
    CHECK(writer.sync_count() < 3 * kEntries);
    CHECK(writer.bytes_written() > kEntries * 512);
  }
  REQUIRE(open_log(*disk, options, content).ok());
  CHECK(content.base_index == 200);
  REQUIRE(content.entries.size() == 300);
  for (const auto& found : content.entries) CHECK(found.data.size() == found.index);
}
