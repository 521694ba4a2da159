#pragma once

#include <memory>
#include <string>

#include "sqlite.h"

struct sqlite3_backup;

namespace mk::store {

// A copy of a database that goes on being written, in steps. What is written to the source between two steps
// (through the same connection) reaches the copy too, so that the copy is the source as of the last step.
class StateCopy {
 public:
  static Result<std::unique_ptr<StateCopy>> begin(Database& source, const std::string& path,
                                                  const std::string& vfs);
  ~StateCopy();  // before the source is closed

  Result<bool> step(int pages);  // true: it is whole, and synced

 private:
  StateCopy(std::unique_ptr<Database> target, sqlite3_backup* backup)
      : target_(std::move(target)), backup_(backup) {}

  std::unique_ptr<Database> target_;
  sqlite3_backup* backup_;
};

}  // namespace mk::store
