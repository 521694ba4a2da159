#pragma once

#include <string>
#include <string_view>

#include "mk/base/result.h"

namespace mk::kubelet {

// An image's name, complete: "busybox" is docker.io/library/busybox:latest.
struct Reference {
  std::string registry;    // "docker.io", "reg:5000"
  std::string repository;  // "library/busybox"
  std::string tag;         // "" only when there is a digest
  std::string digest;      // "sha256:..." or ""

  std::string name() const { return registry + "/" + repository; }
  std::string tagged() const { return tag.empty() ? std::string() : name() + ":" + tag; }
  // What identifies the image to a registry: the digest, if there is one, else the tag.
  const std::string& version() const { return digest.empty() ? tag : digest; }
  std::string str() const;
};

// As Docker and containerd read it. kInvalid, in the kubelet's words, when it is no reference.
Result<Reference> parse_reference(std::string_view text);

}  // namespace mk::kubelet
