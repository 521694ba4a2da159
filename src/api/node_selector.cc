#include "mk/api/node_selector.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>

#include "mk/base/strings.h"

namespace mk::api {

using Op = LabelSelector::Op;
using Requirement = LabelSelector::Requirement;

std::vector<Requirement> parse_requirements(const JsonArray& expressions) {
  std::vector<Requirement> made;
  for (const auto& expression : expressions) {
    Requirement requirement;
    requirement.key = str(expression, "key");
    const auto op = str(expression, "operator");
    requirement.op = op == "In"             ? Op::kIn
                     : op == "NotIn"        ? Op::kNotIn
                     : op == "Exists"       ? Op::kExists
                     : op == "DoesNotExist" ? Op::kDoesNotExist
                     : op == "Gt"           ? Op::kGreater
                                            : Op::kLess;
    for (const auto& value : list(expression, "values")) {
      if (value.is_string()) requirement.values.emplace_back(value.get_string());
    }
    made.push_back(std::move(requirement));
  }
  return made;
}

bool requirement_matches(const Requirement& requirement, const std::string* value) {
  const auto listed = [&] {
    return std::find(requirement.values.begin(), requirement.values.end(), *value) !=
           requirement.values.end();
  };
  const auto numbers = [&]() -> std::optional<std::pair<std::int64_t, std::int64_t>> {
    if (!value || requirement.values.size() != 1) return std::nullopt;
    const auto left = parse_int(*value), right = parse_int(requirement.values[0]);
    if (!left || !right) return std::nullopt;
    return std::pair(*left, *right);
  };
  switch (requirement.op) {
    case Op::kIn:
      return value && listed();
    case Op::kNotIn:
      return !value || !listed();
    case Op::kExists:
      return value != nullptr;
    case Op::kDoesNotExist:
      return value == nullptr;
    case Op::kGreater: {
      const auto pair = numbers();
      return pair && pair->first > pair->second;
    }
    case Op::kLess: {
      const auto pair = numbers();
      return pair && pair->first < pair->second;
    }
  }
  return false;
}

bool NodeTerm::matches(const JsonObject& node_labels, const std::string& node_name) const {
  if (labels.empty() && fields.empty()) return false;  // an empty term selects nothing
  for (const auto& requirement : labels) {
    const auto* found = node_labels.if_contains(requirement.key);
    std::string text;
    if (found && found->is_string()) text = found->get_string();
    if (!requirement_matches(requirement, found ? &text : nullptr)) return false;
  }
  return std::all_of(fields.begin(), fields.end(), [&node_name](const Requirement& requirement) {
    return requirement_matches(requirement, requirement.key == "metadata.name" ? &node_name : nullptr);
  });
}

bool any_term_matches(const std::vector<NodeTerm>& terms, const JsonObject& labels, const std::string& name) {
  return std::any_of(terms.begin(), terms.end(),
                     [&](const NodeTerm& term) { return term.matches(labels, name); });
}

NodeTerm parse_node_term(const Json& term) {
  NodeTerm made;
  made.labels = parse_requirements(list(term, "matchExpressions"));
  made.fields = parse_requirements(list(term, "matchFields"));
  return made;
}

std::vector<NodeTerm> parse_node_terms(const Json& node_selector) {
  std::vector<NodeTerm> terms;
  for (const auto& term : list(node_selector, "nodeSelectorTerms")) terms.push_back(parse_node_term(term));
  return terms;
}

bool tolerates(const Json& toleration, const Json& taint) {
  const auto effect = str(toleration, "effect");
  if (!effect.empty() && effect != str(taint, "effect")) return false;
  const auto key = str(toleration, "key");
  if (!key.empty() && key != str(taint, "key")) return false;
  if (str(toleration, "operator") == "Exists") return true;
  return !key.empty() && str(toleration, "value") == str(taint, "value");
}

}  // namespace mk::api
