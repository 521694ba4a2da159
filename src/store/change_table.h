#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/store/store.h"
#include "sqlite.h"

namespace mk::store {

// The store's file: every change by revision, the current state being the last change of each key. One thread
// uses it. Format (src/store/README.md): table `changes`, table `meta`.
//
// Changes gather in one open transaction; sync() makes them durable. Until then they are visible here only.
class ChangeTable {
 public:
  static Result<std::unique_ptr<ChangeTable>> open(const std::string& path);
  ~ChangeTable();  // syncs, and marks the end as clean

  // Applies all operations or none, without making them durable. kConflict as Store::commit.
  Result<std::vector<Change>> apply(const std::vector<Operation>& operations);
  // Commits what has been applied. On failure all of it is undone, and revision() goes back with it; the
  // caller has acknowledged none of the durable changes in it.
  Result<void> sync();
  bool dirty() const { return open_transaction_; }

  Result<Range> range(const std::string& prefix, const std::string& after, std::size_t limit, Revision at);
  Result<std::vector<Change>> history(Revision since, std::size_t limit);
  Result<void> compact(Revision up_to);

  Revision revision() const { return revision_; }
  Revision compacted() const { return compacted_; }

 private:
  explicit ChangeTable(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  struct Current {
    Revision revision = 0, create_revision = 0;  // 0: absent
    std::string value;
  };

  Result<void> prepare();
  Result<void> load_meta();
  Result<std::int64_t> meta(std::string_view name, std::int64_t fallback);
  Result<void> set_meta(std::string_view name, std::int64_t value);
  Result<void> begin();
  Result<void> reserve_revisions();
  Result<Current> current(const std::string& key);
  Result<Change> apply_one(const Operation& operation);
  Result<std::vector<Change>> apply_within_savepoint(const std::vector<Operation>& operations);

  std::unique_ptr<Database> database_;
  Statement current_, insert_, get_meta_, set_meta_;
  Revision revision_ = 0, synced_revision_ = 0, compacted_ = 0;
  Revision ceiling_ = 0;  // revisions up to here are reserved on disk
  bool open_transaction_ = false;
};

}  // namespace mk::store
