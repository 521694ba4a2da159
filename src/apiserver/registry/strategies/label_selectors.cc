#include "registry/strategies/label_selectors.h"

#include "mk/api/selector.h"

namespace mk::apiserver {

using api::Json;

namespace {

void validate_requirement(const Json& requirement, const Path& path, Report& report) {
  const auto op = api::str(requirement, "operator");
  const auto& values = api::list(requirement, "values");
  if (op == "In" || op == "NotIn") {
    if (values.empty())
      report.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (!values.empty()) {
      report.forbidden(path.child("values"),
                       "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  } else {
    report.invalid(path.child("operator"), op, "not a valid selector operator");
  }
  const auto key = api::str(requirement, "key");
  report.check(path.child("key"), key, api::check_qualified_name(key));
  const Path values_path = path.child("values");
  for (std::size_t i = 0; i < values.size(); ++i) {
    report.check(values_path[i], text_of(values[i]), api::check_label_value(text_of(values[i])));
  }
}

}  // namespace

void validate_label_selector(const Json* selector, const Path& path, Report& report) {
  if (selector == nullptr) return;
  validate_labels(api::object(*selector, "matchLabels"), path.child("matchLabels"), report);
  const auto& expressions = api::list(*selector, "matchExpressions");
  const Path expressions_path = path.child("matchExpressions");
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    validate_requirement(expressions[i], expressions_path[i], report);
  }
}

bool empty_selector(const Json* selector) {
  return selector != nullptr && api::object(*selector, "matchLabels").empty() &&
         api::list(*selector, "matchExpressions").empty();
}

void validate_workload_selector(const Json& spec, const Path& path, std::string_view empty, Report& report) {
  const Json* selector = api::find(spec, "selector");
  const Path selector_path = path.child("selector");
  if (selector == nullptr) return report.required(selector_path);
  validate_label_selector(selector, selector_path, report);
  if (empty_selector(selector)) return report.invalid(selector_path, *selector, empty);
  const auto parsed = api::LabelSelector::from_json(selector);
  if (!parsed.ok()) return;  // reported above
  const auto& labels = api::object(spec, "template.metadata.labels");
  if (!parsed->matches(labels)) {
    report.invalid(path.child("template.metadata.labels"), Json(labels),
                   "`selector` does not match template `labels`");
  }
}

}  // namespace mk::apiserver
