#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mk/apiserver/servers.h"
#include "mk/client/client.h"
#include "mk/net/server.h"
#include "mk/pki/certificate.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"
#include "mk/store/store.h"

namespace mk::apiserver {

struct ServerOptions {
  std::string bind_address = "0.0.0.0";
  int port = 6443;
  std::string advertise_address;  // how others reach this server: endpoints of the kubernetes Service
  std::string cluster_cidr = "10.42.0.0/16", service_cidr = "10.43.0.0/16";
  std::string cluster_dns = "10.43.0.10", cluster_domain = "cluster.local";
  int node_port_first = 30000, node_port_last = 32767;
  std::string version;  // "v1.36.0+mk1"

  net::TlsIdentity identity;    // serving certificate; CA of client certificates
  std::string ca_pem;           // the cluster's CA, which signed the serving certificates
  pki::KeyPair ca;              // signs joining nodes' certificates, serving and client ones
  pki::KeyPair kubelet_client;  // how this server shows itself to kubelets
  std::vector<std::string> service_account_keys;  // PEM; the first signs
  std::string agent_token;                        // what a joining node must know
  std::string server_token;                       // what a joining server must know
  Servers* servers = nullptr;                     // beside this one; none: it stays alone
};

// The API server: everything goes through it. Owns caches, registry, admission, authentication and
// authorization.
class ApiServer {
 public:
  virtual ~ApiServer() = default;
  // Reads the store, writes what every cluster has (namespaces, default roles, the kubernetes Service), then
  // listens. Errors are for the person who started mk.
  virtual rt::Task<Result<void>> start() = 0;
  virtual rt::Task<> stop() = 0;
  // The port in use.
  virtual int port() const = 0;
  // The in-process way in for parts of mk, as that user; lives as long as the server. After start().
  virtual client::Client& client_as(const std::string& user, const std::vector<std::string>& groups) = 0;
  // Shown by /readyz: "" when fine.
  virtual void add_ready_check(std::string name, std::function<std::string()> check) = 0;
};

std::unique_ptr<ApiServer> make_api_server(rt::Loop& loop, rt::Clock& clock, store::Store& store,
                                           ServerOptions options);

}  // namespace mk::apiserver
