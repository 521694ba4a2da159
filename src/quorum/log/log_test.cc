#include "log.h"

#include "log_model.h"
#include "record.h"

using namespace mk;
using namespace mk::quorum;
using store::SimDisk;

namespace {

struct Bench {
  explicit Bench(std::uint64_t seed) : random(rt::make_random(seed)), disk(SimDisk::make(*random)) {
    options.dir = "/log";
    options.cluster = "test";
    options.segment_size = 8192;
    options.reserve = 0;
  }

  Result<LogModel> open() {
    log.reset();
    mount = disk->mount();
    LogContent content;
    auto opened = open_log(*mount, options, content);
    if (!opened.ok()) return std::move(opened).error();
    log = std::move(opened).value();
    return LogModel::of(content);
  }
  // As a process that ends and starts again.
  Result<LogModel> restart() {
    disk->kill();
    return open();
  }
  void append(LogModel& model, std::vector<LogEntry> entries) {
    REQUIRE(log->append(entries).ok());
    model.entries.insert(model.entries.end(), entries.begin(), entries.end());
  }
  std::vector<std::string> segments() {
    std::vector<std::string> out;
    const auto names = disk->list("/log").value();
    for (const auto& name : names) {
      if (sequence_of(name) != 0) out.push_back(name);
    }
    return out;
  }
  std::string content(const std::string& name) {
    auto file = disk->open("/log/" + name, store::Disk::Open::kExisting).value();
    return file->read(0, file->size().value()).value();
  }

  std::unique_ptr<rt::Random> random;
  std::unique_ptr<SimDisk> disk;
  std::unique_ptr<store::Disk> mount;
  LogOptions options;
  std::unique_ptr<Log> log;
};

// Random calls and syncs until `calls` are made or the disk fails. `synced` is what the last sync returned
// for, `tried` what the one that failed was to make durable.
void work(Bench& bench, int calls, LogModel& synced, std::optional<LogModel>& tried) {
  LogModel model = synced;
  for (int i = 0; i < calls; ++i) {
    if (!random_call(*bench.random, model, *bench.log).ok()) return;
    if (bench.random->below(3) != 0) continue;
    if (!bench.log->sync().ok()) {
      tried = model;
      return;
    }
    synced = model;
  }
}

// One life of a log and its end; the next life must find what was synced, or what was being synced.
void live_and_die(Bench& bench, LogModel& model, bool cut, SimDisk::Faults faults) {
  std::optional<LogModel> tried;
  bench.disk->set_faults(faults);
  work(bench, 30, model, tried);
  bench.disk->set_faults({});
  cut ? bench.disk->cut_power() : bench.disk->kill();
  auto found = bench.open();
  // A crash inside of recovery itself, and recovery from that.
  if (found.ok() && bench.random->below(4) == 0) {
    SimDisk::Faults again;
    again.calls_left = 1 + bench.random->below(6);
    bench.disk->set_faults(again);
    bench.log.reset();
    static_cast<void>(bench.open());
    bench.disk->set_faults({});
    bench.random->below(2) == 0 ? bench.disk->cut_power() : bench.disk->kill();
    auto found_again = bench.open();
    REQUIRE(found_again.ok());
    CHECK(*found_again == *found);
    found = std::move(found_again);
  }
  if (!found.ok()) FAIL(found.error().message());
  const bool expected = *found == model || (tried && *found == *tried);
  if (!expected) FAIL("found " << to_text(*found) << " after " << to_text(model));
  model = *found;
}

}  // namespace

TEST_CASE("A log gives back what was synced, also truncated, trimmed and restarted") {
  Bench bench(1);
  LogModel model = bench.open().value();
  CHECK(model == LogModel());
  REQUIRE(bench.log->set_vote(3, 7).ok());
  model.term = 3, model.vote = 7;
  bench.append(model,
               {make_entry(1, 3, "one"), make_entry(2, 3, ""), make_entry(3, 3, std::string(5000, 'x'))});
  REQUIRE(bench.log->sync().ok());
  CHECK(bench.restart().value() == model);

  REQUIRE(bench.log->truncate_after(1).ok());
  model.entries.resize(1);
  bench.append(model, {make_entry(2, 4, "other")});
  REQUIRE(bench.log->sync().ok());
  CHECK(bench.restart().value() == model);

  REQUIRE(bench.log->trim(1).ok());
  model.base = 1, model.base_term = 3;
  model.entries.erase(model.entries.begin());
  REQUIRE(bench.log->sync().ok());
  CHECK(bench.restart().value() == model);

  REQUIRE(bench.log->restart_at(100, 9).ok());
  REQUIRE(bench.log->append({make_entry(101, 9, "new")}).ok());
  REQUIRE(bench.log->sync().ok());
  model = bench.restart().value();
  CHECK((model.base == 100 && model.base_term == 9 && model.last() == 101 && model.vote == 7));
}

TEST_CASE("What was not synced is gone after a power cut, whole") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Bench bench(seed);
    LogModel model = bench.open().value();
    bench.append(model, {make_entry(1, 1, "kept")});
    REQUIRE(bench.log->sync().ok());
    REQUIRE(bench.log->append({make_entry(2, 1, "lost")}).ok());
    bench.disk->cut_power();
    CHECK(bench.open().value() == model);
  }
}

TEST_CASE("Hundreds of logs live through power cuts and kills at every point") {
  std::size_t rolled = 0;
  for (std::uint64_t seed = 0; seed < seeds(120); ++seed) {
    INFO("seed " << seed);
    Bench bench(seed);
    LogModel model = bench.open().value();
    for (int life = 0; life < 12; ++life) {
      SimDisk::Faults faults;
      if (bench.random->below(4) != 0) faults.calls_left = 1 + bench.random->below(40);
      live_and_die(bench, model, bench.random->below(2) == 0, faults);
    }
    rolled += bench.segments().back() != segment_name(1) ? 1 : 0;
  }
  CHECK(rolled > 100);
}

TEST_CASE("Failing writes and syncs and a full disk lose nothing that was acknowledged") {
  for (std::uint64_t seed = 0; seed < seeds(60); ++seed) {
    INFO("seed " << seed);
    Bench bench(seed);
    LogModel model = bench.open().value();
    for (int life = 0; life < 8; ++life) {
      SimDisk::Faults faults;
      const auto kind = bench.random->below(3);
      if (kind == 0) faults.write_error = 0.1;
      if (kind == 1) faults.sync_error = 0.1;
      if (kind == 2) faults.capacity = 20000 + bench.random->below(20000);
      live_and_die(bench, model, bench.random->below(2) == 0, faults);
    }
  }
}

TEST_CASE("After the first failure a log refuses everything") {
  Bench bench(1);
  REQUIRE(bench.open().ok());
  SimDisk::Faults faults;
  faults.sync_error = 1;
  bench.disk->set_faults(faults);
  REQUIRE(bench.log->append({make_entry(1, 1, "x")}).ok());
  CHECK_FALSE(bench.log->sync().ok());
  bench.disk->set_faults({});
  CHECK_FALSE(bench.log->sync().ok());
  CHECK_FALSE(bench.log->append({make_entry(2, 1, "x")}).ok());
  CHECK_FALSE(bench.log->set_vote(2, 2).ok());
  CHECK(bench.log->trim(1).error().message().find("failed before") != std::string::npos);
}

TEST_CASE("Every single flipped bit in what was synced is found, in the last write too") {
  Bench bench(1);
  LogModel model = bench.open().value();
  for (Index i = 1; i <= 9; ++i) {
    bench.append(model, {make_entry(i, 1, random_text(*bench.random, 900))});
    REQUIRE(bench.log->sync().ok());
  }
  REQUIRE(bench.restart().ok());
  std::size_t flips = 0;
  for (const auto& name : bench.segments()) {
    const std::string content = bench.content(name);
    std::size_t end = content.find_last_not_of('\0') / kSector * kSector + kSector;
    for (std::uint64_t bit = bench.random->below(37); bit < end * 8; bit += 37, ++flips) {
      bench.disk->flip_bit("/log/" + name, bit);
      const auto found = bench.restart();
      if (found.ok()) FAIL(name << " bit " << bit << " of " << end * 8 << " not found");
      REQUIRE(found.error().message().find("/log/" + name) != std::string::npos);
      bench.disk->flip_bit("/log/" + name, bit);
    }
  }
  CHECK(flips > 1500);
  CHECK(bench.restart().value() == model);
}

TEST_CASE("A write that is missing before later ones is damage, not the end") {
  Bench bench(1);
  LogModel model = bench.open().value();
  for (Index i = 1; i <= 3; ++i) {
    bench.append(model, {make_entry(i, 1, "small")});
    REQUIRE(bench.log->sync().ok());
  }
  auto file = bench.disk->open("/log/" + segment_name(1), store::Disk::Open::kExisting).value();
  REQUIRE(file->write(2 * kSector, std::string(kSector, '\0')).ok());
  const auto found = bench.restart();
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().message().find("lacks write 2 at byte 1024, but has later ones") != std::string::npos);
  // The last one missing is what a power cut does.
  REQUIRE(file->write(2 * kSector, std::string(2 * kSector, '\0')).error().is(Reason::kInternalError));
  auto again = bench.disk->open("/log/" + segment_name(1), store::Disk::Open::kExisting).value();
  REQUIRE(again->write(2 * kSector, std::string(2 * kSector, '\0')).ok());
  model.entries.resize(1);
  CHECK(bench.restart().value() == model);
}

TEST_CASE("Two interrupted writes in one place are never taken for one") {
  Bench bench(1);
  LogModel model = bench.open().value();
  bench.append(model, {make_entry(1, 1, "kept")});
  REQUIRE(bench.log->sync().ok());
  const auto batch_of = [](char fill) {
    BatchBuilder batch;
    const std::string data(2000, fill);
    Record record;
    record.type = Record::Type::kEntry;
    record.index = 2;
    record.term = 1;
    record.data = data;
    put_record(batch, record);
    return std::string(batch.seal(2));
  };
  const std::string first = batch_of('a'), second = batch_of('b');
  constexpr std::size_t kAt = 2 * kSector, kPart = 2 * kSector;
  const auto write = [&](std::size_t at, std::string_view bytes) {
    auto file = bench.disk->open("/log/" + segment_name(1), store::Disk::Open::kExisting).value();
    REQUIRE(file->write(at, bytes).ok());
  };
  write(kAt + kPart, std::string_view(first).substr(kPart));
  CHECK(bench.restart().value() == model);
  write(kAt, std::string_view(second).substr(0, kPart));
  CHECK(bench.restart().value() == model);
  write(kAt, second);
  CHECK(bench.restart().value().last() == 2);
}

TEST_CASE("A flipped bit where nothing lives is overwritten and harms nobody") {
  Bench bench(1);
  LogModel model = bench.open().value();
  bench.append(model, {make_entry(1, 1, "x")});
  REQUIRE(bench.log->sync().ok());
  bench.disk->flip_bit("/log/" + segment_name(1), 8000 * 8);
  CHECK(bench.restart().value() == model);
  bench.append(model, {make_entry(2, 1, std::string(6500, 'y'))});
  REQUIRE(bench.log->sync().ok());
  CHECK(bench.restart().value() == model);
}

TEST_CASE("A disk that lies about syncs loses what it lied about, or is found out") {
  int shorter = 0, found_out = 0, whole = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    Bench bench(seed);
    LogModel synced = bench.open().value();
    std::optional<LogModel> tried;
    work(bench, 20, synced, tried);
    LogModel model = bench.restart().value();
    std::vector<LogModel> since{model};
    bench.disk->set_lying_sync(true);
    for (Index i = 0; i < 8; ++i) {
      bench.append(model, random_entries(*bench.random, model));
      REQUIRE(bench.log->sync().ok());
      since.push_back(model);
    }
    bench.disk->set_lying_sync(false);
    bench.disk->cut_power();
    const auto found = bench.open();
    if (!found.ok()) {
      ++found_out;
      CHECK(found.error().message().find("is damaged") != std::string::npos);
      continue;
    }
    const auto place = std::find(since.begin(), since.end(), *found);
    REQUIRE(place != since.end());
    ++(*place == model ? whole : shorter);
  }
  CHECK(shorter > 0);
  CHECK(found_out > 0);
  CHECK(whole > 0);
}

TEST_CASE("Segments that a trim emptied go, and their files are used again") {
  Bench bench(1);
  LogModel model = bench.open().value();
  std::uint64_t settled = 0;
  for (Index i = 1; i <= 400; ++i) {
    REQUIRE(bench.log->append({make_entry(i, 1, std::string(900, 'x'))}).ok());
    REQUIRE(bench.log->sync().ok());
    if (i >= 10) REQUIRE(bench.log->trim(i - 5).ok());
    if (i == 100) settled = bench.log->bytes_written();
  }
  REQUIRE(bench.log->sync().ok());
  CHECK(bench.segments().size() <= 3);
  // Two sectors an entry with its trim, a head for every seven entries: no byte is written twice.
  CHECK((bench.log->bytes_written() - settled) / 300 <= 1024 + 512 + 100);
  model = bench.restart().value();
  CHECK((model.base == 395 && model.last() == 400));
}

TEST_CASE("A missing segment in use is missed") {
  Bench bench(1);
  LogModel model = bench.open().value();
  for (Index i = 1; i <= 30; ++i) {
    bench.append(model, {make_entry(i, 1, std::string(900, 'x'))});
    REQUIRE(bench.log->sync().ok());
  }
  REQUIRE(bench.segments().size() == 5);
  for (const Sequence gone : {1, 2, 4}) {
    Bench other(1);
    LogModel same = other.open().value();
    for (const auto& entry : model.entries) {
      other.append(same, {entry});
      REQUIRE(other.log->sync().ok());
    }
    REQUIRE(other.disk->remove("/log/" + segment_name(gone)).ok());
    const auto found = other.restart();
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().message().find("is missing") != std::string::npos);
  }
}

TEST_CASE("A log of another cluster or a newer format is refused") {
  Bench bench(1);
  REQUIRE(bench.open().ok());
  bench.options.cluster = "other";
  auto found = bench.restart();
  CHECK(found.error().is(Reason::kInvalid));
  CHECK(found.error().message() ==
        "/log/0000000000000001.log belongs to the cluster test, not to other; use another data directory");

  bench.options.cluster = "test";
  BatchBuilder batch;
  batch.put_u8(200);
  batch.put_u64(0);
  auto file = bench.disk->open("/log/" + segment_name(1), store::Disk::Open::kExisting).value();
  REQUIRE(file->write(kSector, batch.seal(1)).ok());
  found = bench.restart();
  CHECK(found.error().is(Reason::kInvalid));
  CHECK(found.error().message().find("newer version of mk") != std::string::npos);
}

TEST_CASE("A disk that is nearly full takes votes and what is on its way, then nothing more") {
  Bench bench(1);
  bench.options.reserve = 100000;
  LogModel model = bench.open().value();
  SimDisk::Faults faults;
  faults.capacity = 8192 + 120000;
  bench.disk->set_faults(faults);
  CHECK(bench.log->has_space().value());
  auto other = bench.disk->open("/filler", store::Disk::Open::kCreate).value();
  REQUIRE(other->write(0, std::string(30000, 'x')).ok());
  CHECK_FALSE(bench.log->has_space().value());
  bench.append(model, {make_entry(1, 1, "on its way")});
  REQUIRE(bench.log->sync().ok());
  REQUIRE(other->write(30000, std::string(50000, 'x')).ok());
  CHECK(bench.log->append({make_entry(2, 1, "late")}).error().is(Reason::kServiceUnavailable));
  REQUIRE(bench.log->set_vote(4, 2).ok());
  REQUIRE(bench.log->sync().ok());
  model.term = 4, model.vote = 2;
  REQUIRE(other->truncate(0).ok());
  bench.append(model, {make_entry(2, 1, "there is room again")});
  REQUIRE(bench.log->sync().ok());
  CHECK(bench.restart().value() == model);
}

TEST_CASE("Entries that replace others in a segment since trimmed keep their place") {
  Bench bench(1);
  LogModel model = bench.open().value();
  for (Index i = 1; i <= 8; ++i) {
    bench.append(model, {make_entry(i, 1, std::string(900, 'x'))});
    REQUIRE(bench.log->sync().ok());
  }
  REQUIRE(bench.segments().size() == 2);
  // The second segment begins after entry 7; 5 and up are now written there, and the first is done with.
  REQUIRE(bench.log->truncate_after(4).ok());
  model.entries.resize(4);
  bench.append(model, {make_entry(5, 2, "other"), make_entry(6, 2, "other")});
  REQUIRE(bench.log->sync().ok());
  REQUIRE(bench.log->trim(4).ok());
  REQUIRE(bench.log->sync().ok());
  CHECK(bench.segments() == std::vector<std::string>{segment_name(2)});
  model = bench.restart().value();
  CHECK((model.base == 4 && model.base_term == 1 && model.last() == 6 && model.term_at(5) == 2));
}

TEST_CASE("A sync without anything to make durable does nothing") {
  Bench bench(1);
  REQUIRE(bench.open().ok());
  const auto syncs = bench.log->sync_count();
  REQUIRE(bench.log->sync().ok());
  REQUIRE(bench.log->truncate_after(0).ok());
  REQUIRE(bench.log->trim(0).ok());
  REQUIRE(bench.log->sync().ok());
  CHECK(bench.log->sync_count() == syncs);
}
