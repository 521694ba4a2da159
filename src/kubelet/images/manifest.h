#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mk/base/result.h"
#include "mk/kubelet/runtime.h"

namespace mk::kubelet {

struct Platform {
  std::string os, architecture, variant;
};
Platform host_platform();

// A blob as a manifest names it.
struct Descriptor {
  std::string media_type, digest;
  std::int64_t size = 0;
  Platform platform;  // in an index
  std::string name;   // an index' annotation, if any
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // lowest first
};

struct ImageConfig {
  Platform platform;
  std::vector<std::string> diff_ids;  // lowest first
  std::vector<std::string> entrypoint, command, env;
  std::string working_dir, user, stop_signal;
};

// What a registry or an archive may answer with for an image. The type is told by the content itself: media
// types are often missing or wrong.
bool is_index(std::string_view json);
Result<std::vector<Descriptor>> parse_index(std::string_view json);
Result<Manifest> parse_manifest(std::string_view json);
Result<ImageConfig> parse_config(std::string_view json);

// The manifest for this machine: the best variant it can run. kNotFound lists what there is instead.
Result<Descriptor> choose_platform(const std::vector<Descriptor>& manifests, const Platform& host);

// Identifies a layer together with all below it, one id per layer, lowest first.
std::vector<std::string> chain_ids(const std::vector<std::string>& diff_ids);

}  // namespace mk::kubelet
