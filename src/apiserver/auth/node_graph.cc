#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "auth/node_authorizer.h"

namespace mk::apiserver {
namespace {

constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";

class References {
 public:
  explicit References(std::string_view ns) : ns_(ns) {}
  void add(std::string_view kind, std::string_view name) {
    if (!name.empty()) keys.insert(fmt::format("{}/{}/{}", kind, ns_, name));
  }
  void add(std::string_view kind, const api::Json& at, std::string_view path) {
    add(kind, api::str(at, path));
  }

  std::set<std::string> keys;

 private:
  std::string_view ns_;
};

void add_container(References& out, const api::Json& container) {
  for (const auto& source : api::list(container, "envFrom")) {
    out.add("configmap", source, "configMapRef.name");
    out.add("secret", source, "secretRef.name");
  }
  for (const auto& variable : api::list(container, "env")) {
    out.add("configmap", variable, "valueFrom.configMapKeyRef.name");
    out.add("secret", variable, "valueFrom.secretKeyRef.name");
  }
}

void add_volume(References& out, std::string_view pod, const api::Json& volume) {
  // Every other volume type names its secret in one of these two ways.
  for (const std::string_view type :
       {"azureFile", "flexVolume", "cephfs", "rbd", "scaleIO", "iscsi", "storageos"}) {
    if (const api::Json* source = api::member(volume, type)) {
      out.add("secret", *source, "secretRef.name");
      out.add("secret", *source, "secretName");
    }
  }
  out.add("secret", volume, "secret.secretName");
  out.add("secret", volume, "csi.nodePublishSecretRef.name");
  out.add("configmap", volume, "configMap.name");
  out.add("persistentvolumeclaim", volume, "persistentVolumeClaim.claimName");
  if (api::member(volume, "ephemeral") != nullptr)
    out.add("persistentvolumeclaim", fmt::format("{}-{}", pod, api::str(volume, "name")));
  for (const auto& source : api::list(volume, "projected.sources")) {
    out.add("secret", source, "secret.name");
    out.add("configmap", source, "configMap.name");
  }
}

void add_resource_claims(References& out, const api::Json& pod) {
  for (const auto& claim : api::list(pod, "spec.resourceClaims"))
    out.add("resourceclaim", claim, "resourceClaimName");
  for (const auto& status : api::list(pod, "status.resourceClaimStatuses"))
    out.add("resourceclaim", status, "resourceClaimName");
  out.add("resourceclaim", pod, "status.extendedResourceClaimStatus.resourceClaimName");
}

std::set<std::string> references(const api::Object& pod) {
  References out(pod.ns());
  out.add("pod", pod.name());
  // A mirror pod is made by the node itself: what it claims to need proves nothing.
  if (!pod.annotation(kMirrorAnnotation).empty()) return out.keys;
  const api::Json& json = pod.json();
  out.add("serviceaccount", json, "spec.serviceAccountName");
  for (const auto& secret : api::list(json, "spec.imagePullSecrets")) out.add("secret", secret, "name");
  for (const std::string_view containers :
       {"spec.containers", "spec.initContainers", "spec.ephemeralContainers"}) {
    for (const auto& container : api::list(json, containers)) add_container(out, container);
  }
  for (const auto& volume : api::list(json, "spec.volumes")) add_volume(out, pod.name(), volume);
  add_resource_claims(out, json);
  return std::move(out.keys);
}

// Secrets of a persistent volume's driver: "ns/name".
std::set<std::string> volume_secrets(const api::Json& volume) {
  std::set<std::string> out;
  const std::string_view claim_ns = api::str(volume, "spec.claimRef.namespace");
  for (const auto& [type, source] : api::object(volume, "spec")) {
    for (const std::string_view field :
         {"secretRef", "nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"}) {
      const api::Json* reference = api::member(source, field);
      if (reference == nullptr || api::str(*reference, "name").empty()) continue;
      out.insert(
          fmt::format("{}/{}", api::str(*reference, "namespace", claim_ns), api::str(*reference, "name")));
    }
    if (const auto name = api::str(source, "secretName"); !name.empty())
      out.insert(fmt::format("{}/{}", api::str(source, "secretNamespace", claim_ns), name));
  }
  return out;
}

}  // namespace

void NodeGraph::change_pod(const api::Object& before, const api::Object& after) {
  if (before) count_pod(before, -1);
  if (after) count_pod(after, +1);
}

void NodeGraph::count_pod(const api::Object& pod, int change) {
  const std::string node(api::str(pod.json(), "spec.nodeName"));
  if (node.empty()) return;
  Counts& counts = nodes_[node];
  for (const auto& key : references(pod)) {
    if ((counts[key] += change) <= 0) counts.erase(key);
  }
  if (counts.empty()) nodes_.erase(node);
}

void NodeGraph::change_volume(const api::Object& before, const api::Object& after) {
  if (before) count_volume(before, false);
  if (after) count_volume(after, true);
}

void NodeGraph::count_volume(const api::Object& volume, bool add) {
  const api::Json& json = volume.json();
  const std::string name(volume.name());
  if (api::str(json, "spec.claimRef.name").empty()) return;
  if (add) {
    volume_claims_[name] =
        fmt::format("{}/{}", api::str(json, "spec.claimRef.namespace"), api::str(json, "spec.claimRef.name"));
  } else {
    volume_claims_.erase(name);
  }
  for (const auto& secret : volume_secrets(json)) {
    auto& volumes = secret_volumes_[secret];
    std::erase(volumes, name);
    if (add) volumes.push_back(name);
    if (volumes.empty()) secret_volumes_.erase(secret);
  }
}

bool NodeGraph::needs(const std::string& node, std::string_view kind, std::string_view ns,
                      std::string_view name) const {
  const auto counts = nodes_.find(node);
  return counts != nodes_.end() && counts->second.count(fmt::format("{}/{}/{}", kind, ns, name)) != 0;
}

bool NodeGraph::needs_volume(const std::string& node, std::string_view volume) const {
  const auto claim = volume_claims_.find(std::string(volume));
  const auto counts = nodes_.find(node);
  return claim != volume_claims_.end() && counts != nodes_.end() &&
         counts->second.count("persistentvolumeclaim/" + claim->second) != 0;
}

bool NodeGraph::needs_volume_secret(const std::string& node, std::string_view ns,
                                    std::string_view name) const {
  const auto volumes = secret_volumes_.find(fmt::format("{}/{}", ns, name));
  return volumes != secret_volumes_.end() &&
         std::any_of(volumes->second.begin(), volumes->second.end(),
                     [&](const std::string& volume) { return needs_volume(node, volume); });
}

}  // namespace mk::apiserver
