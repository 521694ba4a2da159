#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mk/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mk::store {

// A prepared statement, reused. Text and blobs are bound by reference: they must live until reset().
class Statement {
 public:
  Statement() = default;
  Statement(sqlite3* database, std::string_view sql);  // asserts that our own SQL compiles
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;

  Statement& bind(int index, std::int64_t value);
  Statement& bind_text(int index, std::string_view value);
  Statement& bind_blob(int index, std::string_view value);
  Statement& bind_null(int index);

  // True: a row is there; false: done. An error otherwise.
  Result<bool> step();
  Result<void> run();  // step to the end, then reset
  void reset();

  std::int64_t integer(int column) const;
  std::string text(int column) const;
  std::string blob(int column) const;
  bool is_null(int column) const;

 private:
  sqlite3* database_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
};

class Database {
 public:
  // Through the VFS of this name (disk_vfs.h); the system's own when empty.
  static Result<std::unique_ptr<Database>> open(const std::string& path, const std::string& vfs = "");
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Result<void> execute(const std::string& sql);
  Statement prepare(std::string_view sql) { return Statement(handle_, sql); }
  // From here on only checkpoint() makes a checkpoint, and wal_frames() counts.
  void checkpoint_by_hand();
  // Moves everything committed from the write-ahead log into the file and syncs it; an error if any of it
  // could not be moved.
  Result<void> checkpoint();
  // Pages in the write-ahead log, as of the last commit; 0 after a checkpoint.
  int wal_frames() const { return wal_frames_; }
  sqlite3* handle() { return handle_; }
  // What the last failure means to a user; kServiceUnavailable for a full disk, kInternalError otherwise.
  Error last_error(std::string_view what) const;

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}
  sqlite3* handle_;
  int wal_frames_ = 0;
};

}  // namespace mk::store
