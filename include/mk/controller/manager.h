#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mk/client/client.h"
#include "mk/pki/certificate.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"
#include "mk/rt/random.h"

namespace mk::controller {

struct ManagerOptions {
  std::string cluster_cidr = "10.42.0.0/16";  // nodes get /24 pieces
  int node_cidr_mask = 24;
  std::string ca_pem;  // published as kube-root-ca.crt in every namespace
  pki::KeyPair ca;     // signs CertificateSigningRequests of Kubernetes' own signers; empty: nobody does
  bool local_storage = true;  // the StorageClass local-path is made; false: removed
  rt::Duration node_monitor_grace =
      std::chrono::seconds(50);  // without a lease renewal: Ready becomes Unknown
};

// All controllers, each with its own queue, on the brain's loop; they share informers. One process at a time
// runs them (the server that leads; a single server always does).
class Manager {
 public:
  virtual ~Manager() = default;
  virtual rt::Task<> start() = 0;  // returns when every informer has synced
  virtual rt::Task<> stop() = 0;
};

// `client_for(name)` gives the client that acts as system:serviceaccount:kube-system:<name>, as Kubernetes'
// controllers do, so that RBAC applies to them too; the clients must outlive the manager. The shared
// informers ask for the name "kube-controller-manager": the user system:kube-controller-manager itself.
using ClientFor = std::function<client::Client&(const std::string& controller)>;
std::unique_ptr<Manager> make_manager(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                      ClientFor client_for, ManagerOptions options);

}  // namespace mk::controller
