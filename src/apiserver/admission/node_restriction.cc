#include "admission/node_restriction.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "auth/node_authorizer.h"
#include "mk/base/strings.h"
#include "mk/pki/certificate.h"

namespace mk::apiserver {
namespace {

using api::Json;
using api::JsonObject;

constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";
constexpr std::string_view kRestrictedDomain = "node-restriction.kubernetes.io";

// Labels in Kubernetes' own domains that a node may give itself.
const std::set<std::string_view>& own_labels() {
  static const std::set<std::string_view> kLabels = {"kubernetes.io/hostname",
                                                     "kubernetes.io/os",
                                                     "kubernetes.io/arch",
                                                     "kubernetes.io/instance-type",
                                                     "beta.kubernetes.io/os",
                                                     "beta.kubernetes.io/arch",
                                                     "beta.kubernetes.io/instance-type",
                                                     "node.kubernetes.io/instance-type",
                                                     "node.kubernetes.io/windows-build",
                                                     "failure-domain.beta.kubernetes.io/zone",
                                                     "failure-domain.beta.kubernetes.io/region",
                                                     "topology.kubernetes.io/zone",
                                                     "topology.kubernetes.io/region"};
  return kLabels;
}

bool in_domain(std::string_view prefix, std::string_view domain) {
  return prefix == domain || (prefix.size() > domain.size() && prefix.ends_with(domain) &&
                              prefix[prefix.size() - domain.size() - 1] == '.');
}

bool label_forbidden(std::string_view key) {
  const auto slash = key.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view prefix = key.substr(0, slash);
  if (in_domain(prefix, kRestrictedDomain)) return true;
  if (!in_domain(prefix, "kubernetes.io") && !in_domain(prefix, "k8s.io")) return false;
  if (in_domain(prefix, "kubelet.kubernetes.io") || in_domain(prefix, "node.kubernetes.io")) return false;
  return own_labels().count(key) == 0;
}

std::vector<std::string> forbidden_label_changes(const Json& object, const Json* old) {
  static const JsonObject kNone;
  const JsonObject& now = api::object(object, "metadata.labels");
  const JsonObject& before = old == nullptr ? kNone : api::object(*old, "metadata.labels");
  std::set<std::string> out;
  for (const auto& [key, value] : now) {
    const Json* was = before.if_contains(key);
    if ((was == nullptr || *was != value) && label_forbidden(key)) out.emplace(key);
  }
  for (const auto& [key, value] : before) {
    if (!now.contains(key) && label_forbidden(key)) out.emplace(key);
  }
  return {out.begin(), out.end()};
}

bool same(const Json& a, const Json& b, std::string_view path) {
  const Json *left = api::find(a, path), *right = api::find(b, path);
  return (left == nullptr) == (right == nullptr) && (left == nullptr || *left == *right);
}

// What a mirror pod must not name: the node could read it then.
std::string_view forbidden_reference(const Json& pod) {
  if (!api::str(pod, "spec.serviceAccountName").empty()) return "a service account";
  for (const auto& volume : api::list(pod, "spec.volumes")) {
    if (api::member(volume, "secret") != nullptr) return "secrets";
    if (api::member(volume, "configMap") != nullptr) return "configmaps";
    if (api::member(volume, "persistentVolumeClaim") != nullptr) return "persistentvolumeclaims";
    if (api::member(volume, "projected") != nullptr) return "projected volumes";
    if (api::member(volume, "ephemeral") != nullptr) return "ephemeral volumes";
  }
  if (!api::list(pod, "spec.imagePullSecrets").empty()) return "secrets";
  if (!api::list(pod, "spec.resourceClaims").empty()) return "resourceclaims";
  for (const std::string_view containers : {"spec.containers", "spec.initContainers"}) {
    for (const auto& container : api::list(pod, containers)) {
      for (const auto& source : api::list(container, "envFrom")) {
        if (api::member(source, "secretRef") != nullptr) return "secrets";
        if (api::member(source, "configMapRef") != nullptr) return "configmaps";
      }
      for (const auto& variable : api::list(container, "env")) {
        if (api::find(variable, "valueFrom.secretKeyRef") != nullptr) return "secrets";
        if (api::find(variable, "valueFrom.configMapKeyRef") != nullptr) return "configmaps";
      }
    }
  }
  return "";
}

bool is_mirror(const Json& pod) {
  const Json* annotations = api::find(pod, "metadata.annotations");
  return annotations != nullptr && api::member(*annotations, kMirrorAnnotation) != nullptr;
}

// One write by one node.
class NodeWrite {
 public:
  NodeWrite(Cacher& cacher, const WriteContext& context, std::string node, const Json* object,
            const Json* old)
      : cacher_(cacher), context_(context), node_(std::move(node)), object_(object), old_(old) {}

  Result<void> check() {
    const std::string& group = context_.resource->gvr.group;
    const std::string& resource = context_.resource->gvr.resource;
    if (group.empty() && resource == "pods") return check_pods();
    if (group.empty() && resource == "nodes") return check_node();
    if (group.empty() && resource == "persistentvolumeclaims") return check_claim();
    if (group.empty() && resource == "serviceaccounts" && context_.subresource == "token")
      return check_token();
    if (group == "coordination.k8s.io" && resource == "leases") return check_lease();
    if (group == "storage.k8s.io" && resource == "csinodes") return check_name("CSINode");
    if (group == "resource.k8s.io" && resource == "resourceslices") return check_slice();
    if (group == "certificates.k8s.io" && resource == "certificatesigningrequests") return check_csr();
    return ok();
  }

 private:
  bool creates() const { return context_.operation == "CREATE"; }
  bool deletes() const { return context_.operation == "DELETE"; }
  std::string name() const {
    if (!context_.name.empty()) return context_.name;
    return object_ == nullptr ? "" : std::string(api::str(*object_, "metadata.name"));
  }
  Error refuse(std::string_view why) const {
    Error error(Reason::kForbidden,
                fmt::format("{} \"{}\" is forbidden: {}", context_.resource->gvr.qualified(), name(), why));
    error.group = context_.resource->gvr.group;
    error.kind = context_.resource->gvr.resource;
    error.name = name();
    return error;
  }
  template <class... Args>
  Error refuse(fmt::format_string<Args...> text, Args&&... args) const requires(sizeof...(Args) > 0) {
    return refuse(std::string_view(fmt::format(text, std::forward<Args>(args)...)));
  }

  bool runs_here(const Json& pod) const { return api::str(pod, "spec.nodeName") == node_; }

  Result<void> check_pods() {
    if (context_.subresource == "eviction") return check_eviction();
    if (context_.subresource == "status") {
      if (old_ != nullptr && !runs_here(*old_))
        return refuse("node \"{}\" can only update pod status for pods with spec.nodeName set to itself",
                      node_);
      if (object_ != nullptr && old_ != nullptr && !same(*object_, *old_, "metadata.labels"))
        return refuse("node \"{}\" cannot update labels through pod status", node_);
      return ok();
    }
    if (!context_.subresource.empty())
      return refuse("unexpected pod subresource \"{}\"", context_.subresource);
    if (creates() && object_ != nullptr) return check_mirror_pod();
    if (deletes()) {
      if (old_ != nullptr && !runs_here(*old_))
        return refuse("node \"{}\" can only delete pods with spec.nodeName set to itself", node_);
      return ok();
    }
    return refuse("unexpected operation \"{}\"", context_.operation);
  }

  Result<void> check_mirror_pod() {
    const Json& pod = *object_;
    if (!is_mirror(pod))
      return refuse("pod does not have \"{}\" annotation, node \"{}\" can only create mirror pods",
                    kMirrorAnnotation, node_);
    if (!runs_here(pod))
      return refuse("node \"{}\" can only create pods with spec.nodeName set to itself", node_);
    if (const auto what = forbidden_reference(pod); !what.empty())
      return refuse("node \"{}\" can not create pods that reference {}", node_, what);
    return check_mirror_owner(pod);
  }

  Result<void> check_mirror_owner(const Json& pod) {
    const auto& owners = api::list(pod, "metadata.ownerReferences");
    if (owners.empty()) return ok();
    if (owners.size() > 1)
      return refuse("node \"{}\" can only create pods with a single owner reference set to itself", node_);
    const Json& owner = owners[0];
    if (api::str(owner, "apiVersion") != "v1" || api::str(owner, "kind") != "Node" ||
        api::str(owner, "name") != node_)
      return refuse("node \"{}\" can only create pods with an owner reference set to itself", node_);
    if (!api::flag(owner, "controller"))
      return refuse("node \"{}\" can only create pods with a controller owner reference set to itself",
                    node_);
    if (api::flag(owner, "blockOwnerDeletion"))
      return refuse("node \"{}\" must not set blockOwnerDeletion on an owner reference", node_);
    const api::Object own = cacher_.get(api::resources::kNodes, api::Key("", node_));
    if (!own || own.uid() != api::str(owner, "uid"))
      return refuse("node {} UID mismatch: expected {} got {}", node_, own ? own.uid() : "",
                    api::str(owner, "uid"));
    return ok();
  }

  Result<void> check_eviction() {
    const api::Object pod = cacher_.get(api::resources::kPods, api::Key(context_.ns, name()));
    if (pod && !runs_here(pod.json()))
      return refuse("node {} can only evict pods with spec.nodeName set to itself", node_);
    return ok();
  }

  Result<void> check_node() {
    if (name() != node_) return refuse("node \"{}\" is not allowed to modify node \"{}\"", node_, name());
    if (deletes()) return refuse("node \"{}\" cannot delete itself", node_);
    if (object_ == nullptr) return ok();
    if (const auto labels = forbidden_label_changes(*object_, old_); !labels.empty())
      return refuse("is not allowed to {} the following labels: {}", old_ == nullptr ? "set" : "modify",
                    join(labels, ", "));
    if (old_ == nullptr) return ok();
    if (!same(*object_, *old_, "metadata.ownerReferences"))
      return refuse("node \"{}\" is not allowed to modify ownerReferences", node_);
    if (!same(*object_, *old_, "spec.taints"))
      return refuse("node \"{}\" is not allowed to modify taints", node_);
    return ok();
  }

  Result<void> check_claim() {
    if (context_.subresource != "status") return refuse("may only update PVC status");
    if (object_ != nullptr && old_ != nullptr && !same(*object_, *old_, "spec"))
      return refuse("node \"{}\" may not update fields other than status of a persistentvolumeclaim", node_);
    return ok();
  }

  Result<void> check_token() {
    const Json* bound = object_ == nullptr ? nullptr : api::find(*object_, "spec.boundObjectRef");
    if (bound == nullptr || api::str(*bound, "apiVersion") != "v1" || api::str(*bound, "kind") != "Pod" ||
        api::str(*bound, "name").empty())
      return refuse("node requested token not bound to a pod");
    if (api::str(*bound, "uid").empty())
      return refuse("node requested token with a pod binding without a uid");
    const api::Object pod =
        cacher_.get(api::resources::kPods, api::Key(context_.ns, std::string(api::str(*bound, "name"))));
    if (!pod) return refuse("pod \"{}\" not found", api::str(*bound, "name"));
    if (api::str(*bound, "uid") != pod.uid())
      return refuse("the UID in the bound object reference ({}) does not match the UID in record ({})",
                    api::str(*bound, "uid"), pod.uid());
    if (!runs_here(pod.json()))
      return refuse("node requested token bound to a pod scheduled on a different node");
    if (is_mirror(pod.json())) return refuse("node requested token bound to a mirror pod");
    return check_audiences(pod.json());
  }

  // A token for others than the API server only as the pod (or the driver of one of its volumes) asks for it.
  Result<void> check_audiences(const Json& pod) {
    std::set<std::string> allowed;
    for (const auto& volume : api::list(pod, "spec.volumes")) {
      for (const auto& source : api::list(volume, "projected.sources")) {
        if (api::member(source, "serviceAccountToken") != nullptr)
          allowed.emplace(api::str(source, "serviceAccountToken.audience"));
      }
      if (const auto driver = driver_of(volume); !driver.empty()) allow_driver(driver, allowed);
    }
    for (const auto& item : api::list(*object_, "spec.audiences")) {
      const auto* audience = item.if_string();
      if (audience != nullptr && allowed.count(std::string(*audience)) == 0)
        return refuse("audience \"{}\" not found in pod spec volume", std::string_view(*audience));
    }
    return ok();
  }

  std::string driver_of(const Json& volume) const {
    if (const auto driver = api::str(volume, "csi.driver"); !driver.empty()) return std::string(driver);
    const auto claim_name = api::str(volume, "persistentVolumeClaim.claimName");
    if (claim_name.empty()) return "";
    const api::Object claim =
        cacher_.get({"", "v1", "persistentvolumeclaims"}, api::Key(context_.ns, std::string(claim_name)));
    if (!claim) return "";
    const api::Object bound =
        cacher_.get({"", "v1", "persistentvolumes"},
                    api::Key("", std::string(api::str(claim.json(), "spec.volumeName"))));
    return bound ? std::string(api::str(bound.json(), "spec.csi.driver")) : "";
  }

  void allow_driver(const std::string& driver, std::set<std::string>& allowed) const {
    const api::Object object = cacher_.get({"storage.k8s.io", "v1", "csidrivers"}, api::Key("", driver));
    if (!object) return;
    for (const auto& request : api::list(object.json(), "spec.tokenRequests"))
      allowed.emplace(api::str(request, "audience"));
  }

  Result<void> check_lease() {
    if (context_.ns != "kube-node-lease")
      return refuse("can only access leases in the \"kube-node-lease\" system namespace");
    if (name() != node_)
      return refuse("can only access node lease with the same name as the requesting node");
    return ok();
  }

  Result<void> check_name(std::string_view kind) {
    if (name() != node_) return refuse("can only access {} with the same name as the requesting node", kind);
    return ok();
  }

  Result<void> check_slice() {
    for (const Json* slice : {object_, old_}) {
      if (slice != nullptr && api::str(*slice, "spec.nodeName") != node_)
        return refuse(
            "can only create, update or delete a ResourceSlice with spec.nodeName set to the requesting "
            "node");
    }
    return ok();
  }

  Result<void> check_csr() {
    if (!creates() || object_ == nullptr) return ok();
    const auto signer = api::str(*object_, "spec.signerName");
    if (signer != "kubernetes.io/kube-apiserver-client-kubelet" && signer != "kubernetes.io/kubelet-serving")
      return ok();
    const auto pem = base64_decode(api::str(*object_, "spec.request"));
    const auto request = pki::parse_csr(pem.value_or(""));
    if (!request.ok()) return refuse("unable to parse csr: {}", request.error().message());
    if (request->common_name != "system:node:" + node_)
      return refuse("can only create a node CSR with CN={}", "system:node:" + node_);
    return ok();
  }

  Cacher& cacher_;
  const WriteContext& context_;
  const std::string node_;
  const Json* object_;
  const Json* old_;
};

class NodeRestriction : public AdmissionPlugin {
 public:
  explicit NodeRestriction(Cacher& cacher) : cacher_(cacher) {}
  std::string_view name() const override { return "NodeRestriction"; }

  Result<void> validate(const WriteContext& context, const Json* object, const Json* old) override {
    const std::string_view node = node_identity(context.user);
    if (node.empty() || context.resource == nullptr) return ok();
    return NodeWrite(cacher_, context, std::string(node), object, old).check();
  }

 private:
  Cacher& cacher_;
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_node_restriction(Cacher& cacher) {
  return std::make_unique<NodeRestriction>(cacher);
}

}  // namespace mk::apiserver
