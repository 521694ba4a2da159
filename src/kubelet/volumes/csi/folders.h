#pragma once

#include <string>
#include <vector>

#include "mk/base/result.h"

namespace mk::kubelet {

// <data dir>/pods/<uid>/volumes/kubernetes.io~csi/<volume>: vol_data.json, and "mount", where the driver
// mounts. All blocking.
class CsiFolder {
 public:
  struct Note {
    std::string driver, handle;  // "": nothing was asked of a driver
    bool staged = false;
  };

  CsiFolder(const std::string& data_dir, const std::string& pod_uid, const std::string& volume);
  std::string target() const { return path_ + "/mount"; }
  // Makes the folder, and what is to be known to take the mount back.
  Result<void> write(const std::string& driver, const std::string& handle, bool staged) const;

  static std::vector<std::string> of_pod(const std::string& data_dir, const std::string& pod_uid);
  static Note read(const std::string& path);
  // Does another pod of this node have the same volume?
  static bool used_elsewhere(const std::string& data_dir, const std::string& path, const Note& note);

 private:
  std::string path_;
};

}  // namespace mk::kubelet
