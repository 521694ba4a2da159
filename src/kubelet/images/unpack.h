#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mk/base/result.h"

namespace mk::kubelet {

struct UnpackedLayer {
  std::string diff_id;    // digest of the uncompressed tar, as read
  std::int64_t size = 0;  // bytes of regular files
};

// Unpacks a layer (tar; plain, gzip or zstd) into the folder `target`, in overlayfs' terms: a whiteout
// becomes a character device 0/0, an opaque folder gets trusted.overlay.opaque. `parents` are the folders of
// the layers below, nearest first: a folder the tar implies but does not contain takes mode and owner from
// there. Nothing is ever written outside `target`, whatever the tar says: such a layer is kInvalid.
Result<UnpackedLayer> unpack_layer(const std::string& tar_path, const std::string& target,
                                   const std::vector<std::string>& parents);

}  // namespace mk::kubelet
