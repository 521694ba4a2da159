#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "framework/framework.h"
#include "mk/client/informer.h"
#include "mk/rt/event.h"

namespace mk::scheduler {

// A claim that has no volume yet, as one pod may use it.
struct OpenClaim {
  api::Object claim;
  std::string node;              // where it is to be made already: the pod can go there only; "" open
  std::vector<api::Object> fit;  // free volumes, the best first
  std::vector<std::vector<NodeTerm>> fit_nodes;  // of each of them; empty: any node
  bool can_be_made = false;                      // by a provisioner
  std::vector<NodeTerm> topologies;              // where the class allows that; empty: anywhere
};

// What a pod's claims mean for where it may run.
struct PodClaims {
  std::vector<std::pair<api::Object, std::vector<NodeTerm>>> bound;  // volumes with the nodes they are on
  std::vector<OpenClaim> open;
  bool volume_missing = false;  // a claim is bound to a volume that is not there
};

// What one claim gets on one node.
struct ClaimChoice {
  api::Object claim, volume;  // volume empty: it is to be made
};

// Claims, volumes and classes as the watches show them, with what has been promised to pods since and is not
// written yet; promises keep two pods from being sent after one volume.
class VolumeBook {
 public:
  VolumeBook(client::Client& client, rt::Clock& clock, rt::Random& random);

  void on_change(std::function<void()> changed) { changed_ = std::move(changed); }
  void start(rt::Group& group);
  rt::Task<> wait_synced();

  api::Object claim(const api::Key& key) const { return claims_.get(key); }

  // Why the pod cannot run anywhere; success fills `out`.
  Status read(const PodInfo& pod, PodClaims& out) const;
  // What the open claims get on the node; a refusal says why they get nothing.
  static Status choose(const PodClaims& claims, const NodeInfo& node, std::vector<ClaimChoice>& out);

  void promise(const PodInfo& pod, const std::string& node, std::vector<ClaimChoice> choices);
  bool promised(const std::string& uid) const { return promises_.count(uid) != 0; }
  void release(const std::string& uid);
  // Writes the pod's promises and waits until all its claims are bound. After an error: release, and try
  // again.
  rt::Task<Result<void>> carry_out(PodPtr pod);

 private:
  struct Promise {
    std::string node;
    std::vector<ClaimChoice> choices;
  };
  Status read_claim(const PodInfo& pod, const PodVolume& volume, PodClaims& out) const;
  OpenClaim open_claim(const api::Object& claim, const api::Object& storage_class) const;
  rt::Task<Result<void>> write(ClaimChoice choice, std::string node);
  // True: bound.
  Result<bool> settled(const ClaimChoice& choice, const std::string& node) const;

  client::Client& client_;
  rt::Clock& clock_;
  client::Informer claims_, volumes_, classes_;
  std::map<std::string, Promise> promises_;              // by pod
  std::map<std::string, std::string> promised_volumes_;  // volume name -> uid of its claim
  std::map<std::string, std::string> promised_nodes_;    // uid of a claim -> node where it will be made
  std::function<void()> changed_;
  rt::Event event_;
};

}  // namespace mk::scheduler
