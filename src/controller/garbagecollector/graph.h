#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mk/api/object.h"
#include "mk/api/resource.h"

// Who owns whom, for every object of the cluster; of each only what that needs. Pure.
namespace mk::controller::gc {

struct Owner {
  std::string uid, api_version, kind, name;
  bool blocks = false;  // blockOwnerDeletion
  bool operator==(const Owner&) const = default;
};

struct Node {
  const api::ResourceInfo* resource = nullptr;
  api::Key key;
  std::string uid;
  std::vector<Owner> owners;
  bool deleting = false, foreground = false, orphan = false;  // deletionTimestamp and the two finalizers
};
Node node_of(const api::ResourceInfo& resource, const api::Json& object);

class Graph {
 public:
  // Both say which objects are to be looked at because of the change.
  std::vector<std::string> put(Node node);
  std::vector<std::string> remove(const std::string& uid);

  const Node* find(const std::string& uid) const;
  std::vector<std::string> dependents(const std::string& uid) const;
  // Does anything that is still there block the foreground deletion of this object?
  bool blocked(const std::string& uid) const;
  std::size_t size() const { return nodes_.size(); }

 private:
  void unlink(const Node& node);
  std::unordered_map<std::string, Node> nodes_;
  std::unordered_map<std::string, std::unordered_set<std::string>>
      dependents_;  // also of owners not (yet) seen
};

// What to do about an object with owners.
enum class Verdict { kKeep, kDropReferences, kDelete, kDeleteForeground };
struct Owners {
  std::size_t solid = 0, waiting = 0, absent = 0;
};
Verdict judge(const Owners& owners, bool has_dependents);

}  // namespace mk::controller::gc
