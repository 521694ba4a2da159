#pragma once

#include <optional>
#include <string>

#include "mk/base/result.h"
#include "mk/node/options.h"

namespace mk::node {

// The network flags, checked against each other, and what follows from them.
struct NetworkSettings {
  std::string cluster_dns;  // --cluster-dns, or the tenth address of the service CIDR
  std::string api_address;  // of the kubernetes Service: the first
  int node_port_first = 0, node_port_last = 0;
};
Result<NetworkSettings> check_network(const Options& options);

bool is_address(const std::string& text);
std::optional<unsigned> parse_file_mode(const std::string& text);

}  // namespace mk::node
