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
  pki::KeyPair ca;       // the cluster's: servers, nodes, clients
  pki::KeyPair peer_ca;  // of servers' certificates for each other, and of nothing else
  pki::KeyPair serving, kubelet_client, admin;
  pki::KeyPair peer;  // how this server shows itself to the others
  std::string cluster_id;
  bool joined = false;               // the cluster is another server's founding
  std::uint64_t server_id = 0;       // goes with this data directory and is never used again without it
  std::string service_account_key;   // PEM
  std::string token, agent_token;    // passwords of the join tokens
  std::string node_token() const;    // the complete token agents join with
  std::string server_token() const;  // and servers
};

// `addresses` and `names` go into the serving certificate.
Result<ServerFiles> load_server_files(const Options& options, const std::vector<std::string>& names,
                                      const std::vector<std::string>& addresses, std::int64_t now);

}  // namespace mk::node
