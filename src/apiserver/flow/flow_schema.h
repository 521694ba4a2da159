#pragma once

#include <string>
#include <vector>

#include "handlers/request_info.h"
#include "mk/api/object.h"
#include "user.h"

namespace mk::apiserver {

// A compiled FlowSchema (flowcontrol.apiserver.k8s.io/v1, KEP-1040): which requests belong to which priority
// level, and what tells one flow of them from another.
struct FlowSchema {
  enum class Distinguisher { kNone, kUser, kNamespace };

  explicit FlowSchema(const api::Object& object);
  // What there is even when nobody made it: "exempt" for system:masters, "catch-all" for everybody.
  static FlowSchema built_in(std::string name);

  bool matches(const UserInfo& user, const RequestInfo& info) const;
  // The same number for requests of the same flow.
  std::uint64_t flow_of(const UserInfo& user, const RequestInfo& info) const;

  std::string name, uid, level;
  std::int64_t precedence = 10000;
  Distinguisher distinguisher = Distinguisher::kNone;

 private:
  struct Subject {
    enum class Kind { kUser, kGroup, kServiceAccount } kind;
    std::string name, ns;
  };
  struct ResourceRule {
    std::vector<std::string> verbs, groups, resources, namespaces;
    bool cluster_scope = false;
  };
  struct PathRule {
    std::vector<std::string> verbs, paths;
  };
  struct Rule {
    std::vector<Subject> subjects;
    std::vector<ResourceRule> resources;
    std::vector<PathRule> paths;
  };

  FlowSchema() = default;
  static Rule read_rule(const api::Json& rule);
  static bool covers(const Subject& subject, const UserInfo& user);
  static bool covers(const ResourceRule& rule, const RequestInfo& info, const std::string& resource);
  static bool covers(const PathRule& rule, const RequestInfo& info);

  std::vector<Rule> rules_;
};

}  // namespace mk::apiserver
