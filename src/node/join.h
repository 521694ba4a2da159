#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/net/client.h"
#include "mk/node/options.h"
#include "mk/pki/certificate.h"
#include "process.h"
#include "worker.h"

namespace mk::node {

// What a node has after joining; kept in <data-dir>/agent/, so that it starts again without the token's
// server.
struct Membership {
  std::string ca_pem;
  pki::KeyPair client, serving;
  ClusterSettings cluster;
};

// A client of options.join that knows the token's password, and the CA of that server: believed only if it is
// the one whose hash the token carries.
struct TokenClient {
  std::string ca_pem;
  std::unique_ptr<net::HttpClient> http;
};
rt::Task<Result<TokenClient>> connect_by_token(Process& process, const Options& options);

// Joins through options.join with options.token, or renews: the server gives the same node name only to the
// machine that joined with it first. With a membership on disk that is still good for 30 days, asks nobody.
rt::Task<Result<Membership>> join_cluster(Process& process, const Options& options, std::string node_name,
                                          std::vector<std::string> addresses);

}  // namespace mk::node
