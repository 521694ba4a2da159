#pragma once

#include <memory>

#include "registry/strategies/fields.h"
#include "registry/strategy.h"

namespace mk::apiserver {

// A kind whose rules are a handful of functions. Those that are not given do nothing.
struct Rules {
  void (*defaults)(api::Json& object) = nullptr;
  void (*validate)(const api::Json& object, Report& report) = nullptr;
  void (*validate_update)(const api::Json& object, const api::Json& old, Report& report) = nullptr;
  std::vector<std::string_view> immutable = {};  // paths
  bool status = true;
  bool create_on_update = false;
};

std::unique_ptr<Strategy> make_simple(Rules rules);

// Registration, by area.
void add_config(StrategySet& set);     // ConfigMap, Secret, ServiceAccount, Event
void add_cluster(StrategySet& set);    // Namespace, Node, Lease, RuntimeClass, PriorityClass
void add_endpoints(StrategySet& set);  // Endpoints, EndpointSlice
void add_quota(StrategySet& set);      // LimitRange, ResourceQuota
void add_storage(StrategySet& set);    // volumes, claims, classes, CSI
void add_policy(StrategySet& set);     // PodDisruptionBudget, HorizontalPodAutoscaler
void add_rbac(StrategySet& set);
void add_networking(StrategySet& set);  // Ingress, NetworkPolicy ...
void add_certificates(StrategySet& set);
void add_registrations(StrategySet& set);  // webhooks, APIService, CustomResourceDefinition, flow control
void add_admission_policies(StrategySet& set);
void add_devices(StrategySet& set);  // DeviceClass, ResourceClaim, ResourceSlice ...

}  // namespace mk::apiserver
