#include "state_copy.h"

#include <sqlite3.h>

#include <utility>

namespace mk::store {

Result<std::unique_ptr<StateCopy>> StateCopy::begin(Database& source, const std::string& path,
                                                    const std::string& vfs) {
  MK_ASSIGN(auto target, Database::open(path, vfs));
  // Nobody reads it before it is whole: no journal; its end is synced.
  MK_TRY(target->execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=FULL; PRAGMA cache_size=-256;"));
  sqlite3_backup* backup = sqlite3_backup_init(target->handle(), "main", source.handle(), "main");
  if (backup == nullptr) return target->last_error("copy to " + path);
  return std::unique_ptr<StateCopy>(new StateCopy(std::move(target), backup));
}

StateCopy::~StateCopy() {
  if (backup_ != nullptr) sqlite3_backup_finish(backup_);
}

Result<bool> StateCopy::step(int pages) {
  const int code = sqlite3_backup_step(backup_, pages);
  if (code == SQLITE_OK) return false;
  // finish() reports the error of the steps, where the target's handle finds it.
  const int finished = sqlite3_backup_finish(std::exchange(backup_, nullptr));
  if (code == SQLITE_DONE && finished == SQLITE_OK) return true;
  return target_->last_error("copy of the store");
}

}  // namespace mk::store
