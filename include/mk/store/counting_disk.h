#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "mk/store/disk.h"

namespace mk::store {

// What of the store's writing is for what, by where the file is (layout: mk/quorum/replicated_store.h). Lazy
// changes are not a class of their own: they travel in the log's next entry.
enum class StorageClass { kLog, kState, kSnapshot };
constexpr StorageClass kStorageClasses[] = {StorageClass::kLog, StorageClass::kState,
                                            StorageClass::kSnapshot};
std::string_view to_string(StorageClass storage_class);  // "log", "state", "snapshot"
StorageClass storage_class_of(const std::string& path);  // in log/, in snapshots/, elsewhere

// A disk that counts what goes to the medium: mk_storage_written_bytes_total and mk_storage_fsync_total.
// Bytes are whole 4 KiB pages, each once between two syncs of its file, since that is what wears flash; a
// page the kernel wrote by itself in between and the file system's own journal are not seen. Reading the
// counts is safe from any thread.
class CountingDisk : public Disk {
 public:
  struct Count {
    std::uint64_t written_bytes = 0, syncs = 0;
  };

  explicit CountingDisk(std::unique_ptr<Disk> disk);
  ~CountingDisk() override;
  Count count(StorageClass storage_class) const;

  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override;
  Result<void> make_dirs(const std::string& path) override { return disk_->make_dirs(path); }
  Result<std::vector<std::string>> list(const std::string& dir) override { return disk_->list(dir); }
  Result<bool> exists(const std::string& path) override { return disk_->exists(path); }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return disk_->rename(from, to);
  }
  Result<void> remove(const std::string& path) override { return disk_->remove(path); }
  Result<void> sync_dir(const std::string& dir) override;
  Result<std::uint64_t> free_bytes(const std::string& dir) override { return disk_->free_bytes(dir); }

  struct Counter {
    std::atomic<std::uint64_t> written_bytes{0}, syncs{0};
  };

 private:
  std::unique_ptr<Disk> disk_;
  std::shared_ptr<std::map<StorageClass, Counter>> counters_;  // files outlive the disk's address
};

}  // namespace mk::store
