#include "mk/store/counting_disk.h"

#include <catch2/catch.hpp>

#include <set>

#include "mk/store/sim_disk.h"

using namespace mk;
using namespace mk::store;

namespace {

struct Counted {
  Counted() : random(rt::make_random(1)), disk(SimDisk::make(*random)) {
    for (const auto* dir : {"/db/log", "/db/snapshots"}) REQUIRE(disk.make_dirs(dir).ok());
  }
  std::unique_ptr<File> open(const std::string& path) { return disk.open(path, Disk::Open::kCreate).value(); }
  std::uint64_t bytes(StorageClass storage_class) const { return disk.count(storage_class).written_bytes; }

  std::unique_ptr<rt::Random> random;
  CountingDisk disk;
};

}  // namespace

TEST_CASE("A file's class is where it is in the data directory") {
  CHECK(storage_class_of("/var/lib/mk/db/log/0000000000000001.log") == StorageClass::kLog);
  CHECK(storage_class_of("/var/lib/mk/db/state.db-wal") == StorageClass::kState);
  CHECK(storage_class_of("/var/lib/mk/db/snapshots/7") == StorageClass::kSnapshot);
  CHECK(storage_class_of("/var/log/mk/state.db") == StorageClass::kState);
}

TEST_CASE("A page counts once between two syncs of its file, for the class of the file") {
  Counted counted;
  auto log = counted.open("/db/log/a"), state = counted.open("/db/state.db");
  REQUIRE(log->write(10, "x").ok());
  CHECK(counted.bytes(StorageClass::kLog) == 4096);
  REQUIRE(log->write(4000, std::string(200, 'x')).ok());
  CHECK(counted.bytes(StorageClass::kLog) == 2 * 4096);
  REQUIRE(log->write(0, std::string(8192, 'x')).ok());
  CHECK(counted.bytes(StorageClass::kLog) == 2 * 4096);
  REQUIRE(log->sync().ok());
  REQUIRE(log->write(5000, "x").ok());
  CHECK(counted.bytes(StorageClass::kLog) == 3 * 4096);
  CHECK(counted.bytes(StorageClass::kState) == 0);
  REQUIRE(state->write(4096 * 7, "x").ok());
  CHECK(counted.bytes(StorageClass::kState) == 4096);
  REQUIRE(counted.disk.sync_dir("/db/log").ok());
  CHECK(counted.disk.count(StorageClass::kLog).syncs == 2);
  CHECK(counted.disk.count(StorageClass::kState).syncs == 0);
}

TEST_CASE("Pages in any order are counted as a set of them would be") {
  Counted counted;
  auto random = rt::make_random(7);
  auto file = counted.open("/db/snapshots/s");
  std::set<std::uint64_t> pages;
  std::uint64_t expected = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t offset = random->below(300 * 4096), size = 1 + random->below(3 * 4096);
    REQUIRE(file->write(offset, std::string(size, 'x')).ok());
    for (std::uint64_t page = offset / 4096; page <= (offset + size - 1) / 4096; ++page)
      expected += pages.insert(page).second ? 4096 : 0;
    REQUIRE(counted.bytes(StorageClass::kSnapshot) == expected);
    if (random->below(100) != 0) continue;
    REQUIRE(file->sync().ok());
    pages.clear();
  }
}
