#include "images/manifest.h"

#include "fuzz/target.h"
#include "images/digest.h"
#include "mk/base/assert.h"

// What a registry says of an image: nothing but well-formed digests may name files.
MK_FUZZ_TARGET(manifest, input) {
  using namespace mk::kubelet;
  (void)is_index(input);
  if (const auto index = parse_index(input); index.ok()) (void)choose_platform(*index, host_platform()).ok();
  if (const auto manifest = parse_manifest(input); manifest.ok()) {
    MK_ASSERT(valid_digest(manifest->config.digest));
    for (const auto& layer : manifest->layers) MK_ASSERT(valid_digest(layer.digest));
  }
  if (const auto config = parse_config(input); config.ok())
    MK_ASSERT(chain_ids(config->diff_ids).size() == config->diff_ids.size());
}
