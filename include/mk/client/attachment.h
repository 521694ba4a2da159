#pragma once

#include <string>

namespace mk::client {

// The name of the VolumeAttachment of a CSI volume on a node: the controller that makes the object and the
// kubelet that may only get it by name come to the same one (as Kubernetes makes it).
std::string attachment_name(const std::string& handle, const std::string& driver, const std::string& node);

}  // namespace mk::client
