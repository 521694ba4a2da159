#include <catch2/catch.hpp>

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mk/base/files.h"
#include "mk/base/temp_dir.h"
#include "mk/quorum/replicated_store.h"
#include "mk/rt/group.h"

using namespace mk;
using namespace mk::quorum;
using namespace mk::store;

// One server, with its real disk and threads: the store as `mk server` has it.
namespace {

quorum::Options options(const TempDir& dir) {
  quorum::Options out;
  out.dir = dir.path() + "/db";
  out.cluster = "test";
  return out;
}

Operation put(std::string key, std::string value, Revision expected = Operation::kAny) {
  return Operation(Operation::Kind::kPut, std::move(key), SharedBytes(std::move(value)), expected);
}

Operation drop(std::string key, Revision expected = Operation::kAny) {
  return Operation(Operation::Kind::kRemove, std::move(key), SharedBytes(), expected);
}

// A store with a loop of its own, used from straight-line test code.
class Fixture {
 public:
  explicit Fixture(const TempDir& dir) : store_(open_single_store(loop_, options(dir)).value()) {
    store_->set_feed([this](const std::vector<Change>& changes) {
      for (const auto& change : changes) feed.push_back(change);
    });
    REQUIRE(run(store_->linearize()).ok());
  }

  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out;
    auto body = [&]() -> rt::Task<> { out.emplace(co_await std::move(task)); };
    rt::run_until_done(loop_, body());
    return std::move(*out);
  }

  Result<Revision> commit(Operation operation, Durability durability = Durability::kDurable) {
    std::vector<Operation> operations;
    operations.push_back(std::move(operation));
    return run(store_->commit(std::move(operations), durability));
  }
  std::vector<Entry> all(Revision at = 0) { return run(store_->range("/", "", 0, at)).value().entries; }
  void stop() {
    auto body = [&]() -> rt::Task<> { co_await store_->stop(); };
    rt::run_until_done(loop_, body());
  }
  ReplicatedStore& store() { return *store_; }
  rt::Loop& loop() { return loop_; }

  std::vector<Change> feed;

 private:
  rt::Loop loop_;
  std::unique_ptr<ReplicatedStore> store_;
};

}  // namespace

TEST_CASE(
    "one server: every change gets the next revision, reaches the feed in order and is there after a "
    "reopening") {
  TempDir dir;
  {
    Fixture f(dir);
    CHECK(f.store().current());
    CHECK(f.commit(put("/a", "1")).value() == 1);
    CHECK(f.commit(put("/b", "2")).value() == 2);
    CHECK(f.commit(put("/a", "3")).value() == 3);
    CHECK(f.commit(drop("/b")).value() == 4);
    REQUIRE(f.feed.size() == 4);
    CHECK(f.feed[2].create_revision == 1);
    CHECK(f.feed[3].removed);
    REQUIRE(f.all().size() == 1);
    CHECK(f.all()[0].value.view() == "3");
    f.stop();
  }
  Fixture f(dir);
  REQUIRE(f.all().size() == 1);
  CHECK(f.commit(put("/a", "4", 3)).value() == 5);
}

TEST_CASE("one server: a range reads the past until it is compacted") {
  TempDir dir;
  Fixture f(dir);
  for (int i = 0; i < 5; ++i) REQUIRE(f.commit(put("/k" + std::to_string(i % 2), std::to_string(i))).ok());
  REQUIRE(f.commit(drop("/k0")).ok());
  CHECK(f.all(3).size() == 2);
  CHECK(f.all(3)[0].value.view() == "2");
  const auto page = f.run(f.store().range("/", "", 1, 5)).value();
  CHECK(page.more);
  CHECK(page.entries.size() == 1);
  REQUIRE(f.run(f.store().compact(5)).ok());
  CHECK(f.run(f.store().range("/", "", 0, 3)).error().is(Reason::kExpired));
  CHECK(f.all(5).size() == 2);
  CHECK(f.all().size() == 1);
}

TEST_CASE("one server: concurrent writers share a sync") {
  TempDir dir;
  Fixture f(dir);
  const auto before = f.store().sync_count();
  int done = 0;
  auto writer = [&](int i) -> rt::Task<> {
    std::vector<Operation> operations;
    operations.push_back(put("/w" + std::to_string(i), "x"));
    auto revision = co_await f.store().commit(std::move(operations), Durability::kDurable);
    CHECK(revision.ok());
    if (++done == 200) f.loop().stop();
  };
  rt::Group group(f.loop().executor());
  for (int i = 0; i < 200; ++i) group.spawn("writer", writer(i));
  f.loop().run();
  CHECK(done == 200);
  CHECK(f.store().sync_count() - before < 100);
}

TEST_CASE("one server: what was acknowledged survives kill -9, and revisions never go back") {
  TempDir dir;
  int pipe_fds[2];
  REQUIRE(::pipe(pipe_fds) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Fixture f(dir);
    for (int i = 0; i < 20; ++i) (void)f.commit(put("/d" + std::to_string(i), "x"));
    const Revision lazy = f.commit(put("/lazy", "x"), Durability::kLazy).value();
    (void)!::write(pipe_fds[1], &lazy, sizeof lazy);
    ::kill(::getpid(), SIGKILL);
  }
  Revision lazy = 0;
  REQUIRE(::read(pipe_fds[0], &lazy, sizeof lazy) == sizeof lazy);
  ::waitpid(child, nullptr, 0);
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
  Fixture f(dir);
  CHECK(f.all().size() >= 20);
  CHECK(f.commit(put("/new", "x")).value() > lazy);
}

TEST_CASE("one server: lazy changes are kept by an orderly end, and revisions go on without a gap") {
  TempDir dir;
  Revision last = 0;
  {
    Fixture f(dir);
    last = f.commit(put("/lazy", "x"), Durability::kLazy).value();
    CHECK(f.all().size() == 1);
    last = f.commit(put("/lazy", "y"), Durability::kLazy).value();
    f.stop();
  }
  Fixture f(dir);
  REQUIRE(f.all().size() == 1);
  CHECK(f.all()[0].value.view() == "y");
  CHECK(f.commit(put("/b", "x")).value() == last + 1);
}

TEST_CASE("one server: a data directory in use or unwritable is refused with advice") {
  TempDir dir;
  rt::Loop loop;
  {
    auto first = open_single_store(loop, options(dir)).value();
    auto second = open_single_store(loop, options(dir));
    REQUIRE(!second.ok());
    CHECK(second.error().message().find("in use by another mk") != std::string::npos);
  }
  quorum::Options nowhere = options(dir);
  nowhere.dir = "/proc/mk-store";
  CHECK(!open_single_store(loop, nowhere).ok());
}

TEST_CASE("one server: a store of mk before there was a log goes on where it was") {
  TempDir dir;
  REQUIRE(make_dirs(dir.path() + "/db").ok());
  sqlite3* old = nullptr;
  REQUIRE(sqlite3_open((dir.path() + "/db/state.db").c_str(), &old) == SQLITE_OK);
  const char* rows =
      "CREATE TABLE changes (revision INTEGER PRIMARY KEY, key TEXT NOT NULL,"
      " create_revision INTEGER NOT NULL, value BLOB);"
      "CREATE INDEX changes_by_key ON changes (key, revision);"
      "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
      "INSERT INTO meta VALUES ('format', 1), ('compacted', 2), ('ceiling', 100000), ('clean', 1),"
      " ('revision', 7);"
      "INSERT INTO changes VALUES (2, '/a', 1, x'61'), (5, '/a', 1, x'63')";
  REQUIRE(sqlite3_exec(old, rows, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(old);
  for (Revision next = 8; next < 11; ++next) {
    Fixture f(dir);
    REQUIRE(f.store().revision() == next - 1);
    CHECK(f.commit(put("/a", "d", next == 8 ? 5 : next - 1)).value() == next);
    CHECK(f.all()[0].create_revision == 1);
    CHECK(f.run(f.store().history(2, 10)).value().size() == static_cast<std::size_t>(next - 6));
    f.stop();
  }
}
