#pragma once

#include <functional>
#include <string>

#include "mk/base/result.h"

namespace mk::net {

// A UDP flow as the kernel's connection tracking knows it.
struct Flow {
  std::string to_ip;  // where the client sends to
  int to_port = 0;
  std::string from_ip;  // who answers: the endpoint, or to_ip when nothing was translated
};

// Forgets the UDP flows of this network namespace that `stale` names; how many. Blocking.
Result<int> forget_flows(const std::function<bool(const Flow&)>& stale);

}  // namespace mk::net
