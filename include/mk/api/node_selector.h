#pragma once

#include <string>
#include <vector>

#include "mk/api/selector.h"

// Which nodes a pod may run on, as its spec says it: node selectors and tolerations.
namespace mk::api {

// One of a node selector's terms: all expressions and all field expressions hold. An empty term selects
// nothing.
struct NodeTerm {
  std::vector<LabelSelector::Requirement> labels, fields;
  bool matches(const JsonObject& node_labels, const std::string& node_name) const;
};
NodeTerm parse_node_term(const Json& term);
// The terms of a v1.NodeSelector; one of them is enough.
std::vector<NodeTerm> parse_node_terms(const Json& node_selector);
bool any_term_matches(const std::vector<NodeTerm>& terms, const JsonObject& labels, const std::string& name);

// Expressions of node selectors, which know Gt and Lt too. `value` is null where the key is missing.
std::vector<LabelSelector::Requirement> parse_requirements(const JsonArray& expressions);
bool requirement_matches(const LabelSelector::Requirement& requirement, const std::string* value);

// Does a v1.Toleration tolerate a v1.Taint (whatever its tolerationSeconds)?
bool tolerates(const Json& toleration, const Json& taint);

}  // namespace mk::api
