#include "flow/flow_schema.h"

#include <algorithm>
#include <functional>

#include "auth/authenticator_options.h"

namespace mk::apiserver {
namespace {

bool has_or_all(const std::vector<std::string>& list, std::string_view item) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& own) { return own == item || own == "*"; });
}

std::vector<std::string> strings(const api::Json& rule, std::string_view key) {
  std::vector<std::string> out;
  for (const auto& item : api::list(rule, key))
    if (const auto* text = item.if_string()) out.emplace_back(*text);
  return out;
}

}  // namespace

FlowSchema::FlowSchema(const api::Object& object)
    : name(object.name()),
      uid(object.uid()),
      level(api::str(object.json(), "spec.priorityLevelConfiguration.name")),
      precedence(api::num(object.json(), "spec.matchingPrecedence", 1000)) {
  const auto method = api::str(object.json(), "spec.distinguisherMethod.type");
  if (method == "ByUser") distinguisher = Distinguisher::kUser;
  if (method == "ByNamespace") distinguisher = Distinguisher::kNamespace;
  for (const auto& rule : api::list(object.json(), "spec.rules")) rules_.push_back(read_rule(rule));
}

FlowSchema FlowSchema::built_in(std::string name) {
  FlowSchema out;
  const bool exempt = name == "exempt";
  Rule rule;
  if (exempt) {
    rule.subjects.push_back({Subject::Kind::kGroup, "system:masters", ""});
  } else {
    rule.subjects.push_back({Subject::Kind::kUser, "*", ""});
  }
  rule.resources.push_back({{"*"}, {"*"}, {"*"}, {"*"}, true});
  rule.paths.push_back({{"*"}, {"*"}});
  out.rules_.push_back(std::move(rule));
  out.precedence = exempt ? 1 : 10000;
  out.distinguisher = Distinguisher::kUser;
  out.level = name;
  out.name = std::move(name);
  return out;
}

FlowSchema::Rule FlowSchema::read_rule(const api::Json& rule) {
  Rule out;
  for (const auto& item : api::list(rule, "subjects")) {
    const auto kind = api::str(item, "kind");
    if (kind == "User") {
      out.subjects.push_back({Subject::Kind::kUser, std::string(api::str(item, "user.name")), ""});
    } else if (kind == "Group") {
      out.subjects.push_back({Subject::Kind::kGroup, std::string(api::str(item, "group.name")), ""});
    } else if (kind == "ServiceAccount") {
      out.subjects.push_back({Subject::Kind::kServiceAccount,
                              std::string(api::str(item, "serviceAccount.name")),
                              std::string(api::str(item, "serviceAccount.namespace"))});
    }
  }
  for (const auto& item : api::list(rule, "resourceRules"))
    out.resources.push_back({strings(item, "verbs"), strings(item, "apiGroups"), strings(item, "resources"),
                             strings(item, "namespaces"), api::flag(item, "clusterScope")});
  for (const auto& item : api::list(rule, "nonResourceRules"))
    out.paths.push_back({strings(item, "verbs"), strings(item, "nonResourceURLs")});
  return out;
}

bool FlowSchema::covers(const Subject& subject, const UserInfo& user) {
  switch (subject.kind) {
    case Subject::Kind::kUser:
      return subject.name == "*" || subject.name == user.name;
    case Subject::Kind::kGroup:
      return subject.name == "*" || user.in_group(subject.name);
    case Subject::Kind::kServiceAccount:
      break;
  }
  if (!user.name.starts_with("system:serviceaccount:")) return false;
  std::string ns, name;
  return split_service_account(user.name, ns, name) && ns == subject.ns &&
         (subject.name == "*" || subject.name == name);
}

bool FlowSchema::covers(const ResourceRule& rule, const RequestInfo& info, const std::string& resource) {
  if (!has_or_all(rule.verbs, info.verb) || !has_or_all(rule.groups, info.group) ||
      !has_or_all(rule.resources, resource))
    return false;
  return info.ns.empty() ? rule.cluster_scope : has_or_all(rule.namespaces, info.ns);
}

bool FlowSchema::covers(const PathRule& rule, const RequestInfo& info) {
  if (!has_or_all(rule.verbs, info.verb)) return false;
  return std::any_of(rule.paths.begin(), rule.paths.end(), [&](const std::string& path) {
    if (path == "*" || path == info.path) return true;
    return path.ends_with("/*") && info.path.starts_with(std::string_view(path).substr(0, path.size() - 1));
  });
}

bool FlowSchema::matches(const UserInfo& user, const RequestInfo& info) const {
  std::string with_subresource;
  if (!info.subresource.empty()) with_subresource = info.resource + "/" + info.subresource;
  const std::string& resource = info.subresource.empty() ? info.resource : with_subresource;
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    const bool what = info.resource_request
                          ? std::any_of(rule.resources.begin(), rule.resources.end(),
                                        [&](const auto& each) { return covers(each, info, resource); })
                          : std::any_of(rule.paths.begin(), rule.paths.end(),
                                        [&](const auto& each) { return covers(each, info); });
    return what && std::any_of(rule.subjects.begin(), rule.subjects.end(),
                               [&](const Subject& subject) { return covers(subject, user); });
  });
}

std::uint64_t FlowSchema::flow_of(const UserInfo& user, const RequestInfo& info) const {
  const std::hash<std::string_view> hash;
  std::uint64_t out = hash(name);
  if (distinguisher == Distinguisher::kUser) out ^= hash(user.name) * 0x9e3779b97f4a7c15;
  if (distinguisher == Distinguisher::kNamespace) out ^= hash(info.ns) * 0x9e3779b97f4a7c15;
  return out;
}

}  // namespace mk::apiserver
