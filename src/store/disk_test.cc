#include <catch2/catch.hpp>

#include <thread>

#include "mk/base/files.h"
#include "mk/base/temp_dir.h"
#include "mk/rt/event.h"
#include "mk/store/sim_disk.h"

using namespace mk;
using namespace mk::store;

namespace {

// What every disk promises, whatever is under it.
void check_promises(Disk& disk, const std::string& root) {
  const std::string dir = root + "/a/b";
  REQUIRE(disk.make_dirs(dir).ok());
  REQUIRE(disk.make_dirs(dir).ok());
  CHECK(disk.open(dir + "/x", Disk::Open::kExisting).error().is(Reason::kNotFound));
  CHECK(disk.open(root + "/none/x", Disk::Open::kCreate).error().is(Reason::kNotFound));
  CHECK(disk.list(root + "/none").error().is(Reason::kNotFound));

  auto file = disk.open(dir + "/x", Disk::Open::kCreate).value();
  REQUIRE(file->write(0, "hello").ok());
  REQUIRE(file->write(8, "there").ok());
  CHECK(file->size().value() == 13);
  CHECK(file->read(0, 100).value() == std::string("hello\0\0\0there", 13));
  CHECK(file->read(13, 5).value().empty());
  REQUIRE(file->truncate(4).ok());
  REQUIRE(file->sync().ok());
  CHECK(disk.open(dir + "/x", Disk::Open::kCreate).value()->read(0, 100).value() == "hell");

  REQUIRE(disk.rename(dir + "/x", dir + "/y").ok());
  REQUIRE(disk.sync_dir(dir).ok());
  CHECK_FALSE(disk.exists(dir + "/x").value());
  CHECK(disk.exists(dir + "/y").value());
  CHECK(disk.rename(dir + "/x", dir + "/z").error().is(Reason::kNotFound));
  REQUIRE(file->write(0, "H").ok());
  REQUIRE(disk.open(dir + "/b", Disk::Open::kCreate).ok());
  CHECK(disk.list(dir).value() == std::vector<std::string>{"b", "y"});
  CHECK(disk.list(root + "/a").value().empty());  // b is no file
  REQUIRE(disk.remove(dir + "/y").ok());
  REQUIRE(disk.remove(dir + "/y").ok());
  CHECK(file->read(0, 100).value() == "Hell");
  CHECK(disk.list(dir).value() == std::vector<std::string>{"b"});
  CHECK(disk.free_bytes(dir).value() > 0);
}

struct Sim {
  explicit Sim(std::uint64_t seed) : random(rt::make_random(seed)), disk(SimDisk::make(*random)) {
    REQUIRE(disk->make_dirs("/d").ok());
  }
  std::unique_ptr<File> open(const std::string& name = "f") {
    return disk->open("/d/" + name, Disk::Open::kCreate).value();
  }
  std::string content(const std::string& name = "f") {
    auto file = disk->open("/d/" + name, Disk::Open::kExisting);
    return file.ok() ? file.value()->read(0, 1 << 20).value() : "(none)";
  }
  std::unique_ptr<rt::Random> random;
  std::unique_ptr<SimDisk> disk;
};

}  // namespace

TEST_CASE("The real disk and the simulated one keep the same promises") {
  const TempDir temp;
  check_promises(*make_real_disk(), temp.path());
  check_promises(*Sim(1).disk, "/d");
}

TEST_CASE("A real disk says which path failed and why") {
  const TempDir temp;
  auto disk = make_real_disk();
  const auto opened = disk->open(temp.path() + "/none", Disk::Open::kExisting);
  CHECK(opened.error().message() == "open " + temp.path() + "/none: No such file or directory");
  auto full = disk->open("/dev/full", Disk::Open::kExisting);
  REQUIRE(full.ok());
  const auto written = full.value()->write(0, "x");
  CHECK(written.error().is(Reason::kServiceUnavailable));
  CHECK(written.error().message() == "write /dev/full: No space left on device; free some space");
}

TEST_CASE("Writes past the page cache and through it make one file") {
  const TempDir temp;
  auto disk = make_real_disk();
  auto file = disk->open(temp.path() + "/f", Disk::Open::kCreate).value();
  REQUIRE(file->write(0, std::string(2000, 'a')).ok());
  if (!file->bypass_cache()) WARN("the file system of /tmp has no direct writes");
  std::string expected(2000, 'a');
  auto random = rt::make_random(3);
  for (int i = 0; i < 60; ++i) {
    const bool sectors = random->below(2) == 0;
    const std::size_t unit = sectors ? 512 : 1;
    const std::size_t offset = random->below(400000 / unit) * unit,
                      size = random->below(600000 / unit) * unit;
    const std::string bytes(size, static_cast<char>('b' + i % 20));
    REQUIRE(file->write(offset, bytes).ok());
    if (size == 0) continue;
    expected.resize(std::max(expected.size(), offset + size));
    expected.replace(offset, size, bytes);
    if (i % 10 == 0) REQUIRE(file->sync().ok());
    REQUIRE(file->read(0, 2 << 20).value() == expected);
  }
}

TEST_CASE("A power cut keeps what was synced and leaves of the rest any sectors") {
  bool old = false, whole = false, torn = false, grown = false;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Sim sim(seed);
    auto file = sim.open();
    REQUIRE(file->write(0, std::string(1024, 'a')).ok());
    REQUIRE(file->sync().ok());
    REQUIRE(sim.disk->sync_dir("/d").ok());
    REQUIRE(file->write(0, std::string(1024, 'b')).ok());
    REQUIRE(file->write(1024, "more").ok());
    sim.disk->cut_power();
    CHECK_FALSE(file->read(0, 1).ok());
    CHECK_FALSE(file->write(0, "z").ok());
    const std::string left = sim.content();
    REQUIRE((left.size() == 1024 || left.size() == 1028));
    const std::string first = left.substr(0, 512), second = left.substr(512, 512);
    for (const auto& sector : {first, second})
      REQUIRE((sector == std::string(512, 'a') || sector == std::string(512, 'b')));
    old = old || (first[0] == 'a' && second[0] == 'a');
    whole = whole || (first[0] == 'b' && second[0] == 'b');
    torn = torn || first[0] != second[0];
    grown = grown || left.size() == 1028;
  }
  CHECK((old && whole && torn && grown));
}

TEST_CASE("Names are lost by a power cut unless their directory was synced") {
  bool lost = false, kept = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Sim sim(seed);
    REQUIRE(sim.open("old")->sync().ok());
    REQUIRE(sim.disk->sync_dir("/d").ok());
    REQUIRE(sim.open("new")->sync().ok());
    REQUIRE(sim.disk->rename("/d/old", "/d/moved").ok());
    sim.disk->cut_power();
    const auto names = sim.disk->list("/d").value();
    // A rename leaves one of the two names, never none or both.
    CHECK(sim.disk->exists("/d/old").value() != sim.disk->exists("/d/moved").value());
    (sim.disk->exists("/d/new").value() ? kept : lost) = true;
  }
  CHECK((lost && kept));
}

TEST_CASE("A kill keeps what was written and ends files and views of that life") {
  Sim sim(1);
  auto view = sim.disk->mount();
  auto file = view->open("/d/f", Disk::Open::kCreate).value();
  REQUIRE(file->write(0, "written").ok());
  sim.disk->kill();
  CHECK_FALSE(file->sync().ok());
  CHECK_FALSE(view->remove("/d/f").ok());
  CHECK(sim.content() == "written");
}

TEST_CASE("A sync that lies or failed makes nothing durable, also not later") {
  int lost_by_lie = 0, lost_by_failure = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    for (const bool lies : {true, false}) {
      Sim sim(seed);
      auto file = sim.open();
      REQUIRE(file->write(0, "a").ok());
      REQUIRE(file->sync().ok());
      REQUIRE(sim.disk->sync_dir("/d").ok());
      REQUIRE(file->write(0, "b").ok());
      SimDisk::Faults faults;
      faults.sync_error = lies ? 0 : 1;
      sim.disk->set_lying_sync(lies);
      sim.disk->set_faults(faults);
      CHECK(file->sync().ok() == lies);
      sim.disk->set_faults({});
      if (!lies) CHECK(file->sync().ok());
      CHECK(sim.content() == "b");
      sim.disk->cut_power();
      if (sim.content() == "a") ++(lies ? lost_by_lie : lost_by_failure);
    }
  }
  CHECK(lost_by_lie > 0);
  CHECK(lost_by_failure > 0);
}

TEST_CASE("A full simulated disk refuses what grows and takes what overwrites") {
  Sim sim(1);
  auto file = sim.open();
  REQUIRE(file->write(0, std::string(600, 'x')).ok());
  SimDisk::Faults faults;
  faults.capacity = 1000;
  sim.disk->set_faults(faults);
  CHECK(sim.disk->free_bytes("/d").value() == 400);
  CHECK(file->write(600, std::string(401, 'y')).error().is(Reason::kServiceUnavailable));
  CHECK(file->write(0, std::string(600, 'z')).ok());
}

TEST_CASE("A simulated crash falls into the call that was asked for") {
  bool half = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Sim sim(seed);
    auto file = sim.open();
    SimDisk::Faults faults;
    faults.calls_left = 2;
    sim.disk->set_faults(faults);
    CHECK(file->write(0, std::string(700, 'a')).ok());
    CHECK_FALSE(file->write(700, std::string(2000, 'b')).ok());
    CHECK_FALSE(file->sync().ok());
    CHECK_FALSE(sim.disk->remove("/d/f").ok());
    sim.disk->kill();
    const std::string left = sim.content();
    CHECK((std::string(700, 'a') + std::string(2000, 'b')).substr(0, left.size()) == left);
    REQUIRE((left.size() == 700 || (left.size() > 700 && left.size() % 512 == 0)));
    half = half || left.size() > 700;
    CHECK(sim.disk->remove("/d/f").ok());
  }
  CHECK(half);
}

TEST_CASE("Equal seeds give equal power cuts") {
  const auto run = [](std::uint64_t seed) {
    Sim sim(seed);
    auto file = sim.open();
    REQUIRE(sim.disk->sync_dir("/d").ok());
    for (int i = 0; i < 20; ++i)
      REQUIRE(file->write(sim.random->below(5000), std::string(700, static_cast<char>('a' + i))).ok());
    sim.disk->cut_power();
    return sim.content();
  };
  CHECK(run(7) == run(7));
  CHECK(run(7) != run(8));
}

TEST_CASE("A flipped bit is one bit") {
  Sim sim(1);
  REQUIRE(sim.open()->write(0, "abc").ok());
  sim.disk->flip_bit("/d/f", 8);
  CHECK(sim.content() == "acc");
}

TEST_CASE("A thread does jobs in order away from the loop and reports there") {
  rt::Loop loop;
  auto worker = make_thread_worker(loop, "mk-test");
  std::string order;
  std::thread::id job_thread;
  rt::Event finished;
  bool done = false;
  for (int i = 0; i < 3; ++i) {
    worker->submit([&, i] { order += static_cast<char>('a' + i), job_thread = std::this_thread::get_id(); },
                   [&, i] {
                     order += static_cast<char>('0' + i);
                     CHECK(std::this_thread::get_id() != job_thread);
                     if (i == 2) done = true, finished.notify_all();
                   });
  }
  auto wait = [&]() -> rt::Task<> {
    while (!done) co_await finished.wait();
  };
  rt::run_until_done(loop, wait());
  std::string jobs, reports;
  for (const char c : order) (c >= 'a' ? jobs : reports) += c;
  CHECK(jobs == "abc");
  CHECK(reports == "012");
}

TEST_CASE("A worker that goes has done its jobs and reports no more") {
  rt::Loop loop;
  rt::ManualClock clock;
  auto random = rt::make_random(1);
  for (const bool simulated : {false, true}) {
    auto worker = simulated ? make_sim_worker(loop, clock, *random, std::chrono::milliseconds(1),
                                              std::chrono::milliseconds(9))
                            : make_thread_worker(loop, "mk-test");
    int jobs = 0, reports = 0;
    for (int i = 0; i < 3; ++i) worker->submit([&] { ++jobs; }, [&] { ++reports; });
    worker.reset();
    clock.advance(std::chrono::seconds(1));
    loop.poll();
    CHECK(jobs == 3);
    CHECK(reports == 0);
  }
}

TEST_CASE("A simulated worker takes simulated time, and a crash can fall between job and report") {
  rt::Loop loop;
  rt::ManualClock clock;
  auto random = rt::make_random(1);
  auto worker =
      make_sim_worker(loop, clock, *random, std::chrono::milliseconds(4), std::chrono::milliseconds(8));
  std::string order;
  worker->submit([&] { order += 'a'; }, [&] { order += 'A'; });
  worker->submit([&] { order += 'b'; }, nullptr);
  bool between = false;
  while (loop.poll() > 0) continue;
  CHECK(order.empty());
  for (int i = 0; i < 200; ++i) {
    clock.advance(std::chrono::microseconds(100));
    while (loop.poll() > 0) continue;
    between = between || order == "a";
  }
  CHECK(between);
  CHECK(order == "aAb");
}
