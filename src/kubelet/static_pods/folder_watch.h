#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/rt/clock.h"
#include "mk/rt/fd.h"

namespace mk::kubelet {

// Tells that something in a folder was written, moved, made or removed (inotify). A folder that went away, or
// is not there yet, is looked for again every few seconds.
class FolderWatch {
 public:
  FolderWatch(rt::Executor executor, rt::Clock& clock, std::string folder);

  // Until something may have changed since the last call returned; gives the names that went, also of those
  // that came again at once. The first call returns once the folder is watched: whoever reads it after that
  // misses nothing.
  rt::Task<std::vector<std::string>> changed();

 private:
  bool watch();

  rt::Clock& clock_;
  std::string folder_;
  rt::AsyncFd notify_;
  bool watching_ = false;
};

}  // namespace mk::kubelet
