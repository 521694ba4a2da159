#include <catch2/catch.hpp>

#include "mk/base/files.h"
#include "mk/base/temp_dir.h"
#include "mk/rt/all.h"
#include "mk/rt/group.h"
#include "mk/store/state_machine.h"
#include "state_table.h"

using namespace mk;
using namespace mk::store;

namespace {

Change put(Revision revision, std::string key, std::string value, Revision create_revision = 0) {
  Change out;
  out.revision = revision;
  out.key = std::move(key);
  out.create_revision = create_revision == 0 ? revision : create_revision;
  out.value = SharedBytes(std::move(value));
  return out;
}

Change removal(Revision revision, std::string key, Revision create_revision) {
  Change out;
  out.revision = revision;
  out.key = std::move(key);
  out.create_revision = create_revision;
  out.removed = true;
  return out;
}

Transition transition(std::uint64_t index, std::vector<Change> changes = {}) {
  Transition out;
  out.index = index;
  out.term = 1;
  out.changes = std::move(changes);
  return out;
}

class Fixture {
 public:
  explicit Fixture(std::string dir) : disk_(make_real_disk()) {
    StateMachineOptions options;
    options.dir = std::move(dir);
    options.each_key = [this](std::string_view key, Revision create_revision, Revision revision) {
      keys.emplace_back(std::string(key) + "@" + std::to_string(revision) + "/" +
                        std::to_string(create_revision));
    };
    auto opened =
        open_state_machine(loop_, *disk_, make_thread_worker(loop_, "state"), std::move(options), found);
    if (!opened.ok()) {
      error = opened.error();
      return;
    }
    machine_ = std::move(opened).value();
    machine_->set_failed([this](Error why) { error = std::move(why); });
  }

  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out;
    auto body = [&]() -> rt::Task<> { out.emplace(co_await std::move(task)); };
    rt::run_until_done(loop_, body());
    return std::move(*out);
  }

  StateMachine& machine() { return *machine_; }
  Applied applied() { return run(machine_->applied()).value(); }
  std::vector<Entry> all(Revision at = 0) { return run(machine_->range("", "", 0, at)).value().entries; }
  rt::Loop& loop() { return loop_; }

  Applied found;
  std::vector<std::string> keys;
  std::optional<Error> error;

 private:
  rt::Loop loop_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<StateMachine> machine_;
};

// From scratch, by what a reader sees.
std::uint64_t hash_of(const std::vector<Entry>& entries) {
  std::uint64_t sum = 0;
  for (const auto& entry : entries)
    sum += content_hash(entry.key, entry.create_revision, entry.revision, entry.value.view());
  return sum;
}

}  // namespace

TEST_CASE("transitions are applied in order and survive a reopening") {
  TempDir dir;
  {
    Fixture f(dir.path());
    CHECK(f.found.index == 0);
    Transition first = transition(1, {put(1, "/a", "1"), put(2, "/b", "2")});
    first.membership = SharedBytes(std::string("three servers"));
    f.machine().apply(std::move(first));
    Transition second = transition(2, {put(3, "/a", "3", 1), removal(4, "/b", 2)});
    second.ceiling = 1000;
    f.machine().apply(std::move(second));
    const auto now = f.all();
    REQUIRE(now.size() == 1);
    CHECK(now[0].value.view() == "3");
    CHECK(now[0].create_revision == 1);
    CHECK(f.machine().backlog() == 0);
    CHECK(f.applied().hash == hash_of(now));
  }
  Fixture f(dir.path());
  CHECK(f.found.index == 2);
  CHECK(f.found.term == 1);
  CHECK(f.found.revision == 4);
  CHECK(f.found.ceiling == 1000);
  CHECK(f.found.membership.view() == "three servers");
  CHECK(f.found.membership_index == 1);
  CHECK(f.found.hash == hash_of(f.all()));
  CHECK(f.keys == std::vector<std::string>{"/a@3/1"});
}

TEST_CASE("a transition that comes again after a crash changes nothing") {
  TempDir dir;
  Fixture f(dir.path());
  f.machine().apply(transition(1, {put(1, "/a", "1")}));
  f.machine().apply(transition(2, {put(2, "/a", "2", 1)}));
  const Applied before = f.applied();
  f.machine().apply(transition(1, {put(1, "/a", "1")}));
  f.machine().apply(transition(2, {put(2, "/a", "2", 1)}));
  CHECK(f.applied().hash == before.hash);
  CHECK(f.applied().index == 2);
  CHECK(f.run(f.machine().history(0, 100)).value().size() == 2);
}

TEST_CASE("states that are equal have equal hashes, whatever happened before") {
  TempDir one, two;
  Fixture a(one.path()), b(two.path());
  a.machine().apply(transition(1, {put(1, "/a", "1"), put(2, "/b", "2")}));
  a.machine().apply(transition(2, {removal(3, "/b", 2), put(4, "/c", "")}));
  b.machine().apply(transition(7, {put(1, "/a", "1"), put(4, "/c", "")}));
  CHECK(a.applied().hash == b.applied().hash);
  b.machine().apply(transition(8, {put(5, "/c", "x", 4)}));
  CHECK(a.applied().hash != b.applied().hash);
  CHECK(b.applied().hash == hash_of(b.all()));
}

TEST_CASE("a compaction forgets what was superseded and nothing else") {
  TempDir dir;
  Fixture f(dir.path());
  std::vector<Change> changes;
  // More than one step's worth: /k0../k9 again and again, with /k3 removed at last and /old never touched.
  changes.push_back(put(1, "/old", "x"));
  for (Revision at = 2; at <= 2000; ++at) changes.push_back(put(at, "/k" + std::to_string(at % 10), "v", 2));
  changes.push_back(removal(2001, "/k3", 2));
  changes.push_back(put(2002, "/k4", "new", 2));
  f.machine().apply(transition(1, std::move(changes)));
  const auto before = f.all();
  Transition compact = transition(2);
  compact.compact_to = 2001;
  f.machine().apply(std::move(compact));
  CHECK(f.run(f.machine().range("", "", 0, 2000)).error().is(Reason::kExpired));
  CHECK(f.run(f.machine().history(2000, 10)).error().is(Reason::kExpired));
  CHECK(f.run(f.machine().history(2001, 10)).value().size() == 1);
  CHECK(f.all(2001).size() == before.size());
  // The rows go in steps, which end by themselves.
  const auto rows = [&] {
    auto count = [&]() -> rt::Task<Result<std::size_t>> {
      auto all = co_await f.machine().snapshot(dir.path() + "/copy.db");
      if (!all.ok()) co_return all.error();
      auto table = StateTable::open(dir.path() + "/copy.db").value();
      Statement select = table->database().prepare("SELECT count(*) FROM changes");
      (void)select.step();
      co_return static_cast<std::size_t>(select.integer(0));
    };
    return f.run(count()).value();
  };
  for (int round = 0; round < 100 && rows() > before.size() + 1; ++round) continue;
  CHECK(rows() == before.size() + 1);  // and /k4 as of 2001
  CHECK(f.applied().hash == hash_of(f.all()));
  CHECK(f.applied().compacted == 2001);
}

TEST_CASE("a removal in the history shows what was there") {
  TempDir dir;
  Fixture f(dir.path());
  f.machine().apply(transition(1, {put(1, "/a", "1"), put(2, "/a", "2", 1), removal(3, "/a", 1)}));
  const auto changes = f.run(f.machine().history(2, 10)).value();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].removed);
  CHECK(changes[0].value.view() == "2");
}

TEST_CASE("a snapshot taken while the state is written is the whole state at one index") {
  TempDir dir;
  Fixture f(dir.path() + "/db");
  Revision revision = 1;
  for (std::uint64_t index = 1; index <= 50; ++index) {
    std::vector<Change> changes;
    for (int i = 0; i < 20; ++i, ++revision)
      changes.push_back(put(revision, "/k" + std::to_string(revision), std::string(2000, 'x')));
    f.machine().apply(transition(index, std::move(changes)));
  }
  std::optional<Result<SnapshotFile>> made;
  auto writer = [&]() -> rt::Task<> {
    for (std::uint64_t index = 51; !made; ++index) {
      f.machine().apply(transition(index, {put(revision++, "/k1", "new", 1)}));
      (void)co_await f.machine().applied();
    }
  };
  auto maker = [&]() -> rt::Task<> { made = co_await f.machine().snapshot(dir.path() + "/snapshot"); };
  auto both = [&]() -> rt::Task<> {
    std::vector<rt::Task<>> tasks;
    tasks.push_back(maker());
    tasks.push_back(writer());
    co_await rt::all(std::move(tasks));
  };
  rt::run_until_done(f.loop(), both());
  REQUIRE(made->ok());
  CHECK((*made)->applied.index > 50);
  Fixture other(dir.path() + "/other");
  other.machine().apply(transition(3, {put(1, "/stale", "x")}));
  const auto installed = other.run(other.machine().install((*made)->path));
  REQUIRE(installed.ok());
  CHECK(installed->index == (*made)->applied.index);
  CHECK(installed->hash == (*made)->applied.hash);
  CHECK(hash_of(other.all()) == installed->hash);
  CHECK(!file_exists((*made)->path));
  other.machine().apply(transition(installed->index + 1, {put(revision, "/after", "x")}));
  CHECK(hash_of(other.all()) == other.applied().hash);
}

TEST_CASE("a file that is no snapshot is refused and the state stays") {
  TempDir dir;
  Fixture f(dir.path() + "/db");
  f.machine().apply(transition(1, {put(1, "/a", std::string(5000, 'a'))}));
  const std::string path = dir.path() + "/snapshot";
  CHECK(f.run(f.machine().install(path)).error().is(Reason::kInvalid));
  REQUIRE(write_file(path, std::string(8192, 'x')).ok());
  CHECK(f.run(f.machine().install(path)).error().is(Reason::kInvalid));
  REQUIRE(f.run(f.machine().snapshot(path)).ok());
  std::string content = read_file(path).value();
  content[content.find("aaaa") + 100] = 'b';
  REQUIRE(write_file(path, content).ok());
  const auto refused = f.run(f.machine().install(path));
  CHECK(refused.error().is(Reason::kInvalid));
  CHECK(!f.error);
  CHECK(f.all().size() == 1);
}

TEST_CASE("a checkpoint proves the index that is in the file itself") {
  TempDir dir;
  Fixture f(dir.path() + "/db");
  f.machine().apply(transition(5, {put(1, "/a", "1")}));
  CHECK(f.run(f.machine().checkpoint()).value() == 5);
  f.machine().apply(transition(6, {put(2, "/a", "2", 1)}));
  CHECK(f.applied().index == 6);
  // What a power cut leaves at worst: the file without its log.
  REQUIRE(make_dirs(dir.path() + "/cut").ok());
  REQUIRE(write_file(dir.path() + "/cut/state.db", read_file(dir.path() + "/db/state.db").value()).ok());
  Fixture after(dir.path() + "/cut");
  CHECK(after.found.index == 5);
  CHECK(after.found.hash == hash_of(after.all()));
}

TEST_CASE("a store in use, of a newer format or that is none is refused with advice") {
  TempDir dir;
  {
    Fixture first(dir.path());
    Fixture second(dir.path());
    REQUIRE(second.error);
    CHECK(second.error->is(Reason::kConflict));
    CHECK(second.error->message().find("in use by another mk") != std::string::npos);
  }
  {
    auto database = Database::open(dir.path() + "/state.db").value();
    REQUIRE(database->execute("UPDATE meta SET value = 99 WHERE name = 'format'").ok());
  }
  Fixture newer(dir.path());
  REQUIRE(newer.error);
  CHECK(newer.error->message().find("newer mk") != std::string::npos);
  REQUIRE(make_dirs(dir.path() + "/none").ok());
  REQUIRE(write_file(dir.path() + "/none/state.db", std::string(8192, 'x')).ok());
  Fixture none(dir.path() + "/none");
  CHECK(none.error);
  CHECK(read_file(dir.path() + "/none/state.db").value() == std::string(8192, 'x'));
}

TEST_CASE("a store of format 1 is taken over with its history and its reserved revisions") {
  TempDir dir;
  {
    auto database = Database::open(dir.path() + "/state.db").value();
    REQUIRE(database
                ->execute("CREATE TABLE changes (revision INTEGER PRIMARY KEY, key TEXT NOT NULL,"
                          " create_revision INTEGER NOT NULL, value BLOB);"
                          "CREATE INDEX changes_by_key ON changes (key, revision);"
                          "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
                          "INSERT INTO meta VALUES ('format', 1), ('compacted', 2), ('ceiling', 100000),"
                          " ('clean', 0), ('revision', 0);"
                          "INSERT INTO changes VALUES (2, '/a', 1, x'61'), (3, '/b', 3, x'62'),"
                          " (4, '/a', 1, x'63'), (5, '/b', 3, NULL)")
                .ok());
  }
  Fixture f(dir.path());
  CHECK(!f.error);
  CHECK(f.found.index == 1);
  CHECK(f.found.revision == 5);
  CHECK(f.found.ceiling == 100000);
  CHECK(f.found.compacted == 2);
  REQUIRE(f.all().size() == 1);
  CHECK(f.all()[0].value.view() == "c");
  CHECK(f.found.hash == hash_of(f.all()));
  CHECK(f.run(f.machine().history(2, 10)).value().size() == 3);
}
