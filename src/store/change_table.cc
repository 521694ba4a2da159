#include "change_table.h"

#include <algorithm>

#include "mk/base/log.h"

namespace mk::store {
namespace {

constexpr Log kLog("store");

constexpr std::int64_t kFormat = 1;

// Revisions are handed out from a range whose end is on disk before it is used. After a crash, the next life
// starts behind the range: a revision acknowledged for a lazy change that got lost is never given to another.
constexpr Revision kReserve = 100'000;

constexpr char kTables[] = R"sql(
  CREATE TABLE IF NOT EXISTS changes (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    value BLOB  -- NULL: removed
  );
  CREATE INDEX IF NOT EXISTS changes_by_key ON changes (key, revision);
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
)sql";

// The first text that is greater than every key with this prefix. Keys are UTF-8, in which 0xff never occurs.
std::string prefix_end(std::string prefix) {
  prefix.push_back('\xff');
  return prefix;
}

}  // namespace

Result<std::unique_ptr<ChangeTable>> ChangeTable::open(const std::string& path) {
  MK_ASSIGN(auto database, Database::open(path));
  // FULL: each commit of the write-ahead log is synced; that sync is the durability point.
  MK_TRY(
      database->execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
                        "PRAGMA cache_size=-1024; PRAGMA journal_size_limit=4194304;"));
  std::unique_ptr<ChangeTable> table(new ChangeTable(std::move(database)));
  MK_TRY(table->prepare());
  MK_TRY(table->load_meta());
  return table;
}

ChangeTable::~ChangeTable() {
  const auto closed = [this]() -> Result<void> {
    MK_TRY(begin());
    MK_TRY(set_meta("clean", 1));
    MK_TRY(set_meta("revision", revision_));
    return sync();
  }();
  if (!closed.ok()) kLog.warn("the store was not closed cleanly", "error", closed.error().message());
}

Result<void> ChangeTable::prepare() {
  MK_TRY(database_->execute(kTables));
  current_ = database_->prepare(
      "SELECT revision, create_revision, value FROM changes WHERE key = ?1 ORDER BY revision DESC LIMIT 1");
  insert_ = database_->prepare(
      "INSERT INTO changes (revision, key, create_revision, value) VALUES (?1, ?2, ?3, ?4)");
  get_meta_ = database_->prepare("SELECT value FROM meta WHERE name = ?1");
  set_meta_ = database_->prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)");
  return ok();
}

Result<void> ChangeTable::load_meta() {
  MK_ASSIGN(const std::int64_t format, meta("format", kFormat));
  if (format > kFormat)
    return Error(Reason::kInvalid, "the store was written by a newer mk (format " + std::to_string(format) +
                                       ", this one reads " + std::to_string(kFormat) +
                                       "); use that version again");
  MK_ASSIGN(compacted_, meta("compacted", 0));
  MK_ASSIGN(const Revision ceiling, meta("ceiling", 0));
  MK_ASSIGN(const std::int64_t clean, meta("clean", 1));
  Statement last = database_->prepare("SELECT max(revision) FROM changes");
  MK_TRY(last.step());
  const Revision written = std::max(last.integer(0), compacted_);
  last.reset();
  MK_ASSIGN(const Revision clean_revision, meta("revision", 0));
  revision_ = std::max(written, clean != 0 ? clean_revision : ceiling);
  synced_revision_ = revision_;
  ceiling_ = revision_;
  MK_TRY(begin());
  MK_TRY(set_meta("format", kFormat));
  MK_TRY(set_meta("clean", 0));
  MK_TRY(reserve_revisions());
  return sync();
}

Result<std::int64_t> ChangeTable::meta(std::string_view name, std::int64_t fallback) {
  get_meta_.bind_text(1, name);
  MK_ASSIGN(const bool found, get_meta_.step());
  const std::int64_t value = found ? get_meta_.integer(0) : fallback;
  get_meta_.reset();
  return value;
}

Result<void> ChangeTable::set_meta(std::string_view name, std::int64_t value) {
  return set_meta_.bind_text(1, name).bind(2, value).run();
}

Result<void> ChangeTable::begin() {
  if (open_transaction_) return ok();
  MK_TRY(database_->execute("BEGIN IMMEDIATE"));
  open_transaction_ = true;
  return ok();
}

Result<void> ChangeTable::reserve_revisions() {
  ceiling_ = revision_ + kReserve;
  return set_meta("ceiling", ceiling_);
}

Result<ChangeTable::Current> ChangeTable::current(const std::string& key) {
  current_.bind_text(1, key);
  MK_ASSIGN(const bool found, current_.step());
  Current out;
  if (found && !current_.is_null(2)) {
    out.revision = current_.integer(0);
    out.create_revision = current_.integer(1);
    out.value = current_.blob(2);
  }
  current_.reset();
  return out;
}

Result<Change> ChangeTable::apply_one(const Operation& operation) {
  MK_ASSIGN(const Current before, current(operation.key));
  const bool remove = operation.kind == Operation::Kind::kRemove;
  if (operation.expected != Operation::kAny && operation.expected != before.revision)
    return Error(Reason::kConflict, operation.key + " is at revision " + std::to_string(before.revision) +
                                        ", not " + std::to_string(operation.expected));
  if (remove && before.revision == 0) return Error(Reason::kConflict, operation.key + " is not there");
  Change change;
  change.revision = ++revision_;
  change.key = operation.key;
  change.create_revision = before.revision == 0 ? change.revision : before.create_revision;
  change.removed = remove;
  change.value = remove ? SharedBytes(before.value) : operation.value;
  insert_.bind(1, change.revision).bind_text(2, change.key).bind(3, change.create_revision);
  if (remove) {
    insert_.bind_null(4);
  } else {
    insert_.bind_blob(4, change.value.view());
  }
  MK_TRY(insert_.run());
  return change;
}

Result<std::vector<Change>> ChangeTable::apply_within_savepoint(const std::vector<Operation>& operations) {
  std::vector<Change> changes;
  for (const auto& operation : operations) {
    MK_ASSIGN(Change change, apply_one(operation));
    changes.push_back(std::move(change));
  }
  if (revision_ + kReserve / 10 > ceiling_) MK_TRY(reserve_revisions());
  return changes;
}

Result<std::vector<Change>> ChangeTable::apply(const std::vector<Operation>& operations) {
  MK_TRY(begin());
  const Revision before = revision_;
  MK_TRY(database_->execute("SAVEPOINT operations"));
  auto changes = apply_within_savepoint(operations);
  if (!changes.ok()) {
    revision_ = before;
    MK_TRY(database_->execute("ROLLBACK TO operations; RELEASE operations"));
    return changes;
  }
  MK_TRY(database_->execute("RELEASE operations"));
  return changes;
}

Result<void> ChangeTable::sync() {
  if (!open_transaction_) return ok();
  open_transaction_ = false;
  auto committed = database_->execute("COMMIT");
  if (committed.ok()) {
    synced_revision_ = revision_;
    return ok();
  }
  // Revisions handed out in the failed transaction may have been seen: they are skipped, not reused.
  (void)database_->execute("ROLLBACK");
  return committed;
}

Result<Range> ChangeTable::range(const std::string& prefix, const std::string& after, std::size_t limit,
                                 Revision at) {
  if (at != 0 && at < compacted_)
    return Error(Reason::kExpired, "revision " + std::to_string(at) + " has been compacted");
  // For each key its last change up to `at`; SQLite takes the bare columns from the row of the max().
  Statement select = database_->prepare(
      "SELECT key, max(revision), create_revision, value FROM changes"
      " WHERE key >= ?1 AND key < ?2 AND key > ?3 AND revision <= ?4 GROUP BY key ORDER BY key");
  const std::string end = prefix_end(prefix);
  select.bind_text(1, prefix).bind_text(2, end).bind_text(3, after).bind(4, at == 0 ? revision_ : at);
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
    entry.value = SharedBytes(select.blob(3));
    out.entries.push_back(std::move(entry));
  }
}

Result<std::vector<Change>> ChangeTable::history(Revision since, std::size_t limit) {
  if (since < compacted_)
    return Error(Reason::kExpired, "revision " + std::to_string(since) + " has been compacted");
  // A removal shows what was there: the change before it, which compaction keeps as long as the removal.
  Statement select = database_->prepare(
      "SELECT revision, key, create_revision, value IS NULL, coalesce(value, (SELECT value FROM changes AS "
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

Result<void> ChangeTable::compact(Revision up_to) {
  up_to = std::min(up_to, revision_);
  if (up_to <= compacted_) return ok();
  MK_TRY(begin());
  // A change goes when a later one of its key is also that old, a removal as soon as it is.
  Statement drop = database_->prepare(
      "DELETE FROM changes WHERE revision <= ?1 AND (value IS NULL OR EXISTS (SELECT 1 FROM changes AS later"
      " WHERE later.key = changes.key AND later.revision > changes.revision AND later.revision <= ?1))");
  MK_TRY(drop.bind(1, up_to).run());
  MK_TRY(set_meta("compacted", up_to));
  compacted_ = up_to;
  return ok();
}

}  // namespace mk::store
