#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"

namespace mk::api {

// Label selectors, from the query string ("a=b,c in (d,e),!f") or from a metav1.LabelSelector.
class LabelSelector {
 public:
  enum class Op { kIn, kNotIn, kExists, kDoesNotExist, kGreater, kLess };
  struct Requirement {
    std::string key;
    Op op;
    std::vector<std::string> values;
  };

  LabelSelector() = default;  // matches everything
  static Result<LabelSelector> parse(std::string_view text);
  // matchLabels and matchExpressions; a null or missing selector matches nothing, an empty one everything.
  static Result<LabelSelector> from_json(const Json* selector);
  // A plain map of labels (Service.spec.selector, nodeSelector).
  static LabelSelector from_map(const JsonObject& labels);
  static LabelSelector nothing();

  bool matches(const JsonObject& labels) const;
  bool everything() const { return !nothing_ && requirements_.empty(); }
  std::string str() const;
  const std::vector<Requirement>& requirements() const { return requirements_; }

 private:
  std::vector<Requirement> requirements_;
  bool nothing_ = false;
};

// Field selectors: "metadata.name=x,status.phase!=Running". Which fields a kind supports is decided by
// the caller, which gets each term.
struct FieldTerm {
  std::string path, value;
  bool equal = true;
};
Result<std::vector<FieldTerm>> parse_field_selector(std::string_view text);

}  // namespace mk::api
