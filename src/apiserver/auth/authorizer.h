#pragma once

#include <string>
#include <vector>

#include "mk/base/result.h"
#include "user.h"

namespace mk::apiserver {

struct Decision {
  bool allowed = false;
  std::string reason;  // for people: which binding allows, or ""
};

// A rule as SelfSubjectRulesReview shows it.
struct PolicyRule {
  std::vector<std::string> verbs, groups, resources, names, paths;
};

// Node and RBAC authorization over the cached policy objects. Runs for every request of every client,
// in-process ones included, so it must cost about a microsecond: rules are compiled when policy changes, not
// per request.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual Decision authorize(const Attributes& attributes) = 0;
  // Everything `user` may do in `ns`; `incomplete` when the node authorizer also has a say.
  virtual std::vector<PolicyRule> rules_for(const UserInfo& user, const std::string& ns,
                                            bool& incomplete) = 0;
};

// `pods "x" is forbidden: User "u" cannot get resource "pods" in API group "" in the namespace "n"`
Error forbidden_error(const Attributes& attributes, const Decision& decision);

}  // namespace mk::apiserver
