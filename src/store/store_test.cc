#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include "mk/base/files.h"
#include "mk/base/temp_dir.h"
#include "mk/rt/group.h"
#include "mk/store/store.h"
#include "sqlite.h"

using namespace mk;
using namespace mk::store;

namespace {

Options options(const TempDir& dir) {
  Options out;
  out.dir = dir.path() + "/db";
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
  explicit Fixture(const TempDir& dir) : store_(open_store(loop_, options(dir)).value()) {
    store_->set_feed([this](const std::vector<Change>& changes) {
      for (const auto& change : changes) feed.push_back(change);
    });
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
  Store& store() { return *store_; }

  std::vector<Change> feed;

 private:
  rt::Loop loop_;
  std::unique_ptr<Store> store_;
};

}  // namespace

TEST_CASE("every change gets the next revision and reaches the feed in order") {
  TempDir dir;
  Fixture f(dir);
  CHECK(f.commit(put("/a", "1")).value() == 1);
  CHECK(f.commit(put("/b", "2")).value() == 2);
  CHECK(f.commit(put("/a", "3")).value() == 3);
  CHECK(f.commit(drop("/b")).value() == 4);
  REQUIRE(f.feed.size() == 4);
  CHECK(f.feed[2].create_revision == 1);
  CHECK(f.feed[3].removed);
  CHECK(f.feed[3].value.view() == "2");
  REQUIRE(f.all().size() == 1);
  CHECK(f.all()[0].value.view() == "3");
}

TEST_CASE("an unexpected revision is a conflict and changes nothing") {
  TempDir dir;
  Fixture f(dir);
  REQUIRE(f.commit(put("/a", "1", Operation::kAbsent)).ok());
  CHECK(f.commit(put("/a", "2", Operation::kAbsent)).error().is(Reason::kConflict));
  CHECK(f.commit(put("/a", "2", 7)).error().is(Reason::kConflict));
  CHECK(f.commit(drop("/none")).error().is(Reason::kConflict));
  CHECK(f.store().revision() == 1);
  CHECK(f.commit(put("/a", "2", 1)).value() == 2);
}

TEST_CASE("a transaction happens whole or not at all") {
  TempDir dir;
  Fixture f(dir);
  std::vector<Operation> operations;
  operations.push_back(put("/a", "1"));
  operations.push_back(put("/b", "1", 99));
  CHECK(!f.run(f.store().commit(operations, Durability::kDurable)).ok());
  CHECK(f.all().empty());
  CHECK(f.feed.empty());
}

TEST_CASE("a range reads the past until it is compacted") {
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

TEST_CASE("the empty prefix is every key") {
  TempDir dir;
  Fixture f(dir);
  REQUIRE(f.commit(put("a/1", "x")).ok());
  REQUIRE(f.commit(put("z/\xc3\xbf", "x")).ok());
  CHECK(f.run(f.store().range("", "", 0, 0)).value().entries.size() == 2);
  CHECK(f.run(f.store().range("a/", "", 0, 0)).value().entries.size() == 1);
}

TEST_CASE("history tells what happened, with the last state of what was removed") {
  TempDir dir;
  Fixture f(dir);
  REQUIRE(f.commit(put("/a", "1")).ok());
  REQUIRE(f.commit(put("/a", "2")).ok());
  REQUIRE(f.commit(drop("/a")).ok());
  REQUIRE(f.run(f.store().compact(2)).ok());
  const auto changes = f.run(f.store().history(2, 100)).value();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].removed);
  CHECK(changes[0].value.view() == "2");
  CHECK(f.run(f.store().history(1, 100)).error().is(Reason::kExpired));
}

TEST_CASE("concurrent writers share a sync") {
  TempDir dir;
  rt::Loop loop;
  auto store = open_store(loop, options(dir)).value();
  const auto before = store->sync_count();
  int done = 0;
  auto writer = [&](int i) -> rt::Task<> {
    std::vector<Operation> operations;
    operations.push_back(put("/w" + std::to_string(i), "x"));
    auto revision = co_await store->commit(std::move(operations), Durability::kDurable);
    CHECK(revision.ok());
    if (++done == 200) loop.stop();
  };
  rt::Group group(loop.executor());
  for (int i = 0; i < 200; ++i) group.spawn("writer", writer(i));
  loop.run();
  CHECK(done == 200);
  CHECK(store->sync_count() - before < 100);
}

TEST_CASE("what was acknowledged survives kill -9, and revisions never go back") {
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

TEST_CASE("lazy changes are kept by an orderly end, and revisions go on without a gap") {
  TempDir dir;
  Revision last = 0;
  {
    Fixture f(dir);
    last = f.commit(put("/lazy", "x"), Durability::kLazy).value();
    CHECK(f.all().size() == 1);
  }
  Fixture f(dir);
  CHECK(f.all().size() == 1);
  CHECK(f.commit(put("/b", "x")).value() == last + 1);
}

TEST_CASE("a data directory in use, of a newer format or unwritable is refused with advice") {
  TempDir dir;
  rt::Loop loop;
  {
    auto first = open_store(loop, options(dir)).value();
    CHECK(open_store(loop, options(dir)).error().message().find("in use by another mk") != std::string::npos);
  }
  {
    auto database = Database::open(dir.path() + "/db/state.db").value();
    REQUIRE(database->execute("UPDATE meta SET value = 99 WHERE name = 'format'").ok());
  }
  CHECK(open_store(loop, options(dir)).error().message().find("newer mk") != std::string::npos);
  Options nowhere;
  nowhere.dir = "/proc/mk-store";
  CHECK(!open_store(loop, nowhere).ok());
}

TEST_CASE("a file that is no database is refused and left alone") {
  TempDir dir;
  REQUIRE(make_dirs(dir.path() + "/db").ok());
  REQUIRE(write_file(dir.path() + "/db/state.db", std::string(8192, 'x')).ok());
  rt::Loop loop;
  CHECK(!open_store(loop, options(dir)).ok());
  CHECK(read_file(dir.path() + "/db/state.db").value() == std::string(8192, 'x'));
}
