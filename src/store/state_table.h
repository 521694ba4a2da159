#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mk/store/state_machine.h"
#include "sqlite.h"

namespace mk::store {

// Of one live key; the sum over all of them, modulo 2^64, is Applied::hash.
std::uint64_t content_hash(std::string_view key, Revision create_revision, Revision revision,
                           std::string_view value);

// The state's file: every change by revision, the current state being the last change of each key. One thread
// uses it; it locks the file against everybody else. Format 2 (src/store/README.md).
class StateTable {
 public:
  // `vfs`: as Database::open. kConflict: in use by another
  // process.
  static Result<std::unique_ptr<StateTable>> open(const std::string& path, const std::string& vfs = "");

  // What a transaction did is visible here at once, survives kill -9 after commit(), and a power cut after
  // checkpoint(). After an error the transaction is gone, and applied() tells what stands.
  Result<void> begin();
  Result<void> apply(const Transition& transition);  // nothing, if its index has been applied before
  Result<void> commit();
  void roll_back();

  // Compaction takes effect when its transition is applied; the rows go by and by, a bounded number in each
  // call, which is a transaction of its own.
  bool compacting() const { return compact_done_ < applied_.compacted; }
  Result<void> compact_some();

  Result<Range> range(const std::string& prefix, const std::string& after, std::size_t limit, Revision at);
  Result<std::vector<Change>> history(Revision since, std::size_t limit);
  Result<void> each_key(const KeyVisit& visit);
  const Applied& applied() const { return applied_; }
  // Anew, from what is in the file.
  Result<std::uint64_t> compute_hash();
  Result<void> check_integrity();

  // The index up to which everything is in the file itself, synced.
  Result<std::uint64_t> checkpoint();
  // When the write-ahead log has grown: bounds its size and the time that one checkpoint takes.
  Result<void> checkpoint_if_long();

  Database& database() { return *database_; }

 private:
  explicit StateTable(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  Result<void> check_format();
  Result<void> create();
  Result<void> migrate_from_1();
  Result<void> move_rows_from_1();
  void prepare();
  Result<void> load_meta();
  Result<std::int64_t> meta(std::string_view name, std::int64_t fallback);
  Result<void> set_meta(std::string_view name, std::int64_t value);
  Result<void> store_meta();
  Result<void> apply_change(const Change& change);
  Result<void> insert(const Change& change, std::uint64_t hash);
  Result<void> drop_superseded(Revision from, Revision& done);

  std::unique_ptr<Database> database_;
  Statement current_, insert_, get_meta_, set_meta_, value_;
  Applied applied_, stored_;  // stored_: as of the last commit
  Revision compact_done_ = 0;
  bool open_transaction_ = false;
};

}  // namespace mk::store
