#include "state_table.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>

#include "mk/base/hash.h"
#include "mk/base/log.h"

namespace mk::store {
namespace {

constexpr Log kLog("store");

constexpr std::int64_t kFormat = 2;
// Frames of the write-ahead log after which a checkpoint is due: 4 MiB of pages.
constexpr int kLongWal = 1000;
// Changes whose past one step of a compaction removes.
constexpr int kCompactStep = 256;

// The index holds all that applying a change has to know of the one before it: no row is read.
constexpr char kTables[] = R"sql(
  CREATE TABLE changes (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    hash INTEGER,  -- NULL: removed
    value BLOB
  );
  CREATE INDEX changes_by_key ON changes (key, revision, create_revision, hash);
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
)sql";

// The first text that is greater than every key with this prefix. Keys are UTF-8, in which 0xff never occurs.
std::string prefix_end(std::string prefix) {
  prefix.push_back('\xff');
  return prefix;
}

std::int64_t as_signed(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}
std::uint64_t as_unsigned(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

}  // namespace

std::uint64_t content_hash(std::string_view key, Revision create_revision, Revision revision,
                           std::string_view value) {
  return hash64(value, hash64(key, as_unsigned(create_revision) ^ hash64({}, as_unsigned(revision))));
}

Result<std::unique_ptr<StateTable>> StateTable::open(const std::string& path, const std::string& vfs) {
  MK_ASSIGN(auto database, Database::open(path, vfs));
  // EXCLUSIVE before the first access: the index of the write-ahead log lives in this process' memory, not in
  // a shared file. NORMAL: only checkpoints sync; what a power cut takes is still in the Raft log.
  MK_TRY(database->execute(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
      "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-1024; PRAGMA journal_size_limit=4194304;"));
  database->checkpoint_by_hand();
  std::unique_ptr<StateTable> table(new StateTable(std::move(database)));
  MK_TRY(table->check_format());
  table->prepare();
  MK_TRY(table->load_meta());
  MK_TRY(table->checkpoint());
  return table;
}

Result<void> StateTable::check_format() {
  Statement tables = database_->prepare("SELECT count(*) FROM sqlite_master WHERE name = 'meta'");
  MK_TRY(tables.step());
  const bool fresh = tables.integer(0) == 0;
  tables.reset();
  if (fresh) return create();
  get_meta_ = database_->prepare("SELECT value FROM meta WHERE name = ?1");
  MK_ASSIGN(const std::int64_t format, meta("format", 1));
  if (format == kFormat) return ok();
  if (format == 1) return migrate_from_1();
  return Error(Reason::kInvalid, "the store was written by a newer mk (format " + std::to_string(format) +
                                     ", this one reads " + std::to_string(kFormat) +
                                     "); use that version again, or restore a snapshot of this one");
}

Result<void> StateTable::create() {
  return database_->execute(std::string("BEGIN IMMEDIATE;") + kTables +
                            "INSERT INTO meta (name, value) VALUES ('format', " + std::to_string(kFormat) +
                            "); COMMIT");
}

// Format 1 was written without a log: it stands for everything up to index 1 of a new one, so that a server
// that joins gets it as a snapshot.
Result<void> StateTable::migrate_from_1() {
  kLog.info("taking over a store of format 1");
  MK_ASSIGN(const std::int64_t clean, meta("clean", 1));
  MK_ASSIGN(const Revision last, meta("revision", 0));
  MK_ASSIGN(const Revision reserved, meta("ceiling", 0));
  MK_ASSIGN(applied_.compacted, meta("compacted", 0));
  const auto moved = [&]() -> Result<void> {
    MK_TRY(begin());
    MK_TRY(database_->execute("ALTER TABLE changes RENAME TO changes_1; DROP INDEX changes_by_key"));
    MK_TRY(database_->execute(kTables));
    prepare();
    MK_TRY(move_rows_from_1());
    MK_TRY(database_->execute("DROP TABLE changes_1; DELETE FROM meta WHERE name = 'clean'"));
    applied_.revision = std::max(applied_.revision, applied_.compacted);
    applied_.ceiling = std::max(applied_.revision, clean != 0 ? last : reserved);
    applied_.index = applied_.term = 1;
    MK_TRY(set_meta("format", kFormat));
    MK_TRY(set_meta("compact_done", applied_.compacted));
    return commit();
  }();
  if (!moved.ok()) roll_back();
  return moved;
}

Result<void> StateTable::move_rows_from_1() {
  Statement rows =
      database_->prepare("SELECT revision, key, create_revision, value FROM changes_1 ORDER BY revision");
  for (;;) {
    MK_ASSIGN(const bool more, rows.step());
    if (!more) return ok();
    Change change;
    change.revision = rows.integer(0);
    change.key = rows.text(1);
    change.create_revision = rows.integer(2);
    change.removed = rows.is_null(3);
    if (!change.removed) change.value = SharedBytes(rows.blob(3));
    MK_TRY(apply_change(change));
  }
}

void StateTable::prepare() {
  current_ = database_->prepare(
      "SELECT hash FROM changes INDEXED BY changes_by_key WHERE key = ?1 ORDER BY revision DESC LIMIT 1");
  insert_ = database_->prepare(
      "INSERT INTO changes (revision, key, create_revision, hash, value) VALUES (?1, ?2, ?3, ?4, ?5)");
  value_ = database_->prepare("SELECT value FROM changes WHERE revision = ?1");
  get_meta_ = database_->prepare("SELECT value FROM meta WHERE name = ?1");
  set_meta_ = database_->prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)");
}

Result<void> StateTable::load_meta() {
  MK_ASSIGN(const std::int64_t index, meta("index", 0));
  MK_ASSIGN(const std::int64_t term, meta("term", 0));
  MK_ASSIGN(applied_.revision, meta("revision", 0));
  MK_ASSIGN(applied_.compacted, meta("compacted", 0));
  MK_ASSIGN(applied_.ceiling, meta("ceiling", 0));
  MK_ASSIGN(const std::int64_t hash, meta("hash", 0));
  MK_ASSIGN(const std::int64_t membership_index, meta("membership_index", 0));
  MK_ASSIGN(compact_done_, meta("compact_done", 0));
  applied_.index = as_unsigned(index);
  applied_.term = as_unsigned(term);
  applied_.hash = as_unsigned(hash);
  applied_.membership_index = as_unsigned(membership_index);
  get_meta_.bind_text(1, "membership");
  MK_ASSIGN(const bool found, get_meta_.step());
  if (found) applied_.membership = SharedBytes(get_meta_.blob(0));
  get_meta_.reset();
  stored_ = applied_;
  return ok();
}

Result<std::int64_t> StateTable::meta(std::string_view name, std::int64_t fallback) {
  get_meta_.bind_text(1, name);
  MK_ASSIGN(const bool found, get_meta_.step());
  const std::int64_t value = found ? get_meta_.integer(0) : fallback;
  get_meta_.reset();
  return value;
}

Result<void> StateTable::set_meta(std::string_view name, std::int64_t value) {
  return set_meta_.bind_text(1, name).bind(2, value).run();
}

Result<void> StateTable::store_meta() {
  if (applied_.index != stored_.index) MK_TRY(set_meta("index", as_signed(applied_.index)));
  if (applied_.term != stored_.term) MK_TRY(set_meta("term", as_signed(applied_.term)));
  if (applied_.revision != stored_.revision) MK_TRY(set_meta("revision", applied_.revision));
  if (applied_.compacted != stored_.compacted) MK_TRY(set_meta("compacted", applied_.compacted));
  if (applied_.ceiling != stored_.ceiling) MK_TRY(set_meta("ceiling", applied_.ceiling));
  if (applied_.hash != stored_.hash) MK_TRY(set_meta("hash", as_signed(applied_.hash)));
  if (applied_.membership_index == stored_.membership_index) return ok();
  MK_TRY(set_meta("membership_index", as_signed(applied_.membership_index)));
  return set_meta_.bind_text(1, "membership").bind_blob(2, applied_.membership.view()).run();
}

Result<void> StateTable::begin() {
  MK_TRY(database_->execute("BEGIN IMMEDIATE"));
  open_transaction_ = true;
  return ok();
}

Result<void> StateTable::commit() {
  auto committed = [&]() -> Result<void> {
    MK_TRY(store_meta());
    return database_->execute("COMMIT");
  }();
  if (!committed.ok()) {
    roll_back();
    return committed;
  }
  open_transaction_ = false;
  stored_ = applied_;
  return ok();
}

void StateTable::roll_back() {
  if (!open_transaction_) return;
  open_transaction_ = false;
  (void)database_->execute("ROLLBACK");
  applied_ = stored_;
}

Result<void> StateTable::apply(const Transition& transition) {
  if (transition.index <= applied_.index) return ok();
  for (const auto& change : transition.changes) MK_TRY(apply_change(change));
  if (transition.ceiling != 0) applied_.ceiling = transition.ceiling;
  if (transition.compact_to > applied_.compacted)
    applied_.compacted = std::min(transition.compact_to, applied_.revision);
  if (!transition.membership.empty()) {
    applied_.membership = transition.membership;
    applied_.membership_index = transition.index;
  }
  applied_.index = transition.index;
  applied_.term = transition.term;
  return ok();
}

Result<void> StateTable::apply_change(const Change& change) {
  current_.bind_text(1, change.key);
  MK_ASSIGN(const bool found, current_.step());
  if (found) applied_.hash -= as_unsigned(current_.integer(0));  // NULL reads as 0
  current_.reset();
  std::uint64_t hash = 0;
  if (!change.removed)
    hash = content_hash(change.key, change.create_revision, change.revision, change.value.view());
  applied_.hash += hash;
  applied_.revision = std::max(applied_.revision, change.revision);
  return insert(change, hash);
}

Result<void> StateTable::insert(const Change& change, std::uint64_t hash) {
  insert_.bind(1, change.revision).bind_text(2, change.key).bind(3, change.create_revision);
  if (change.removed) {
    insert_.bind_null(4).bind_null(5);
  } else {
    insert_.bind(4, as_signed(hash)).bind_blob(5, change.value.view());
  }
  return insert_.run();
}

// What a change up to compacted() has superseded goes; it goes itself if it is a removal. Everything that
// earlier changes superseded is gone already.
Result<void> StateTable::compact_some() {
  if (!compacting()) return ok();
  Revision done = compact_done_;
  const auto removed = [&]() -> Result<void> {
    MK_TRY(begin());
    MK_TRY(drop_superseded(compact_done_, done));
    MK_TRY(set_meta("compact_done", done));
    return commit();
  }();
  if (!removed.ok()) {
    roll_back();
    return removed;
  }
  compact_done_ = done;
  return checkpoint_if_long();
}

Result<void> StateTable::drop_superseded(Revision from, Revision& done) {
  struct Row {
    Revision revision;
    std::string key;
    bool removed;
  };
  std::vector<Row> rows;
  Statement next = database_->prepare(
      "SELECT revision, key, hash FROM changes WHERE revision > ?1 AND revision <= ?2 ORDER BY revision"
      " LIMIT ?3");
  next.bind(1, from).bind(2, applied_.compacted).bind(3, kCompactStep);
  for (;;) {
    MK_ASSIGN(const bool more, next.step());
    if (!more) break;
    rows.push_back(Row{next.integer(0), next.text(1), next.is_null(2)});
  }
  done = rows.size() < kCompactStep ? applied_.compacted : rows.back().revision;
  Statement drop = database_->prepare("DELETE FROM changes WHERE key = ?1 AND revision < ?2");
  for (const auto& row : rows)
    MK_TRY(drop.bind_text(1, row.key).bind(2, row.revision + (row.removed ? 1 : 0)).run());
  return ok();
}

Result<Range> StateTable::range(const std::string& prefix, const std::string& after, std::size_t limit,
                                Revision at) {
  if (at != 0 && at < applied_.compacted)
    return Error(Reason::kExpired, "revision " + std::to_string(at) + " has been compacted");
  // For each key its last change up to `at`; SQLite takes the bare columns from the row of the max(), and all
  // of it from the index.
  Statement select = database_->prepare(
      "SELECT key, max(revision), create_revision, hash FROM changes INDEXED BY changes_by_key"
      " WHERE key >= ?1 AND key < ?2 AND key > ?3 AND revision <= ?4 GROUP BY key ORDER BY key");
  const std::string end = prefix_end(prefix);
  select.bind_text(1, prefix).bind_text(2, end).bind_text(3, after).bind(4, at == 0 ? applied_.revision : at);
  Range out;
  for (;;) {
    MK_ASSIGN(const bool more, select.step());
    if (!more) return out;
    if (select.is_null(3)) continue;
    if (limit != 0 && out.entries.size() == limit) {
      out.more = true;
      return out;
    }
    Entry entry;
    entry.key = select.text(0);
    entry.revision = select.integer(1);
    entry.create_revision = select.integer(2);
    value_.bind(1, entry.revision);
    MK_TRY(value_.step());
    entry.value = SharedBytes(value_.blob(0));
    value_.reset();
    out.entries.push_back(std::move(entry));
  }
}

Result<std::vector<Change>> StateTable::history(Revision since, std::size_t limit) {
  if (since < applied_.compacted)
    return Error(Reason::kExpired, "revision " + std::to_string(since) + " has been compacted");
  // A removal shows what was there: the change before it, which compaction keeps as long as the removal.
  Statement select = database_->prepare(
      "SELECT revision, key, create_revision, hash IS NULL, coalesce(value, (SELECT value FROM changes AS "
      "before"
      " WHERE before.key = now.key AND before.revision < now.revision ORDER BY before.revision DESC LIMIT 1))"
      " FROM changes AS now WHERE revision > ?1 ORDER BY revision LIMIT ?2");
  select.bind(1, since).bind(2, static_cast<std::int64_t>(limit));
  std::vector<Change> out;
  for (;;) {
    MK_ASSIGN(const bool more, select.step());
    if (!more) return out;
    Change change;
    change.revision = select.integer(0);
    change.key = select.text(1);
    change.create_revision = select.integer(2);
    change.removed = select.integer(3) != 0;
    change.value = SharedBytes(select.blob(4));
    out.push_back(std::move(change));
  }
}

Result<void> StateTable::each_key(const KeyVisit& visit) {
  Statement select = database_->prepare(
      "SELECT key, max(revision), create_revision, hash FROM changes INDEXED BY changes_by_key GROUP BY key");
  for (;;) {
    MK_ASSIGN(const bool more, select.step());
    if (!more) return ok();
    if (!select.is_null(3)) visit(select.text(0), select.integer(2), select.integer(1));
  }
}

Result<std::uint64_t> StateTable::compute_hash() {
  std::uint64_t sum = 0;
  Statement value = database_->prepare("SELECT value FROM changes WHERE revision = ?1");
  Result<void> failed;
  const auto add = [&](std::string_view key, Revision create_revision, Revision revision) {
    value.bind(1, revision);
    if (auto found = value.step(); !found.ok()) {
      if (failed.ok()) failed = std::move(found).error();
      return;
    }
    sum += content_hash(key, create_revision, revision, value.blob(0));
    value.reset();
  };
  MK_TRY(each_key(add));
  MK_TRY(std::move(failed));
  return sum;
}

Result<void> StateTable::check_integrity() {
  Statement check = database_->prepare("PRAGMA integrity_check(1)");
  MK_TRY(check.step());
  const std::string found = check.text(0);
  if (found != "ok") return Error(Reason::kInvalid, "the file is damaged: " + found);
  MK_ASSIGN(const std::uint64_t hash, compute_hash());
  if (hash != applied_.hash)
    return Error(Reason::kInvalid, "the content is not what was written: its hash differs");
  return ok();
}

Result<std::uint64_t> StateTable::checkpoint() {
  MK_ASSERT(!open_transaction_);
  MK_TRY(database_->checkpoint());
  return applied_.index;
}

Result<void> StateTable::checkpoint_if_long() {
  if (database_->wal_frames() < kLongWal) return ok();
  MK_TRY(checkpoint());
  return ok();
}

}  // namespace mk::store
