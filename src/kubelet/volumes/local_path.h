#pragma once

#include <string>

#include "context.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"

namespace mk::kubelet {

// The node's side of mk's local-path volumes. The API's side makes and deletes the PersistentVolumes; their
// directories are made when they are first mounted, and removed here once a volume is being deleted and no
// claim has it any more. Only then is the finalizer taken off that holds the volume object.
class LocalPaths {
 public:
  explicit LocalPaths(Context& context);
  void start(rt::Group& group);

 private:
  rt::Task<> run();
  rt::Task<Result<void>> remove(api::Object volume);

  Context& context_;
  client::Informer volumes_;
  rt::Event changed_;
  bool dirty_ = false;
};

// The directory of such a volume, for everybody, as pods of any user may use it. Blocking; fine when present.
Result<void> make_local_path(const std::string& path);

// Is this a directory right below the folder of this node, so that it may be removed? Whoever writes a
// PersistentVolume must not thereby choose what a kubelet deletes. Pure.
bool below_folder(const std::string& folder, const std::string& path);

}  // namespace mk::kubelet
