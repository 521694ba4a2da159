#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "mk/base/result.h"

namespace mk::kubelet {

// Unpacked layers: <dir>/<first 32 hex digits of the chain id>/diff, whole or not there. The short name keeps
// overlayfs' option string (4096 bytes) long enough for a hundred layers. Thread-safe.
class LayerStore {
 public:
  explicit LayerStore(std::string dir) : dir_(std::move(dir)) {}

  Result<void> prepare();
  const std::string& dir() const { return dir_; }
  static std::string short_name(const std::string& chain_id);  // the folder within dir()
  bool has(const std::string& chain_id) const;
  std::int64_t size(const std::string& chain_id) const;

  // Unpacks `tar` as the last of `chain` (chain ids, lowest first), unless it is there. kInvalid when its
  // content is not `diff_id`. Two callers with the same layer: the second waits for the first.
  Result<void> unpack(const std::vector<std::string>& chain, const std::string& diff_id,
                      const std::string& tar);
  // Deletes every layer that `keep` (short names) does not have, and half-made ones.
  void sweep(const std::set<std::string>& keep);

 private:
  Result<void> unpack_into(const std::string& temporary, const std::vector<std::string>& chain,
                           const std::string& diff_id, const std::string& tar);
  std::string folder(const std::string& chain_id) const { return dir_ + "/" + short_name(chain_id); }

  std::string dir_;
  std::mutex mutex_;  // layers of one store are unpacked one at a time: the disk is the bottleneck
};

}  // namespace mk::kubelet
