#pragma once

#include "registry/registry.h"

namespace mk::apiserver {

struct BootstrapOptions {
  std::string service_cidr;
  std::vector<std::string> addresses;  // of the servers, sorted: endpoints of the kubernetes Service
  int port = 6443;
};

// Writes what every cluster has and puts back what is missing: namespaces, default RBAC policy, priority
// classes, the kubernetes Service with its endpoints. Runs at each start; writes nothing when all is there.
rt::Task<Result<void>> bootstrap(Registry& registry, BootstrapOptions options);

// The first usable address of a CIDR plus `offset`: "10.43.0.0/16", 1 -> "10.43.0.1".
std::string address_in(const std::string& cidr, unsigned offset);

}  // namespace mk::apiserver
