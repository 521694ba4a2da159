#include "mk/store/counting_disk.h"

#include <algorithm>

#include "paths.h"

namespace mk::store {
namespace {

constexpr std::uint64_t kPage = 4096, kSector = 512;
constexpr std::size_t kMostRanges = 4096;

// Pages (or sectors) written since the last sync, as ranges [first, end): writing is mostly sequential, so
// they are few.
class DirtyUnits {
 public:
  // How many of [first, end) were clean.
  std::uint64_t add(std::uint64_t first, std::uint64_t end) {
    auto at = ranges_.upper_bound(first);
    if (at != ranges_.begin() && std::prev(at)->second >= first) --at;
    std::uint64_t clean = end - first, begin = first, stop = end;
    while (at != ranges_.end() && at->first <= end) {
      const std::uint64_t low = std::max(at->first, first), high = std::min(at->second, end);
      clean -= high > low ? high - low : 0;
      begin = std::min(begin, at->first);
      stop = std::max(stop, at->second);
      at = ranges_.erase(at);
    }
    ranges_[begin] = stop;
    if (ranges_.size() > kMostRanges) ranges_.clear();  // the kernel will have written most of them
    return clean;
  }
  void clear() { ranges_.clear(); }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;
};

class CountingFile : public File {
 public:
  CountingFile(std::unique_ptr<File> file, std::shared_ptr<void> owner, CountingDisk::Counter& counter)
      : file_(std::move(file)), owner_(std::move(owner)), counter_(counter) {}

  Result<std::string> read(std::uint64_t offset, std::size_t size) override {
    return file_->read(offset, size);
  }
  Result<void> write(std::uint64_t offset, std::string_view bytes) override {
    if (!bytes.empty()) {
      const std::uint64_t end = (offset + bytes.size() + unit_ - 1) / unit_;
      counter_.written_bytes += dirty_.add(offset / unit_, end) * unit_;
    }
    return file_->write(offset, bytes);
  }
  Result<void> truncate(std::uint64_t size) override { return file_->truncate(size); }
  Result<std::uint64_t> size() override { return file_->size(); }
  Result<void> sync() override {
    dirty_.clear();
    ++counter_.syncs;
    return file_->sync();
  }
  bool bypass_cache() override {
    if (!file_->bypass_cache()) return false;
    unit_ = kSector;
    dirty_.clear();
    return true;
  }

 private:
  const std::unique_ptr<File> file_;
  const std::shared_ptr<void> owner_;
  CountingDisk::Counter& counter_;
  std::uint64_t unit_ = kPage;
  DirtyUnits dirty_;
};

}  // namespace

std::string_view to_string(StorageClass storage_class) {
  switch (storage_class) {
    case StorageClass::kLog:
      return "log";
    case StorageClass::kState:
      return "state";
    case StorageClass::kSnapshot:
      return "snapshot";
  }
  return "";
}

StorageClass storage_class_of(const std::string& path) {
  const std::string dir = parent_of(path);
  const std::string_view name = std::string_view(dir).substr(dir.rfind('/') + 1);
  return name == "log"         ? StorageClass::kLog
         : name == "snapshots" ? StorageClass::kSnapshot
                               : StorageClass::kState;
}

CountingDisk::CountingDisk(std::unique_ptr<Disk> disk)
    : disk_(std::move(disk)), counters_(std::make_shared<std::map<StorageClass, Counter>>()) {
  for (const auto storage_class : kStorageClasses) (*counters_)[storage_class];
}

CountingDisk::~CountingDisk() = default;

CountingDisk::Count CountingDisk::count(StorageClass storage_class) const {
  const Counter& counter = counters_->at(storage_class);
  return {counter.written_bytes, counter.syncs};
}

Result<std::unique_ptr<File>> CountingDisk::open(const std::string& path, Open mode) {
  MK_ASSIGN(auto file, disk_->open(path, mode));
  Counter& counter = counters_->at(storage_class_of(path));
  return std::unique_ptr<File>(std::make_unique<CountingFile>(std::move(file), counters_, counter));
}

Result<void> CountingDisk::sync_dir(const std::string& dir) {
  ++counters_->at(storage_class_of(dir + "/")).syncs;
  return disk_->sync_dir(dir);
}

}  // namespace mk::store
