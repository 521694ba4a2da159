#include "auth/node_authorizer.h"

#include <fmt/format.h>

#include "auth/rules.h"
#include "mk/api/volume_matching.h"
#include "mk/base/strings.h"

namespace mk::apiserver {
namespace {

const api::Gvr kPersistentVolumes{"", "v1", "persistentvolumes"};
const api::Gvr kVolumeAttachments{"storage.k8s.io", "v1", "volumeattachments"};
const api::Gvr kResourceSlices{"resource.k8s.io", "v1", "resourceslices"};

Decision allow() {
  return {true, ""};
}
Decision refuse(std::string reason) {
  return {false, std::move(reason)};
}

bool any_of(std::string_view verb, std::initializer_list<std::string_view> verbs) {
  for (const auto own : verbs) {
    if (own == verb) return true;
  }
  return false;
}

bool reads(std::string_view verb) {
  return any_of(verb, {"get", "list", "watch"});
}

// What every node may do whichever pods it runs; the kinds with rules of their own are not here.
const std::vector<PolicyRule>& common_rules() {
  static const std::vector<PolicyRule> kRules = {
      {{"create"}, {"authentication.k8s.io"}, {"tokenreviews"}, {}, {}},
      {{"create"}, {"authorization.k8s.io"}, {"subjectaccessreviews", "localsubjectaccessreviews"}, {}, {}},
      {{"get", "list", "watch"}, {""}, {"services"}, {}, {}},
      {{"get"}, {""}, {"endpoints"}, {}, {}},
      {{"create", "update", "patch"}, {"", "events.k8s.io"}, {"events"}, {}, {}},
      {{"create", "get", "list", "watch"}, {"certificates.k8s.io"}, {"certificatesigningrequests"}, {}, {}},
      {{"get", "list", "watch"}, {"storage.k8s.io"}, {"csidrivers"}, {}, {}},
      {{"get", "list", "watch"}, {"node.k8s.io"}, {"runtimeclasses"}, {}, {}},
  };
  return kRules;
}

std::string unrelated(const std::string& node) {
  return fmt::format("no relationship found between node '{}' and this object", node);
}

// The one object a request is about: by name, or as a list or watch of that name alone.
std::string single_name(const Attributes& attributes) {
  if (!attributes.name.empty()) return attributes.name;
  auto terms = api::parse_field_selector(attributes.field_selector);
  if (!terms.ok()) return "";
  for (const auto& term : *terms) {
    if (term.equal && term.path == "metadata.name") return term.value;
  }
  return "";
}

}  // namespace

std::string_view node_identity(const UserInfo& user) {
  constexpr std::string_view kPrefix = "system:node:";
  const std::string_view name = user.name;
  if (!name.starts_with(kPrefix) || !user.in_group("system:nodes")) return {};
  return name.substr(kPrefix.size());
}

bool selects_field(std::string_view field_selector, std::string_view field, std::string_view value) {
  if (field_selector.empty()) return false;
  const auto terms = api::parse_field_selector(field_selector);
  if (!terms.ok()) return false;
  for (const auto& term : *terms) {
    if (term.equal && term.path == field && term.value == value) return true;
  }
  return false;
}

NodeAuthorizer::NodeAuthorizer(Cacher& cacher) : cacher_(cacher), graph_(std::make_shared<NodeGraph>()) {
  std::weak_ptr<NodeGraph> weak = graph_;
  auto& pods = cacher.resource(api::resources::kPods);
  pods.for_each("", [&](const api::Object& pod) { return graph_->change_pod({}, pod), true; });
  pods.on_change([weak](const CacheEvent& event) {
    if (auto graph = weak.lock())
      graph->change_pod(event.before, event.removed ? api::Object() : event.after);
  });
  auto& volumes = cacher.resource(kPersistentVolumes);
  volumes.for_each("", [&](const api::Object& volume) { return graph_->change_volume({}, volume), true; });
  volumes.on_change([weak](const CacheEvent& event) {
    if (auto graph = weak.lock())
      graph->change_volume(event.before, event.removed ? api::Object() : event.after);
  });
}

Decision NodeAuthorizer::authorize(const Attributes& attributes, std::string_view identity) {
  const std::string node(identity);
  if (attributes.resource_request) {
    const std::string& group = attributes.group;
    const std::string& resource = attributes.resource;
    if (group.empty()) {
      if (resource == "secrets") return read_one(attributes, node, "secret");
      if (resource == "configmaps") return read_one(attributes, node, "configmap");
      if (resource == "persistentvolumeclaims" && attributes.subresource == "status")
        return update_claim_status(attributes, node);
      if (resource == "persistentvolumeclaims") return read_one(attributes, node, "persistentvolumeclaim");
      if (resource == "persistentvolumes") return use_volume(attributes, node);
      if (resource == "serviceaccounts") return create_token(attributes, node);
      if (resource == "nodes") return use_node(attributes, node);
      if (resource == "pods") return use_pod(attributes, node);
    }
    if (group == "coordination.k8s.io" && resource == "leases") return use_lease(attributes, node);
    if (group == "storage.k8s.io" && resource == "volumeattachments")
      return read_attachment(attributes, node);
    if (group == "storage.k8s.io" && resource == "csinodes") return use_csi_node(attributes, node);
    if (group == "resource.k8s.io" && resource == "resourceclaims")
      return read_one(attributes, node, "resourceclaim");
    if (group == "resource.k8s.io" && resource == "resourceslices") return use_slice(attributes, node);
  }
  for (const auto& rule : common_rules()) {
    if (rule_allows(rule, attributes)) return allow();
  }
  return {};
}

Decision NodeAuthorizer::read_one(const Attributes& attributes, const std::string& node,
                                  std::string_view kind) const {
  const bool listable = kind == "secret" || kind == "configmap";
  if (listable ? !reads(attributes.verb) : attributes.verb != "get")
    return refuse(listable ? "can only read resources of this type"
                           : "can only get individual resources of this type");
  if (!attributes.subresource.empty()) return refuse("cannot read subresource");
  if (attributes.ns.empty()) return refuse("can only read namespaced object of this type");
  const std::string name = single_name(attributes);
  if (name.empty()) return refuse("No Object name found");
  if (graph_->needs(node, kind, attributes.ns, name)) return allow();
  if (kind == "secret" && graph_->needs_volume_secret(node, attributes.ns, name)) return allow();
  return refuse(unrelated(node));
}

// Beyond Kubernetes' rules: a node sees, and takes the finalizer off, the local volumes whose directories it
// has.
bool NodeAuthorizer::holds_directory(const Attributes& attributes, const std::string& node) const {
  if (!attributes.subresource.empty()) return false;
  if (any_of(attributes.verb, {"list", "watch"}))
    return attributes.label_selector == fmt::format("{}={}", api::volume::kLocalPathNode, node);
  if (!any_of(attributes.verb, {"get", "patch"}) || attributes.name.empty()) return false;
  const api::Object volume = cacher_.get(kPersistentVolumes, api::Key("", attributes.name));
  return volume && volume.label(api::volume::kLocalPathNode) == node;
}

Decision NodeAuthorizer::use_volume(const Attributes& attributes, const std::string& node) const {
  if (holds_directory(attributes, node)) return allow();
  if (attributes.verb != "get" || attributes.name.empty())
    return refuse("can only get individual resources of this type");
  if (!attributes.subresource.empty()) return refuse("cannot get subresource");
  return graph_->needs_volume(node, attributes.name) ? allow() : refuse(unrelated(node));
}

Decision NodeAuthorizer::update_claim_status(const Attributes& attributes, const std::string& node) const {
  if (!any_of(attributes.verb, {"get", "update", "patch"}))
    return refuse("can only get/update/patch this type");
  if (attributes.name.empty()) return refuse("No Object name found");
  if (graph_->needs(node, "persistentvolumeclaim", attributes.ns, attributes.name)) return allow();
  return refuse(unrelated(node));
}

Decision NodeAuthorizer::read_attachment(const Attributes& attributes, const std::string& node) const {
  if (attributes.verb != "get" || attributes.name.empty())
    return refuse("can only get individual resources of this type");
  if (!attributes.subresource.empty()) return refuse("cannot get subresource");
  const api::Object attachment = cacher_.get(kVolumeAttachments, api::Key("", attributes.name));
  if (attachment && api::str(attachment.json(), "spec.nodeName") == node) return allow();
  return refuse(unrelated(node));
}

Decision NodeAuthorizer::create_token(const Attributes& attributes, const std::string& node) const {
  if (attributes.verb != "create" || attributes.subresource != "token" || attributes.name.empty())
    return refuse("can only create tokens for individual service accounts");
  if (graph_->needs(node, "serviceaccount", attributes.ns, attributes.name)) return allow();
  return refuse(unrelated(node));
}

Decision NodeAuthorizer::use_lease(const Attributes& attributes, const std::string& node) const {
  if (!any_of(attributes.verb, {"get", "create", "update", "patch", "delete"}))
    return refuse("can only get, create, update, patch, or delete a node lease");
  if (!attributes.subresource.empty()) return refuse("cannot authorize lease subresources");
  if (attributes.ns != "kube-node-lease")
    return refuse("can only access leases in the \"kube-node-lease\" system namespace");
  // A create does not always name its object in the URL; NodeRestriction looks inside.
  if (attributes.verb != "create" && attributes.name != node)
    return refuse("can only access node lease with the same name as the requesting node");
  return allow();
}

Decision NodeAuthorizer::use_csi_node(const Attributes& attributes, const std::string& node) const {
  if (!any_of(attributes.verb, {"get", "create", "update", "patch", "delete"}))
    return refuse("can only get, create, update, patch, or delete a CSINode");
  if (!attributes.subresource.empty()) return refuse("cannot authorize CSINode subresources");
  if (attributes.verb != "create" && attributes.name != node)
    return refuse("can only access CSINode with the same name as the requesting node");
  return allow();
}

Decision NodeAuthorizer::use_slice(const Attributes& attributes, const std::string& node) const {
  if (!attributes.subresource.empty()) return refuse("cannot authorize ResourceSlice subresources");
  if (attributes.verb == "create") return allow();
  if (any_of(attributes.verb, {"list", "watch", "deletecollection"})) {
    if (selects_field(attributes.field_selector, "spec.nodeName", node)) return allow();
    return refuse("can only list/watch/deletecollection resourceslices with spec.nodeName field selector");
  }
  if (!any_of(attributes.verb, {"get", "update", "patch", "delete"}))
    return refuse(
        "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, "
        "delete, deletecollection");
  const api::Object slice = cacher_.get(kResourceSlices, api::Key("", attributes.name));
  if (slice && api::str(slice.json(), "spec.nodeName") == node) return allow();
  return refuse(unrelated(node));
}

Decision NodeAuthorizer::use_node(const Attributes& attributes, const std::string& node) const {
  const std::string& verb = attributes.verb;
  if (attributes.subresource == "status") return any_of(verb, {"update", "patch"}) ? allow() : refuse("");
  if (!attributes.subresource.empty()) return refuse("");
  // Which node is written is NodeRestriction's business: a create names it only in the body.
  if (any_of(verb, {"create", "update", "patch"})) return allow();
  if (!reads(verb)) return refuse("");
  const std::string name = single_name(attributes);
  if (name == node) return allow();
  return refuse(fmt::format("node '{}' cannot read '{}', only its own Node object", node, name));
}

Decision NodeAuthorizer::use_pod(const Attributes& attributes, const std::string& node) const {
  const std::string& verb = attributes.verb;
  if (attributes.subresource == "status") {
    if (any_of(verb, {"update", "patch"})) return allow();
    if (verb != "get") return refuse("");
  } else if (attributes.subresource == "eviction") {
    return verb == "create" ? allow() : refuse("");
  } else if (!attributes.subresource.empty()) {
    return refuse("");
  }
  if (any_of(verb, {"create", "delete"})) return allow();
  if (!reads(verb)) return refuse("");
  if (verb != "get" && selects_field(attributes.field_selector, "spec.nodeName", node)) return allow();
  const std::string name = single_name(attributes);
  if (name.empty() || attributes.ns.empty()) {
    return refuse(verb == "get" ? "can only get individual resources of this type"
                                : "can only list/watch pods with spec.nodeName field selector");
  }
  return graph_->needs(node, "pod", attributes.ns, name) ? allow() : refuse(unrelated(node));
}

}  // namespace mk::apiserver
