#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mk/base/result.h"
#include "mk/kubelet/runtime.h"

namespace mk::kubelet {

// What this process may hand on. Asking runc for more fails the container's start, so everything is cut to
// it.
struct HostLimits {
  std::uint64_t capabilities = 0;  // our bounding set
  bool may_raise_limits = true;    // CAP_SYS_RESOURCE
  int oom_score_adj = 0;           // our own: the lowest a child gets without CAP_SYS_RESOURCE
};
HostLimits read_host_limits();

// "CAP_NET_ADMIN", ... for a container: the default set, plus and minus what its security context says,
// within what the host has. kInvalid for a name that is no capability.
Result<std::vector<std::string>> container_capabilities(const SecurityContext& security,
                                                        const HostLimits& host);

}  // namespace mk::kubelet
