#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "images/install.h"
#include "mk/kubelet/runtime.h"
#include "mk/rt/blocking.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "mk/rt/loop.h"

namespace mk::kubelet {

// ImageStore on disk: <data_dir>/images (index, configs, partial blobs) and <data_dir>/layers (unpacked).
// Packed layers are deleted once unpacked. Lives on the loop's thread; the work is done on threads of its
// own, which a hanging registry may occupy without keeping container operations waiting.
class LocalImages final : public ImageStore {
 public:
  LocalImages(rt::Loop& loop, const std::string& data_dir, Registries registries, TransferLimits limits = {});
  ~LocalImages() override;  // aborts transfers; what was received is kept for the next attempt

  Result<void> open();  // reads the index

  std::optional<ImageInfo> find(const std::string& reference) const override;
  std::vector<ImageInfo> list() const override;
  rt::Task<Result<ImageInfo>> pull(std::string reference, std::vector<RegistryAuth> credentials) override;
  rt::Task<Result<std::vector<ImageInfo>>> import(std::string path, std::string name) override;
  rt::Task<Result<void>> remove(std::string id) override;
  rt::Task<Result<void>> mount(std::string id, std::string path) override;

  // For the container runtime: an image's layers as folders within layers_dir(), topmost first.
  std::optional<std::vector<std::string>> layer_folders(const std::string& id) const;
  const std::string& layers_dir() const { return parts_->layers.dir(); }
  // Set by the container runtime: whether some container stands on this image.
  std::function<bool(const std::string& id)> in_use;

 private:
  struct Pull {
    rt::Event changed;
    std::optional<Result<ImageInfo>> result;
  };

  // While one is held, no process sweeps; `mk images` may add to the store beside the node that uses it.
  struct Hold;
  std::shared_ptr<Hold> hold_shared() const;     // waits; for threads of the pool
  std::shared_ptr<Hold> hold_exclusive() const;  // nullptr: somebody is adding

  const StoredImage* lookup(const std::string& reference) const;
  rt::Task<> run_pull(std::string key, Reference reference, std::vector<RegistryAuth> credentials);
  rt::Task<Result<ImageInfo>> fetch(Reference reference, std::vector<RegistryAuth> credentials);
  // Counts as active until destroyed, also when its task is cancelled.
  class Active {
   public:
    explicit Active(LocalImages& store) : store_(store) { ++store_.active_; }
    ~Active() { store_.leave(); }
    Active(const Active&) = delete;

   private:
    LocalImages& store_;
  };
  rt::Task<> until_swept();
  void leave();
  rt::Task<> sweep();

  std::shared_ptr<std::atomic<bool>> stop_;
  std::shared_ptr<ImageParts> parts_;  // shared with work that outlives a cancelled caller
  std::string lock_path_;
  mutable ImageIndex index_;
  std::map<std::string, std::shared_ptr<Pull>> pulls_;
  // Deleting unused files and adding new ones exclude each other.
  int active_ = 0;
  bool sweeping_ = false;
  rt::Event idle_;
  rt::Group group_;
  rt::BlockingPool pool_;  // last: waits for its threads first
};

}  // namespace mk::kubelet
