#pragma once

#include <memory>
#include <string>

#include "mk/store/disk.h"

namespace mk::store {

// SQLite on a Disk: a VFS of this name for Database::open. For databases in locking_mode=EXCLUSIVE, set
// before the first access, so that WAL mode needs no shared memory; one connection to a file at a time, a
// second one gets SQLITE_BUSY. Journals are on the disk too, temporary files in memory. Any thread, as far as
// the Disk allows it.
class DiskVfs {
 public:
  explicit DiskVfs(Disk& disk);
  ~DiskVfs();  // every database opened through it is closed by then
  DiskVfs(const DiskVfs&) = delete;
  DiskVfs& operator=(const DiskVfs&) = delete;

  const std::string& name() const;

  struct State;  // for the functions SQLite calls

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mk::store
