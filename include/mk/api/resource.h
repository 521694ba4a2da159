#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/types.h"

namespace mk::api {

struct Subresource {
  std::string name;  // "status", "scale", "log", "token" ...
  Gvk kind;          // what it reads and writes
  std::vector<std::string> verbs;
};

struct Type;

// What a resource that was added at run time (by a CRD) brings along, beyond what discovery says of it. The
// API server knows what stands behind it.
class ResourceExtension {
 public:
  virtual ~ResourceExtension() = default;
  virtual const Type& type() const = 0;
};

// One resource of the API, built in (from discovery.json) or from a CRD.
struct ResourceInfo {
  Gvr gvr;
  std::string kind;
  std::string singular;
  bool namespaced = false;
  std::vector<std::string> verbs, short_names, categories;
  std::vector<Subresource> subresources;
  // Fields a field selector may name, besides metadata.name and metadata.namespace. Empty for built-in
  // resources: their fields are part of the API server's code.
  std::vector<std::string> selectable_fields;
  std::shared_ptr<const ResourceExtension> extension;  // nullptr: built in

  Gvk gvk() const { return {gvr.group, gvr.version, kind}; }
  bool has_verb(std::string_view verb) const;
  const Subresource* subresource(std::string_view name) const;
};

// Every built-in resource that a stock 1.36 cluster serves by default (discovery.json without alpha and
// beta versions), in discovery order. Lives as long as the program.
std::span<const ResourceInfo> builtin_resources();
const ResourceInfo* find_builtin(const Gvr& gvr);
const ResourceInfo* find_builtin(const Gvk& gvk);

// The resources of one CustomResourceDefinition, one for each version it serves, as discovery shows them. The
// names are those that status.acceptedNames has. Empty until the definition is established. What clients of
// the API make of it too (collectors that must know every resource), so nothing but the object is looked at.
std::vector<ResourceInfo> defined_resources(const Json& definition);
// "v2" before "v1" before "v2beta1" before "v1alpha1" before anything else in order of its text: the order in
// which Kubernetes prefers versions.
bool preferred_version(std::string_view left, std::string_view right);

// Resources that code of ours names.
namespace resources {
inline const Gvr kPods{"", "v1", "pods"};
inline const Gvr kServices{"", "v1", "services"};
inline const Gvr kEndpoints{"", "v1", "endpoints"};
inline const Gvr kNodes{"", "v1", "nodes"};
inline const Gvr kNamespaces{"", "v1", "namespaces"};
inline const Gvr kConfigMaps{"", "v1", "configmaps"};
inline const Gvr kSecrets{"", "v1", "secrets"};
inline const Gvr kServiceAccounts{"", "v1", "serviceaccounts"};
inline const Gvr kEvents{"", "v1", "events"};
inline const Gvr kDeployments{"apps", "v1", "deployments"};
inline const Gvr kReplicaSets{"apps", "v1", "replicasets"};
inline const Gvr kDaemonSets{"apps", "v1", "daemonsets"};
inline const Gvr kStatefulSets{"apps", "v1", "statefulsets"};
inline const Gvr kJobs{"batch", "v1", "jobs"};
inline const Gvr kLeases{"coordination.k8s.io", "v1", "leases"};
inline const Gvr kEndpointSlices{"discovery.k8s.io", "v1", "endpointslices"};
inline const Gvr kClusterRoles{"rbac.authorization.k8s.io", "v1", "clusterroles"};
inline const Gvr kClusterRoleBindings{"rbac.authorization.k8s.io", "v1", "clusterrolebindings"};
inline const Gvr kRoles{"rbac.authorization.k8s.io", "v1", "roles"};
inline const Gvr kRoleBindings{"rbac.authorization.k8s.io", "v1", "rolebindings"};
}  // namespace resources

}  // namespace mk::api
