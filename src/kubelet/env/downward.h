#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mk/base/result.h"
#include "pods/pod_view.h"
#include "pods/resources.h"

// The downward API: what a pod may learn about itself, in its environment or in files.
namespace mk::kubelet {

struct DownwardInputs {
  const Json* pod = nullptr;
  NodeCapacity allocatable;
  std::string node_ip;
  std::vector<std::string> pod_ips;
};

// "metadata.name", "status.podIP", "metadata.labels['x']" ... kInvalid for a path that is none of them.
Result<std::string> field_value(const DownwardInputs& in, std::string_view path);
// A resourceFieldRef; `default_container` where it names none.
Result<std::string> resource_value(const DownwardInputs& in, const Json& ref,
                                   std::string_view default_container);

}  // namespace mk::kubelet
