#pragma once

#include <cstdint>
#include <memory>

#include "mk/rt/clock.h"
#include "mk/rt/random.h"
#include "mk/store/disk.h"

namespace mk::store {

// A disk in memory that treats unsynced bytes as a power cut may: for tests and simulation. Every choice
// comes from `random`, so that a seed repeats it. One thread.
class SimDisk : public Disk {
 public:
  struct Faults {
    std::uint64_t capacity = UINT64_MAX;  // bytes; writes beyond fail with kServiceUnavailable
    // Probability that a call fails. A failed write leaves its first sectors; a failed sync makes a part
    // durable, and the rest never, whatever a later one answers.
    double write_error = 0, sync_error = 0;
    // Of so many more calls that change something the last one fails half done, and all after it fail, until
    // cut_power() or kill(). Counting this up puts a crash at every point.
    std::uint64_t calls_left = UINT64_MAX;
  };

  static std::unique_ptr<SimDisk> make(rt::Random& random);

  // The disk as one life of a process sees it: all calls fail after the next kill() or cut_power(), so that
  // jobs a dead process left behind change nothing under its successor. The SimDisk itself, used as a Disk,
  // goes on; only the files opened from it die. Views and files end before the disk.
  virtual std::unique_ptr<Disk> mount() = 0;

  virtual void set_faults(Faults faults) = 0;
  // The power goes: each 512-byte sector has what was synced or what one of the later writes left there, by
  // chance, unsynced names, sizes and removals likewise; handles opened before answer errors from now on.
  // Also ends `calls_left`.
  virtual void cut_power() = 0;
  // As kill -9 of the process: everything written stays (not yet durable), handles are gone.
  virtual void kill() = 0;
  virtual void flip_bit(const std::string& path, std::uint64_t bit) = 0;
  // When true, sync() answers success and makes nothing durable: a planted fault that checkers must catch.
  virtual void set_lying_sync(bool lying) = 0;

  virtual std::uint64_t bytes_written() const = 0;
  virtual std::uint64_t sync_count() const = 0;
};

// Jobs on the brain itself, one after another: each runs after a random part of `shortest..longest` of the
// clock, its `done` after the rest of it, so that a crash can fall between the two.
std::unique_ptr<Worker> make_sim_worker(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                        rt::Duration shortest, rt::Duration longest);

}  // namespace mk::store
