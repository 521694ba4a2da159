#include <fmt/format.h>

#include "mk/base/strings.h"
#include "registry/strategies/int_or_percent.h"
#include "registry/strategies/label_selectors.h"
#include "registry/strategies/pod_spec.h"
#include "registry/strategies/strategies.h"
#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;

namespace {

// Counts changes of the template; Kubernetes still shows it in apps/v1, as an annotation.
constexpr std::string_view kTemplateGeneration = "deprecated.daemonset.template.generation";

void set_template_generation(Json& set, std::int64_t generation) {
  ensure_object(set, "metadata.annotations").as_object()[kTemplateGeneration] =
      api::text(fmt::to_string(generation));
}

std::int64_t template_generation(const Json& set) {
  const auto* text = api::object(set, "metadata.annotations").if_contains(kTemplateGeneration);
  return text ? parse_int(text_of(*text)).value_or(0) : 0;
}

void validate_update_strategy(const Json& spec, const Path& path, Report& report) {
  const auto type = api::str(spec, "updateStrategy.type");
  const Path strategy_path = path.child("updateStrategy");
  if (type == "OnDelete") return;
  if (type != "RollingUpdate")
    return report.not_supported(strategy_path.child("type"), type, {"OnDelete", "RollingUpdate"});
  const Json* rolling = api::find(spec, "updateStrategy.rollingUpdate");
  const Path rolling_path = strategy_path.child("rollingUpdate");
  if (rolling == nullptr) return report.required(rolling_path);
  const Json* unavailable = api::find(*rolling, "maxUnavailable");
  const Json* surge = api::find(*rolling, "maxSurge");
  for (const auto& [name, value] :
       {std::pair<std::string_view, const Json*>{"maxUnavailable", unavailable}, {"maxSurge", surge}}) {
    if (value == nullptr) continue;
    validate_int_or_percent(*value, rolling_path.child(name), report);
    validate_at_most_100_percent(*value, rolling_path.child(name), report);
  }
  if (is_zero(unavailable) && is_zero(surge)) {
    report.invalid(rolling_path.child("maxUnavailable"), unavailable ? *unavailable : Json(0),
                   "cannot be 0 when maxSurge is 0");
  } else if (!is_zero(unavailable) && !is_zero(surge)) {
    report.invalid(rolling_path.child("maxSurge"), *surge, "may not be set when maxUnavailable is non-zero");
  }
}

class DaemonSetStrategy : public Strategy {
 public:
  void set_defaults(Json& set) const override {
    Json& spec = ensure_object(set, "spec");
    default_to(spec, "revisionHistoryLimit", 10);
    Json& strategy = ensure_object(spec, "updateStrategy");
    default_text(strategy, "type", "RollingUpdate");
    if (api::str(strategy, "type") == "RollingUpdate") {
      Json& rolling = ensure_object(strategy, "rollingUpdate");
      default_to(rolling, "maxUnavailable", 1);
      default_to(rolling, "maxSurge", 0);
    }
    default_pod_template(ensure_object(spec, "template"));
  }

  void prepare_for_create(const WriteContext& context, Json& set) const override {
    Strategy::prepare_for_create(context, set);
    set_template_generation(set, std::max<std::int64_t>(template_generation(set), 1));
  }

  void prepare_for_update(const WriteContext& context, Json& set, const Json& old) const override {
    Strategy::prepare_for_update(context, set, old);
    if (context.subresource.empty()) {
      set_template_generation(set, template_generation(old) + (same(set, old, "spec.template") ? 0 : 1));
    }
  }

  void validate(const WriteContext& context, const Json& set, Causes& causes) const override {
    Report report(causes);
    const Json& spec = spec_of(set);
    const Path path("spec");
    validate_workload_selector(spec, path, "empty selector is invalid for daemonset", report);
    validate_endless_template(*api::find(spec, "template"), "DaemonSet", path.child("template"), report);
    validate_counts(spec, path, report);
    validate_update_strategy(spec, path, report);
  }

  void validate_update(const WriteContext& context, const Json& set, const Json& old,
                       Causes& causes) const override {
    Report report(causes);
    check_selector_immutable(set, old, report);
  }

  void validate_status_update(const Json& set, const Json& old, Causes& causes) const override {
    Report report(causes);
    const Json* status = api::find(set, "status");
    if (status == nullptr) return;
    const Path path("status");
    for (const std::string_view field :
         {"currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
          "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable",
          "collisionCount"}) {
      check_non_negative(*status, field, path, report);
    }
  }
};

}  // namespace

std::unique_ptr<Strategy> make_daemon_set_strategy() {
  return std::make_unique<DaemonSetStrategy>();
}

}  // namespace mk::apiserver
