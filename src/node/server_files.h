#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mk/base/result.h"
#include "mk/node/options.h"
#include "mk/pki/certificate.h"

namespace mk::node {

// Keys, certificates and tokens of a server, kept in <data-dir>/server/ and made at its first start. Leaf
// certificates are made anew at a start when they expire within 120 days or no longer fit the names and
// addresses.
struct ServerFiles {
  pki::KeyPair ca;  // the cluster's: servers, nodes, clients
  pki::KeyPair serving, kubelet_client, admin;
  std::string service_account_key;  // PEM
  std::string token, agent_token;   // passwords of the join tokens
  std::string node_token() const;   // the complete token agents join with
};

// `addresses` and `names` go into the serving certificate.
Result<ServerFiles> load_server_files(const Options& options, const std::vector<std::string>& names,
                                      const std::vector<std::string>& addresses, std::int64_t now);

}  // namespace mk::node
