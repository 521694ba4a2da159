#pragma once

#include <string>

#include "http/call.h"
#include "mk/apiserver/servers.h"
#include "mk/pki/certificate.h"
#include "mk/rt/clock.h"
#include "registry/registry.h"

namespace mk::apiserver {

// How a node gets into the cluster: it fetches /cacerts and compares the hash with its token, then posts its
// certificate requests to /v1-mk/node with the token's password and gets certificates and the cluster's
// settings. A node's name belongs to the first machine that joins with it: that machine's own random password
// is kept as a hash in the Secret <name>.node-password.mk of kube-system.
//
// A server that joins posts to /v1-mk/server with the server token and gets what all servers share.
class Join {
 public:
  struct Options {
    std::string ca_pem;
    pki::KeyPair ca;
    std::string agent_token;
    std::string cluster_cidr, service_cidr, cluster_dns, cluster_domain, version;
    std::string server_token;
    Servers* servers = nullptr;
  };
  Join(Options options, Registry& registry) : options_(std::move(options)), registry_(registry) {}

  static bool handles(const RequestInfo& info) {
    return info.path == "/cacerts" || info.path == "/v1-mk/node" || info.path == "/v1-mk/server";
  }
  rt::Task<> handle(Call& call);

 private:
  rt::Task<Result<api::Json>> admit(Call& call);
  Result<std::string> admit_server(const net::Request& request) const;
  rt::Task<Result<void>> claim_name(const std::string& name, const std::string& password);
  Result<std::string> sign(const std::string& csr, const std::string& name, pki::Usage usage,
                           const std::vector<std::string>& addresses) const;

  Options options_;
  Registry& registry_;
};

}  // namespace mk::apiserver
