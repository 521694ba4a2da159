#pragma once

#include <string>
#include <vector>

#include "auth/authorizer.h"
#include "mk/api/json.h"

// The rules of Roles and ClusterRoles: reading, matching, comparing. Pure.
namespace mk::apiserver {

enum class Match {
  kNo,
  kYes,
  kIfNamed,  // everything fits and the request's name must be one of rule.names
};

// Does the rule cover the request, its name left out?
Match match_rule(const PolicyRule& rule, const Attributes& attributes);
bool rule_allows(const PolicyRule& rule, const Attributes& attributes);

// `rules` of a Role or ClusterRole.
std::vector<PolicyRule> read_rules(const api::Json& role);
api::JsonArray rules_json(const std::vector<PolicyRule>& rules);

// What of `wanted` no single rule of `held` covers, broken down to one resource (or path) per rule with the
// missing verbs together. Empty: everything is covered.
std::vector<PolicyRule> uncovered_rules(const std::vector<PolicyRule>& held,
                                        const std::vector<PolicyRule>& wanted);

// `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`
std::string rule_text(const PolicyRule& rule);

// `["a" "b"]`, every element quoted
std::string quoted_list(const std::vector<std::string>& items);

}  // namespace mk::apiserver
