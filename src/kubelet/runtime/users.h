#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mk/base/result.h"
#include "mk/kubelet/runtime.h"

namespace mk::kubelet {

struct ContainerUser {
  std::int64_t uid = 0, gid = 0;
  std::vector<std::int64_t> groups;  // additional
};

// Whom a container runs as, by the texts of its rootfs' /etc/passwd and /etc/group: the pod's numbers first,
// else the image's "user[:group]", names or numbers. kInvalid when a name is unknown there.
Result<ContainerUser> resolve_user(const SecurityContext& security, std::string_view passwd,
                                   std::string_view group);

// A small file of a container's root, never following links out of it; "" when absent.
std::string read_in_root(const std::string& root, const std::string& path);

}  // namespace mk::kubelet
