#include <fmt/format.h>

#include "registry/strategies/int_or_percent.h"
#include "registry/strategies/label_selectors.h"
#include "registry/strategies/names.h"
#include "registry/strategies/simple.h"
#include "registry/strategies/workload.h"

// PodDisruptionBudget, HorizontalPodAutoscaler.
namespace mk::apiserver {

using api::Json;

namespace {

void validate_budget(const Json& budget, Report& report) {
  const Json& spec = spec_of(budget);
  const Path path("spec");
  const Json* available = api::find(spec, "minAvailable");
  const Json* unavailable = api::find(spec, "maxUnavailable");
  if (available && unavailable)
    report.invalid(path, spec, "minAvailable and maxUnavailable cannot be both set");
  for (const auto& [name, value] : {std::pair<std::string_view, const Json*>{"minAvailable", available},
                                    {"maxUnavailable", unavailable}}) {
    if (value == nullptr) continue;
    validate_int_or_percent(*value, path.child(name), report);
    validate_at_most_100_percent(*value, path.child(name), report);
  }
  check_enum(spec, "unhealthyPodEvictionPolicy", {"AlwaysAllow", "IfHealthyBudget"}, path, report,
             Presence::kOptional);
  validate_label_selector(api::find(spec, "selector"), path.child("selector"), report);
}

Json default_rules(bool up) {
  api::JsonArray policies;
  policies.push_back(api::JsonObject{{"type", "Percent"}, {"value", 100}, {"periodSeconds", 15}});
  if (up) policies.push_back(api::JsonObject{{"type", "Pods"}, {"value", 4}, {"periodSeconds", 15}});
  api::JsonObject rules;
  if (up) rules["stabilizationWindowSeconds"] = 0;
  rules["selectPolicy"] = "Max";
  rules["policies"] = std::move(policies);
  return rules;
}

void default_behavior(Json& behavior, std::string_view direction, bool up) {
  const Json defaults = default_rules(up);
  Json& rules = ensure_object(behavior, direction);
  for (const auto& field : defaults.get_object()) {
    if (!rules.get_object().contains(field.key())) rules.get_object()[field.key()] = field.value();
  }
}

// Both versions of the kind come by here; v1 has a field where v2 has a list of metrics.
void default_autoscaler(Json& autoscaler) {
  Json& spec = ensure_object(autoscaler, "spec");
  default_to(spec, "minReplicas", 1);
  if (api::str(autoscaler, "apiVersion") == "autoscaling/v1") return;
  if (api::list(spec, "metrics").empty()) {
    Json metric(api::JsonObject{{"type", "Resource"}});
    api::set(metric, "resource.name", "cpu");
    api::set(metric, "resource.target.type", "Utilization");
    api::set(metric, "resource.target.averageUtilization", 80);
    api::set(spec, "metrics", api::JsonArray{std::move(metric)});
  }
  if (Json* behavior = edit(spec, "behavior")) {
    default_behavior(*behavior, "scaleUp", true);
    default_behavior(*behavior, "scaleDown", false);
  }
}

void validate_behavior(const Json& spec, const Path& path, Report& report) {
  for (const std::string_view direction : {"scaleUp", "scaleDown"}) {
    const Json* rules = api::find(spec, std::string("behavior.") + std::string(direction));
    if (rules == nullptr) continue;
    const Path behavior = path.child("behavior");
    const Path rules_path = behavior.child(direction);
    check_non_negative(*rules, "stabilizationWindowSeconds", rules_path, report);
    if (const auto window = api::num(*rules, "stabilizationWindowSeconds"); window > 3600) {
      report.invalid(rules_path.child("stabilizationWindowSeconds"), window,
                     "must be less than or equal to 3600");
    }
    check_enum(*rules, "selectPolicy", {"Disabled", "Max", "Min"}, rules_path, report, Presence::kOptional);
    const auto& policies = api::list(*rules, "policies");
    const Path policies_path = rules_path.child("policies");
    if (policies.empty()) report.required(policies_path, "must specify at least one Policy");
    for (std::size_t i = 0; i < policies.size(); ++i) {
      const Path policy = policies_path[i];
      check_enum(policies[i], "type", {"Percent", "Pods"}, policy, report);
      for (const std::string_view field : {"value", "periodSeconds"}) {
        if (const auto number = api::num(policies[i], field); number <= 0) {
          report.invalid(policy.child(field), number, "must be greater than zero");
        }
      }
      if (const auto seconds = api::num(policies[i], "periodSeconds"); seconds > 1800) {
        report.invalid(policy.child("periodSeconds"), seconds, "must be less than or equal to 1800");
      }
    }
  }
}

void validate_metrics(const Json& spec, const Path& path, Report& report) {
  const auto& metrics = api::list(spec, "metrics");
  const Path metrics_path = path.child("metrics");
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const Path metric = metrics_path[i];
    check_enum(metrics[i], "type", {"ContainerResource", "External", "Object", "Pods", "Resource"}, metric,
               report);
    const auto type = api::str(metrics[i], "type");
    if (type != "Resource") continue;
    const Path resource = metric.child("resource");
    const Json* source = api::find(metrics[i], "resource");
    if (source == nullptr) {
      report.required(resource, "must populate information for the given metric source");
      continue;
    }
    if (api::str(*source, "name").empty())
      report.required(resource.child("name"), "must specify a resource name");
    check_enum(*source, "target.type", {"AverageValue", "Utilization", "Value"}, resource, report);
    if (api::find(*source, "target.averageUtilization") &&
        api::num(*source, "target.averageUtilization") < 1) {
      report.invalid(resource.child("target.averageUtilization"),
                     api::num(*source, "target.averageUtilization"), "must be greater than 0");
    }
  }
}

void validate_autoscaler(const Json& autoscaler, Report& report) {
  const Json& spec = spec_of(autoscaler);
  const Path path("spec");
  const Path target = path.child("scaleTargetRef");
  const auto least = api::num(spec, "minReplicas", 1), most = api::num(spec, "maxReplicas");
  if (least < 1) report.invalid(path.child("minReplicas"), least, "must be greater than or equal to 1");
  if (most < 1) report.invalid(path.child("maxReplicas"), most, "must be greater than 0");
  if (least > most)
    report.invalid(path.child("maxReplicas"), most, "must be greater than or equal to `minReplicas`");
  for (const std::string_view field : {"kind", "name"}) {
    const auto text = api::str(spec, std::string("scaleTargetRef.") + std::string(field));
    if (text.empty()) {
      report.required(target.child(field));
    } else {
      report.check(target.child(field), text, check_path_segment_name(text));
    }
  }
  validate_metrics(spec, path, report);
  validate_behavior(spec, path, report);
}

}  // namespace

void add_policy(StrategySet& set) {
  set.add("poddisruptionbudgets.policy", make_simple({.validate = validate_budget}));
  set.add("horizontalpodautoscalers.autoscaling",
          make_simple({.defaults = default_autoscaler, .validate = validate_autoscaler}));
}

}  // namespace mk::apiserver
