#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "mk/base/result.h"

namespace mk::kubelet {

struct PayloadFile {
  std::string content;
  unsigned mode = 0644;
  std::optional<std::int64_t> uid;
  bool operator==(const PayloadFile&) const = default;
};
// Relative path ("a/b") to file.
using Payload = std::map<std::string, PayloadFile>;

// Writes the files of a configMap, secret, downwardAPI or projected volume as Kubernetes lays them out: a
// timestamped directory, the link "..data" to it, and a link for each top-level name. Readers see all files
// of the old state or all of the new. Does nothing when the directory holds exactly this payload. `gid`
// (fsGroup) owns the files and may read them. Blocking.
Result<void> write_payload(const std::string& dir, const Payload& payload, std::optional<std::int64_t> gid,
                           const std::string& timestamp);

}  // namespace mk::kubelet
