#include "mk/store/sim_disk.h"

#include <map>
#include <set>

#include "paths.h"
#include "sim_inode.h"

namespace mk::store {
namespace {

using Inode = std::shared_ptr<SimInode>;

// A change of names; atomic, and a subset of several in order leaves a directory that could be.
struct NameChange {
  std::string removed, set;  // paths; either may be empty
  Inode inode;               // what `set` names
};

class SimFile;
class SimMount;

class SimDiskImpl : public SimDisk {
 public:
  explicit SimDiskImpl(rt::Random& random) : random_(random) {}

  // --- SimDisk ---
  std::unique_ptr<Disk> mount() override;
  void set_faults(Faults faults) override { faults_ = faults; }
  void cut_power() override;
  void kill() override {
    ++life_;
    faults_.calls_left = UINT64_MAX;
  }
  void flip_bit(const std::string& path, std::uint64_t bit) override {
    const auto found = live_.find(path);
    MK_ASSERT(found != live_.end());
    found->second->flip_bit(bit);
  }
  void set_lying_sync(bool lying) override { lying_ = lying; }
  std::uint64_t bytes_written() const override { return written_; }
  std::uint64_t sync_count() const override { return syncs_; }

  // --- Disk ---
  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override;
  Result<void> make_dirs(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& dir) override;
  Result<bool> exists(const std::string& path) override {
    return live_.count(path) != 0 || dirs_.count(path) != 0;
  }
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> sync_dir(const std::string& dir) override;
  Result<std::uint64_t> free_bytes(const std::string& dir) override {
    const std::uint64_t used = used_bytes();
    return used < faults_.capacity ? faults_.capacity - used : 0;
  }

  // --- files and views ---
  std::uint64_t life() const { return life_; }
  Result<void> alive(std::uint64_t life, const std::string& path) const {
    if (life == life_) return ok();
    return Error(Reason::kInternalError, path + ": the process that opened this is dead");
  }
  Result<void> write(SimInode& inode, const std::string& path, std::uint64_t offset, std::string_view bytes);
  Result<void> truncate(SimInode& inode, const std::string& path, std::uint64_t size);
  Result<void> sync(SimInode& inode, const std::string& path);

 private:
  enum class Call { kWhole, kPart, kNone };  // what of a call happens

  Call next_call() {
    if (faults_.calls_left == UINT64_MAX) return Call::kWhole;
    if (faults_.calls_left == 0) return Call::kNone;
    return --faults_.calls_left == 0 ? Call::kPart : Call::kWhole;
  }
  bool happens(double probability) { return probability > 0 && random_.unit() < probability; }
  static Error failed(const char* what, const std::string& path) {
    return Error(Reason::kInternalError, std::string(what) + " " + path + ": simulated input/output error");
  }
  static Error missing(const char* what, const std::string& path) {
    return Error(Reason::kNotFound, std::string(what) + " " + path + ": No such file or directory");
  }

  // A name's change happens or not; half of it is one of the two.
  Result<void> change_names(const char* what, const std::string& path, NameChange change) {
    const Call call = next_call();
    const bool fails = happens(faults_.write_error);
    if (call == Call::kNone || fails || (call == Call::kPart && random_.below(2) == 0))
      return failed(what, path);
    apply(live_, change);
    names_.push_back(std::move(change));
    if (call == Call::kPart) return failed(what, path);
    return ok();
  }
  static void apply(std::map<std::string, Inode>& names, const NameChange& change) {
    if (!change.removed.empty()) names.erase(change.removed);
    if (!change.set.empty()) names[change.set] = change.inode;
  }
  std::uint64_t used_bytes() const {
    std::uint64_t used = 0;
    for (const auto& [path, inode] : live_) used += inode->live().size();
    return used;
  }

  rt::Random& random_;
  Faults faults_;
  bool lying_ = false;
  std::uint64_t life_ = 0, written_ = 0, syncs_ = 0;
  std::set<std::string> dirs_{"/", "."};
  std::map<std::string, Inode> live_, durable_;
  std::vector<NameChange> names_;  // not yet durable
};

class SimFile : public File {
 public:
  SimFile(SimDiskImpl& disk, Inode inode, std::string path)
      : disk_(disk), life_(disk.life()), inode_(std::move(inode)), path_(std::move(path)) {}

  Result<std::string> read(std::uint64_t offset, std::size_t size) override {
    MK_TRY(disk_.alive(life_, path_));
    const std::string& content = inode_->live();
    return offset < content.size() ? content.substr(offset, size) : std::string();
  }
  Result<void> write(std::uint64_t offset, std::string_view bytes) override {
    MK_TRY(disk_.alive(life_, path_));
    return disk_.write(*inode_, path_, offset, bytes);
  }
  Result<void> truncate(std::uint64_t size) override {
    MK_TRY(disk_.alive(life_, path_));
    return disk_.truncate(*inode_, path_, size);
  }
  Result<std::uint64_t> size() override {
    MK_TRY(disk_.alive(life_, path_));
    return static_cast<std::uint64_t>(inode_->live().size());
  }
  Result<void> sync() override {
    MK_TRY(disk_.alive(life_, path_));
    return disk_.sync(*inode_, path_);
  }

 private:
  SimDiskImpl& disk_;
  const std::uint64_t life_;
  const Inode inode_;
  const std::string path_;
};

class SimMount : public Disk {
 public:
  explicit SimMount(SimDiskImpl& disk) : disk_(disk), life_(disk.life()) {}

  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override {
    MK_TRY(disk_.alive(life_, path));
    return disk_.open(path, mode);
  }
  Result<void> make_dirs(const std::string& path) override {
    MK_TRY(disk_.alive(life_, path));
    return disk_.make_dirs(path);
  }
  Result<std::vector<std::string>> list(const std::string& dir) override {
    MK_TRY(disk_.alive(life_, dir));
    return disk_.list(dir);
  }
  Result<bool> exists(const std::string& path) override {
    MK_TRY(disk_.alive(life_, path));
    return disk_.exists(path);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    MK_TRY(disk_.alive(life_, from));
    return disk_.rename(from, to);
  }
  Result<void> remove(const std::string& path) override {
    MK_TRY(disk_.alive(life_, path));
    return disk_.remove(path);
  }
  Result<void> sync_dir(const std::string& dir) override {
    MK_TRY(disk_.alive(life_, dir));
    return disk_.sync_dir(dir);
  }
  Result<std::uint64_t> free_bytes(const std::string& dir) override {
    MK_TRY(disk_.alive(life_, dir));
    return disk_.free_bytes(dir);
  }

 private:
  SimDiskImpl& disk_;
  const std::uint64_t life_;
};

std::unique_ptr<Disk> SimDiskImpl::mount() {
  return std::make_unique<SimMount>(*this);
}

void SimDiskImpl::cut_power() {
  ++life_;
  faults_.calls_left = UINT64_MAX;
  // As SimInode::settle: mostly a prefix, sometimes anything.
  const auto mode = random_.below(4);
  const auto prefix = random_.below(names_.size() + 1);
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const bool kept = mode == 0 ? false : mode == 1 ? i < prefix : mode == 2 ? true : random_.below(2) == 0;
    if (kept) apply(durable_, names_[i]);
  }
  names_.clear();
  live_ = durable_;
  for (auto& [path, inode] : live_) {
    inode->settle(random_);
    inode->restart();
  }
}

Result<void> SimDiskImpl::write(SimInode& inode, const std::string& path, std::uint64_t offset,
                                std::string_view bytes) {
  const Call call = next_call();
  if (call == Call::kNone) return failed("write", path);
  // A part ends with a sector, as the kernel copies page by page.
  const auto part = [&](std::size_t most) {
    const std::uint64_t stop = (offset + random_.below(most + 1)) / kSimSector * kSimSector;
    if (stop > offset) inode.write(offset, bytes.substr(0, stop - offset));
  };
  const std::uint64_t end = offset + bytes.size(), size = inode.live().size();
  if (faults_.capacity != UINT64_MAX && end > size && used_bytes() + (end - size) > faults_.capacity) {
    part(bytes.size() / 2);
    return Error(Reason::kServiceUnavailable, "write " + path + ": No space left on device");
  }
  if (happens(faults_.write_error) || call == Call::kPart) {
    part(bytes.size());
    return failed("write", path);
  }
  written_ += bytes.size();
  inode.write(offset, bytes);
  return ok();
}

Result<void> SimDiskImpl::truncate(SimInode& inode, const std::string& path, std::uint64_t size) {
  const Call call = next_call();
  if (call == Call::kNone || happens(faults_.write_error)) return failed("truncate", path);
  if (call == Call::kWhole || random_.below(2) == 0) inode.truncate(size);
  if (call == Call::kPart) return failed("truncate", path);
  return ok();
}

Result<void> SimDiskImpl::sync(SimInode& inode, const std::string& path) {
  const Call call = next_call();
  if (call == Call::kNone) return failed("sync", path);
  ++syncs_;
  // Cut short by a crash, what is pending stays pending: the power cut decides.
  if (call == Call::kPart) return failed("sync", path);
  if (happens(faults_.sync_error)) {
    inode.settle(random_);
    return failed("sync", path);
  }
  if (!lying_) inode.sync();
  return ok();
}

Result<std::unique_ptr<File>> SimDiskImpl::open(const std::string& path, Open mode) {
  const auto found = live_.find(path);
  if (found != live_.end())
    return std::unique_ptr<File>(std::make_unique<SimFile>(*this, found->second, path));
  if (mode == Open::kExisting || dirs_.count(parent_of(path)) == 0) return missing("open", path);
  NameChange change;
  change.set = path;
  change.inode = std::make_shared<SimInode>();
  Inode inode = change.inode;
  MK_TRY(change_names("open", path, std::move(change)));
  return std::unique_ptr<File>(std::make_unique<SimFile>(*this, std::move(inode), path));
}

Result<void> SimDiskImpl::make_dirs(const std::string& path) {
  for (std::string dir = path; dirs_.insert(dir).second;) dir = parent_of(dir);
  return ok();
}

Result<std::vector<std::string>> SimDiskImpl::list(const std::string& dir) {
  if (dirs_.count(dir) == 0) return missing("list", dir);
  std::vector<std::string> names;
  for (const auto& [path, inode] : live_) {
    if (parent_of(path) == dir) names.push_back(path.substr(path.rfind('/') + 1));
  }
  return names;
}

Result<void> SimDiskImpl::rename(const std::string& from, const std::string& to) {
  const auto found = live_.find(from);
  if (found == live_.end() || dirs_.count(parent_of(to)) == 0) return missing("rename", from);
  NameChange change;
  change.removed = from;
  change.set = to;
  change.inode = found->second;
  return change_names("rename", from, std::move(change));
}

Result<void> SimDiskImpl::remove(const std::string& path) {
  if (live_.count(path) == 0) return ok();
  NameChange change;
  change.removed = path;
  return change_names("remove", path, std::move(change));
}

Result<void> SimDiskImpl::sync_dir(const std::string& dir) {
  const Call call = next_call();
  if (call == Call::kNone) return failed("sync", dir);
  ++syncs_;
  if (call == Call::kPart || happens(faults_.sync_error)) return failed("sync", dir);
  if (dirs_.count(dir) == 0) return missing("sync", dir);
  if (lying_) return ok();
  const auto touches = [&](const NameChange& change) {
    return (!change.removed.empty() && parent_of(change.removed) == dir) ||
           (!change.set.empty() && parent_of(change.set) == dir);
  };
  for (const auto& change : names_) {
    if (touches(change)) apply(durable_, change);
  }
  std::erase_if(names_, touches);
  return ok();
}

}  // namespace

std::unique_ptr<SimDisk> SimDisk::make(rt::Random& random) {
  return std::make_unique<SimDiskImpl>(random);
}

}  // namespace mk::store
