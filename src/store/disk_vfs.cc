#include "disk_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <set>

#include "mk/base/log.h"
#include "paths.h"

namespace mk::store {

namespace {

constexpr Log kLog("store");
constexpr int kMaxPath = 1024;

// A temporary file: lives in memory, ends with its handle.
class MemoryFile : public File {
 public:
  Result<std::string> read(std::uint64_t offset, std::size_t size) override {
    return offset < content_.size() ? content_.substr(offset, size) : std::string();
  }
  Result<void> write(std::uint64_t offset, std::string_view bytes) override {
    content_.resize(std::max<std::size_t>(content_.size(), offset + bytes.size()));
    bytes.copy(content_.data() + offset, bytes.size());
    return ok();
  }
  Result<void> truncate(std::uint64_t size) override {
    content_.resize(size);
    return ok();
  }
  Result<std::uint64_t> size() override { return static_cast<std::uint64_t>(content_.size()); }
  Result<void> sync() override { return ok(); }

 private:
  std::string content_;
};

}  // namespace

struct DiskVfs::State {
  explicit State(Disk& disk_) : disk(disk_) {}

  Disk& disk;
  std::string name;
  sqlite3_vfs vfs{};
  sqlite3_vfs* system = nullptr;  // for time and chance
  std::mutex mutex;
  std::set<std::string> databases;  // open ones
  std::atomic<bool> reported{false};

  // SQLite's own message has neither the path nor the cause: one line with both, the first time.
  int failed(const Error& error, int code) {
    if (!reported.exchange(true)) kLog.warn("the state's disk refuses", "error", error.message());
    return error.is(Reason::kServiceUnavailable) ? SQLITE_FULL : code;
  }
};

namespace {

using State = DiskVfs::State;

struct OpenFile {
  State& state;
  std::unique_ptr<File> file;
  std::string path;  // empty: in memory
  bool is_database = false, remove_on_close = false;
  // Not before the first sync, and then always: whoever made the file may have died before its name was
  // durable.
  bool name_synced = false;
};

struct Handle {
  sqlite3_file base;
  OpenFile* open;
};

OpenFile& open_of(sqlite3_file* file) {
  return *reinterpret_cast<Handle*>(file)->open;
}

State& state_of(sqlite3_vfs* vfs) {
  return *static_cast<State*>(vfs->pAppData);
}

int close_file(sqlite3_file* file) {
  const std::unique_ptr<OpenFile> open(&open_of(file));
  State& state = open->state;
  open->file.reset();
  if (open->is_database) {
    std::lock_guard guard(state.mutex);
    state.databases.erase(open->path);
  }
  if (!open->remove_on_close || open->path.empty()) return SQLITE_OK;
  const auto removed = state.disk.remove(open->path);
  return removed.ok() ? SQLITE_OK : state.failed(removed.error(), SQLITE_IOERR_DELETE);
}

int read_file(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
  OpenFile& open = open_of(file);
  const auto want = static_cast<std::size_t>(size);
  const auto bytes = open.file->read(static_cast<std::uint64_t>(offset), want);
  if (!bytes.ok()) return open.state.failed(bytes.error(), SQLITE_IOERR_READ);
  std::memcpy(out, bytes->data(), bytes->size());
  if (bytes->size() == want) return SQLITE_OK;
  // SQLite relies on the zeros.
  std::memset(static_cast<char*>(out) + bytes->size(), 0, want - bytes->size());
  return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  OpenFile& open = open_of(file);
  const std::string_view view(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
  const auto written = open.file->write(static_cast<std::uint64_t>(offset), view);
  return written.ok() ? SQLITE_OK : open.state.failed(written.error(), SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  OpenFile& open = open_of(file);
  const auto done = open.file->truncate(static_cast<std::uint64_t>(size));
  return done.ok() ? SQLITE_OK : open.state.failed(done.error(), SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* file, int) {
  OpenFile& open = open_of(file);
  if (const auto synced = open.file->sync(); !synced.ok())
    return open.state.failed(synced.error(), SQLITE_IOERR_FSYNC);
  if (open.name_synced || open.path.empty()) return SQLITE_OK;
  if (const auto synced = open.state.disk.sync_dir(parent_of(open.path)); !synced.ok())
    return open.state.failed(synced.error(), SQLITE_IOERR_DIR_FSYNC);
  open.name_synced = true;
  return SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* out) {
  OpenFile& open = open_of(file);
  const auto size = open.file->size();
  if (!size.ok()) return open.state.failed(size.error(), SQLITE_IOERR_FSTAT);
  *out = static_cast<sqlite3_int64>(*size);
  return SQLITE_OK;
}

// Nobody else has the file open.
int lock_file(sqlite3_file*, int) {
  return SQLITE_OK;
}
int check_reserved_lock(sqlite3_file*, int* out) {
  *out = 0;
  return SQLITE_OK;
}
int file_control(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
  return 4096;
}
// As on disks in general: a write cut off by a power loss does not damage bytes beside it.
int device_characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods kMethods = {
    1,
    close_file,
    read_file,
    write_file,
    truncate_file,
    sync_file,
    file_size,
    lock_file,
    lock_file,
    check_reserved_lock,
    file_control,
    sector_size,
    device_characteristics,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
};

int open_file(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags, int* out_flags) {
  State& state = state_of(vfs);
  out->pMethods = nullptr;
  auto open = std::unique_ptr<OpenFile>(new OpenFile{state, nullptr, path == nullptr ? "" : path});
  open->remove_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  if (path == nullptr) {
    open->file = std::make_unique<MemoryFile>();
  } else {
    const auto mode = (flags & SQLITE_OPEN_CREATE) != 0 ? Disk::Open::kCreate : Disk::Open::kExisting;
    auto file = state.disk.open(open->path, mode);
    if (!file.ok()) {
      const bool refused = !file.error().is(Reason::kNotFound);
      return refused ? state.failed(file.error(), SQLITE_CANTOPEN) : SQLITE_CANTOPEN;
    }
    open->file = std::move(file).value();
  }
  if (path != nullptr && (flags & SQLITE_OPEN_MAIN_DB) != 0) {
    std::lock_guard guard(state.mutex);
    if (!state.databases.insert(open->path).second) return SQLITE_BUSY;
    open->is_database = true;
  }
  if (out_flags != nullptr) *out_flags = flags;
  reinterpret_cast<Handle*>(out)->open = open.release();
  out->pMethods = &kMethods;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* path, int sync_dir) {
  State& state = state_of(vfs);
  if (const auto removed = state.disk.remove(path); !removed.ok())
    return state.failed(removed.error(), SQLITE_IOERR_DELETE);
  if (sync_dir == 0) return SQLITE_OK;
  const auto synced = state.disk.sync_dir(parent_of(path));
  return synced.ok() ? SQLITE_OK : state.failed(synced.error(), SQLITE_IOERR_DIR_FSYNC);
}

int access_file(sqlite3_vfs* vfs, const char* path, int, int* out) {
  State& state = state_of(vfs);
  const auto found = state.disk.exists(path);
  if (!found.ok()) return state.failed(found.error(), SQLITE_IOERR_ACCESS);
  *out = *found ? 1 : 0;
  return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
  const std::size_t length = std::strlen(path);
  if (length >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
  std::memcpy(out, path, length + 1);
  return SQLITE_OK;
}

int randomness(sqlite3_vfs* vfs, int size, char* out) {
  sqlite3_vfs* system = state_of(vfs).system;
  return system->xRandomness(system, size, out);
}
int sleep(sqlite3_vfs* vfs, int microseconds) {
  sqlite3_vfs* system = state_of(vfs).system;
  return system->xSleep(system, microseconds);
}
int current_time(sqlite3_vfs* vfs, double* out) {
  sqlite3_vfs* system = state_of(vfs).system;
  return system->xCurrentTime(system, out);
}
int last_error(sqlite3_vfs*, int, char*) {
  return 0;
}

}  // namespace

DiskVfs::DiskVfs(Disk& disk) : state_(std::make_unique<State>(disk)) {
  static std::atomic<std::uint64_t> made{0};
  state_->name = "mk-disk-" + std::to_string(++made);
  state_->system = sqlite3_vfs_find(nullptr);
  sqlite3_vfs& vfs = state_->vfs;
  vfs.iVersion = 1;
  vfs.szOsFile = sizeof(Handle);
  vfs.mxPathname = kMaxPath;
  vfs.zName = state_->name.c_str();
  vfs.pAppData = state_.get();
  vfs.xOpen = open_file;
  vfs.xDelete = delete_file;
  vfs.xAccess = access_file;
  vfs.xFullPathname = full_path;
  vfs.xRandomness = randomness;
  vfs.xSleep = sleep;
  vfs.xCurrentTime = current_time;
  vfs.xGetLastError = last_error;
  MK_ASSERT(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

DiskVfs::~DiskVfs() {
  MK_ASSERT(state_->databases.empty());
  sqlite3_vfs_unregister(&state_->vfs);
}

const std::string& DiskVfs::name() const {
  return state_->name;
}

}  // namespace mk::store
