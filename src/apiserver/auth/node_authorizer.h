#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/authorizer.h"
#include "cacher/cacher.h"
#include "mk/api/resource.h"

namespace mk::apiserver {

// The node's name of user system:node:<name> in group system:nodes; "" for everybody else.
std::string_view node_identity(const UserInfo& user);

// Which objects the pods of each node need. Fed by changes of pods, persistent volumes; a question is one or
// two hash lookups.
class NodeGraph {
 public:
  void change_pod(const api::Object& before, const api::Object& after);
  void change_volume(const api::Object& before, const api::Object& after);

  // Kinds: "pod", "secret", "configmap", "persistentvolumeclaim", "serviceaccount", "resourceclaim".
  bool needs(const std::string& node, std::string_view kind, std::string_view ns,
             std::string_view name) const;
  // The claim of a persistent volume that is bound to something `node` needs.
  bool needs_volume(const std::string& node, std::string_view volume) const;
  // A secret that a persistent volume's driver needs (csi secret references).
  bool needs_volume_secret(const std::string& node, std::string_view ns, std::string_view name) const;

 private:
  using Counts = std::unordered_map<std::string, int>;  // "secret/ns/name": how many pods
  void count_pod(const api::Object& pod, int change);
  void count_volume(const api::Object& volume, bool add);

  std::unordered_map<std::string, Counts> nodes_;
  std::unordered_map<std::string, std::string> volume_claims_;                // volume -> "ns/claim"
  std::unordered_map<std::string, std::vector<std::string>> secret_volumes_;  // "ns/secret" -> volumes
};

// Kubernetes' Node authorizer. Answers for nodes only; its refusal leaves the decision to RBAC.
class NodeAuthorizer {
 public:
  explicit NodeAuthorizer(Cacher& cacher);
  Decision authorize(const Attributes& attributes, std::string_view node);

 private:
  Decision read_one(const Attributes& attributes, const std::string& node, std::string_view kind) const;
  Decision use_volume(const Attributes& attributes, const std::string& node) const;
  bool holds_directory(const Attributes& attributes, const std::string& node) const;
  Decision update_claim_status(const Attributes& attributes, const std::string& node) const;
  Decision read_attachment(const Attributes& attributes, const std::string& node) const;
  Decision create_token(const Attributes& attributes, const std::string& node) const;
  Decision use_lease(const Attributes& attributes, const std::string& node) const;
  Decision use_csi_node(const Attributes& attributes, const std::string& node) const;
  Decision use_slice(const Attributes& attributes, const std::string& node) const;
  Decision use_node(const Attributes& attributes, const std::string& node) const;
  Decision use_pod(const Attributes& attributes, const std::string& node) const;

  Cacher& cacher_;
  std::shared_ptr<NodeGraph> graph_;
};

// Does the field selector demand `field` = `value`?
bool selects_field(std::string_view field_selector, std::string_view field, std::string_view value);

}  // namespace mk::apiserver
