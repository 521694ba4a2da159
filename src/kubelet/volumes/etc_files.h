#pragma once

#include <string>
#include <vector>

#include "mk/kubelet/kubelet.h"
#include "pods/pod_view.h"

// /etc/hosts and /etc/resolv.conf of a pod. Pure; the node's own files come in as text.
namespace mk::kubelet {

std::string pod_hostname(const Json& pod, const KubeletOptions& options);
std::string make_hosts(const Json& pod, const KubeletOptions& options, const std::vector<std::string>& ips,
                       const std::string& node_hosts);
std::string make_resolv_conf(const Json& pod, const KubeletOptions& options,
                             const std::string& node_resolv_conf);

}  // namespace mk::kubelet
