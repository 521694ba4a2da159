#include "disk_vfs.h"

#include <catch2/catch.hpp>

#include "mk/base/temp_dir.h"
#include "mk/store/sim_disk.h"
#include "sqlite.h"

using namespace mk;
using namespace mk::store;

namespace {

constexpr const char* kFull =
    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL";
constexpr const char* kNormal =
    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
    "PRAGMA wal_autocheckpoint=20";
constexpr const char* kRollback =
    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL";

// A table whose rows are numbered without a gap, row n written by transaction n.
class Numbers {
 public:
  Numbers(Disk& disk, std::string path, const char* pragmas) : vfs_(disk), path_(std::move(path)) {
    auto opened = Database::open(path_, vfs_.name());
    if (!opened.ok()) return;
    database_ = std::move(opened).value();
    usable_ =
        database_->execute(pragmas).ok() &&
        database_->execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, v BLOB, x INTEGER)").ok();
  }

  bool usable() const { return usable_; }
  bool add(std::int64_t n, std::size_t size) {
    const std::string number = std::to_string(n);
    return database_
        ->execute("BEGIN; INSERT INTO t VALUES (" + number + ", randomblob(" + std::to_string(size) + "), " +
                  number + "); UPDATE t SET x = " + number + " WHERE n % 7 = " + number + " % 7; COMMIT")
        .ok();
  }
  // How many rows there are; -1: not a state that ever was committed.
  std::int64_t count() {
    auto check = database_->prepare("PRAGMA integrity_check");
    if (!check.step().value_or(false) || check.text(0) != "ok") return -1;
    auto ask = database_->prepare(
        "SELECT count(*), ifnull(max(n), 0), ifnull(max(x), 0), "
        "(SELECT count(*) FROM t a WHERE x != (SELECT max(n) FROM t b WHERE b.n % 7 = a.n % 7)) FROM t");
    if (!ask.step().value_or(false)) return -1;
    const bool whole =
        ask.integer(0) == ask.integer(1) && ask.integer(0) == ask.integer(2) && ask.integer(3) == 0;
    return whole ? ask.integer(0) : -1;
  }

 private:
  DiskVfs vfs_;
  const std::string path_;
  std::unique_ptr<Database> database_;
  bool usable_ = false;
};

void crash_runs(std::uint64_t seeds, const char* pragmas, bool durable) {
  std::int64_t lost = 0, total = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    INFO("seed " << seed);
    auto random = rt::make_random(seed);
    auto disk = SimDisk::make(*random);
    REQUIRE(disk->make_dirs("/d").ok());
    std::int64_t acknowledged = 0;
    for (int life = 0; life < 6; ++life) {
      SimDisk::Faults faults;
      faults.calls_left = 20 + random->below(150);
      disk->set_faults(faults);
      bool cut = random->below(3) != 0;
      {
        auto mount = disk->mount();
        Numbers numbers(*mount, "/d/state.db", pragmas);
        while (numbers.usable() && numbers.add(acknowledged + 1, random->below(6000))) ++acknowledged;
        cut ? disk->cut_power() : disk->kill();
      }
      auto mount = disk->mount();
      Numbers numbers(*mount, "/d/state.db", pragmas);
      REQUIRE(numbers.usable());
      const std::int64_t found = numbers.count();
      REQUIRE(found >= 0);
      if (durable || !cut) REQUIRE(found >= acknowledged);
      REQUIRE(found <= acknowledged + 1);
      lost += std::max<std::int64_t>(0, acknowledged - found);
      total += acknowledged;
      acknowledged = found;
    }
  }
  CHECK(total > static_cast<std::int64_t>(seeds) * 30);
  CHECK((durable || lost > 0));
}

}  // namespace

TEST_CASE("SQLite in WAL mode loses no synced transaction over power cuts and kills") {
  crash_runs(25, kFull, true);
}

TEST_CASE("SQLite without a sync per transaction loses the last ones to a power cut, never the middle") {
  crash_runs(25, kNormal, false);
}

TEST_CASE("SQLite with a rollback journal loses no transaction over power cuts and kills") {
  crash_runs(15, kRollback, true);
}

TEST_CASE("A disk that lies about syncs breaks SQLite: what the tests above would see") {
  bool seen = false;
  for (std::uint64_t seed = 0; seed < 20 && !seen; ++seed) {
    auto random = rt::make_random(seed);
    auto disk = SimDisk::make(*random);
    REQUIRE(disk->make_dirs("/d").ok());
    disk->set_lying_sync(true);
    {
      Numbers numbers(*disk, "/d/state.db", kFull);
      for (int i = 1; i <= 20; ++i) REQUIRE(numbers.add(i, 3000));
      disk->cut_power();
    }
    disk->set_lying_sync(false);
    Numbers numbers(*disk, "/d/state.db", kFull);
    seen = !numbers.usable() || numbers.count() < 20;
  }
  CHECK(seen);
}

TEST_CASE("SQLite on the real disk is the same file that SQLite itself reads") {
  const TempDir temp;
  const std::string path = temp.path() + "/state.db";
  auto disk = make_real_disk();
  {
    Numbers numbers(*disk, path, kFull);
    REQUIRE(numbers.usable());
    for (int i = 1; i <= 50; ++i) REQUIRE(numbers.add(i, 5000));
    CHECK(numbers.count() == 50);
  }
  auto plain = Database::open(path).value();
  auto ask = plain->prepare("SELECT count(*) FROM t");
  REQUIRE(ask.step().value());
  CHECK(ask.integer(0) == 50);
}

TEST_CASE("A second connection to a database and a full disk are told by name") {
  auto random = rt::make_random(1);
  auto disk = SimDisk::make(*random);
  REQUIRE(disk->make_dirs("/d").ok());
  DiskVfs vfs(*disk);
  auto first = Database::open("/d/a.db", vfs.name()).value();
  REQUIRE(first->execute(kFull).ok());
  REQUIRE(first->execute("CREATE TABLE t (v BLOB)").ok());
  CHECK_FALSE(Database::open("/d/a.db", vfs.name()).ok());

  SimDisk::Faults faults;
  faults.capacity = 100000;
  disk->set_faults(faults);
  const auto full = first->execute("INSERT INTO t VALUES (randomblob(200000))");
  CHECK(full.error().is(Reason::kServiceUnavailable));
  disk->set_faults({});
  CHECK(first->execute("INSERT INTO t VALUES (randomblob(200000))").ok());
}

TEST_CASE("Temporary tables and large sorts stay in memory") {
  auto random = rt::make_random(1);
  auto disk = SimDisk::make(*random);
  REQUIRE(disk->make_dirs("/d").ok());
  DiskVfs vfs(*disk);
  auto database = Database::open("/d/a.db", vfs.name()).value();
  REQUIRE(database->execute(kFull).ok());
  REQUIRE(database
              ->execute("PRAGMA temp_store=FILE; PRAGMA cache_size=5; CREATE TEMP TABLE s AS WITH RECURSIVE "
                        "c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000) "
                        "SELECT n, randomblob(200) AS v FROM c ORDER BY v")
              .ok());
  auto ask = database->prepare("SELECT count(*) FROM (SELECT v FROM s ORDER BY v DESC)");
  REQUIRE(ask.step().value());
  CHECK(ask.integer(0) == 3000);
  for (const auto& name : std::vector<std::string>(disk->list("/d").value()))
    CHECK(name.substr(0, 4) == "a.db");
}
