#include "sqlite.h"

#include <sqlite3.h>

#include <utility>

namespace mk::store {
namespace {

Error error_of(sqlite3* database, std::string_view what) {
  const int code = sqlite3_errcode(database);
  const std::string text = std::string(what) + ": " + sqlite3_errmsg(database);
  if (code == SQLITE_FULL)
    return Error(Reason::kServiceUnavailable, text + "; free some space, nothing was changed");
  if (code == SQLITE_BUSY)
    return Error(Reason::kConflict, text + "; it is in use by another mk server: stop that one first");
  if (code == SQLITE_READONLY || code == SQLITE_CANTOPEN || code == SQLITE_PERM)
    return Error(Reason::kForbidden, text + "; is the data directory writable?");
  if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT)
    return Error(Reason::kInternalError, text + "; restore a snapshot or move the file away");
  return Error(Reason::kInternalError, text);
}

}  // namespace

Statement::Statement(sqlite3* database, std::string_view sql) : database_(database) {
  const int code = sqlite3_prepare_v3(database, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  MK_ASSERT(code == SQLITE_OK);
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(database_, other.database_);
  std::swap(statement_, other.statement_);
  return *this;
}

Statement& Statement::bind(int index, std::int64_t value) {
  return MK_ASSERT(sqlite3_bind_int64(statement_, index, value) == SQLITE_OK), *this;
}

Statement& Statement::bind_text(int index, std::string_view value) {
  const int code =
      sqlite3_bind_text(statement_, index, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  return MK_ASSERT(code == SQLITE_OK), *this;
}

Statement& Statement::bind_blob(int index, std::string_view value) {
  // An empty blob must not become NULL, so it needs an address.
  const char* data = value.empty() ? "" : value.data();
  const int code = sqlite3_bind_blob(statement_, index, data, static_cast<int>(value.size()), SQLITE_STATIC);
  return MK_ASSERT(code == SQLITE_OK), *this;
}

Statement& Statement::bind_null(int index) {
  return MK_ASSERT(sqlite3_bind_null(statement_, index) == SQLITE_OK), *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = error_of(database_, "store");
  sqlite3_reset(statement_);
  return error;
}

Result<void> Statement::run() {
  for (;;) {
    MK_ASSIGN(const bool more, step());
    if (!more) break;
  }
  reset();
  return ok();
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Statement::text(int column) const {
  return blob(column);
}

std::string Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string()
                         : std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, const std::string& vfs) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  std::unique_ptr<Database> database(new Database(handle));
  if (code != SQLITE_OK) return database->last_error("open " + path);
  return database;
}

Database::~Database() {
  sqlite3_close_v2(handle_);
}

Result<void> Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return last_error("store");
  return ok();
}

void Database::checkpoint_by_hand() {
  const auto committed = [](void* frames, sqlite3*, const char*, int count) {
    *static_cast<int*>(frames) = count;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(handle_, committed, &wal_frames_);
}

Result<void> Database::checkpoint() {
  int frames = 0, moved = 0;
  const int code = sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);
  if (code != SQLITE_OK) return last_error("checkpoint of the store");
  if (frames != moved)
    return Error(Reason::kInternalError, "a checkpoint of the store stopped at page " +
                                             std::to_string(moved) + " of " + std::to_string(frames));
  wal_frames_ = 0;
  return ok();
}

Error Database::last_error(std::string_view what) const {
  return error_of(handle_, what);
}

}  // namespace mk::store
