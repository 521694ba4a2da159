#pragma once

#include <cstdint>
#include <memory>

#include "mk/rt/random.h"
#include "mk/store/disk.h"

namespace mk::store {

// A disk in memory that treats unsynced bytes as a power cut may: for tests and simulation. Every choice
// comes from `random`, so that a seed repeats it. One thread.
class SimDisk : public Disk {
 public:
  struct Faults {
    std::uint64_t capacity = UINT64_MAX;     // bytes; writes beyond fail with kServiceUnavailable
    double write_error = 0, sync_error = 0;  // probability a call fails
  };

  static std::unique_ptr<SimDisk> make(rt::Random& random);

  virtual void set_faults(Faults faults) = 0;
  // The power goes: each unsynced 512-byte sector of a write is kept or lost by chance, unsynced names, sizes
  // and removals likewise; handles opened before answer errors from now on.
  virtual void cut_power() = 0;
  // As kill -9 of the process: everything written stays, handles are gone.
  virtual void kill() = 0;
  virtual void flip_bit(const std::string& path, std::uint64_t bit) = 0;
  // When true, sync() answers success and makes nothing durable: a planted fault that checkers must catch.
  virtual void set_lying_sync(bool lying) = 0;

  virtual std::uint64_t bytes_written() const = 0;
  virtual std::uint64_t sync_count() const = 0;
};

}  // namespace mk::store
