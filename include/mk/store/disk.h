#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mk/base/result.h"
#include "mk/rt/loop.h"

// The disk under the store, as a door: the real one in production, one that tears, loses, fills, slows, fails
// and flips bits in tests (mk/store/sim_disk.h). Blocking: used by the threads that own files, never by the
// brain.
//
// Errors: kServiceUnavailable when there is no space left, kNotFound, kForbidden, else kInternalError; the
// message names the path and what the system said.
namespace mk::store {

class File {
 public:
  virtual ~File() = default;
  // Up to `size` bytes at `offset`; fewer only at the end of the file.
  virtual Result<std::string> read(std::uint64_t offset, std::size_t size) = 0;
  // All of it or an error, after which the range's content is unknown. Visible at once, durable after sync().
  virtual Result<void> write(std::uint64_t offset, std::string_view bytes) = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> size() = 0;
  // Makes what was written and the size durable (fdatasync). After a failure nothing since the last success
  // is known to be durable, and a later success does not make it so: the caller stops using the file.
  virtual Result<void> sync() = 0;
  // From now on writes of whole 512-byte sectors go past the page cache, which would write whole pages: a
  // small write then costs its own size. False: the system cannot, and nothing changes.
  virtual bool bypass_cache() { return false; }
};

class Disk {
 public:
  enum class Open { kExisting, kCreate };  // kCreate: an existing file is opened as it is

  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, Open mode) = 0;
  virtual Result<void> make_dirs(const std::string& path) = 0;  // mkdir -p, mode 0700; durable at once
  virtual Result<std::vector<std::string>> list(const std::string& dir) = 0;  // of files, without dir; sorted
  virtual Result<bool> exists(const std::string& path) = 0;
  // Names are durable after sync_dir() of their directory.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;  // of a file; none is not an error
  virtual Result<void> sync_dir(const std::string& dir) = 0;
  virtual Result<std::uint64_t> free_bytes(const std::string& dir) = 0;
  // The system's own calls reach the same files: SQLite may use them.
  virtual bool is_system() const { return false; }
};

std::unique_ptr<Disk> make_real_disk();

// Does jobs one after another away from the brain and reports there; a thread of its own in production, the
// loop itself after a simulated delay in simulation.
class Worker {
 public:
  // On the brain, after the jobs submitted so far have run. No `done` is called from here on, also none of a
  // job that has run.
  virtual ~Worker() = default;
  // `job` runs on the worker, then `done` on the brain's loop, in the order of submission.
  virtual void submit(std::function<void()> job, std::function<void()> done) = 0;
};

// A thread of its own, called `name` (15 characters show) in the system's lists.
std::unique_ptr<Worker> make_thread_worker(rt::Loop& loop, const char* name);

}  // namespace mk::store
