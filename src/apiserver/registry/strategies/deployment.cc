#include "registry/strategies/int_or_percent.h"
#include "registry/strategies/label_selectors.h"
#include "registry/strategies/pod_spec.h"
#include "registry/strategies/strategies.h"
#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;

namespace {

void validate_rolling_update(const Json& rolling, const Path& path, Report& report) {
  const Json* unavailable = api::find(rolling, "maxUnavailable");
  const Json* surge = api::find(rolling, "maxSurge");
  if (unavailable) validate_int_or_percent(*unavailable, path.child("maxUnavailable"), report);
  if (surge) validate_int_or_percent(*surge, path.child("maxSurge"), report);
  if (is_zero(unavailable) && is_zero(surge)) {
    report.invalid(path.child("maxUnavailable"), unavailable ? *unavailable : Json(0),
                   "may not be 0 when `maxSurge` is 0");
  }
  if (unavailable) validate_at_most_100_percent(*unavailable, path.child("maxUnavailable"), report);
}

void validate_strategy(const Json& spec, const Path& path, Report& report) {
  static const Json none = api::JsonObject();
  const Json* strategy = api::find(spec, "strategy");
  const Path strategy_path = path.child("strategy");
  check_enum(strategy ? *strategy : none, "type", {"Recreate", "RollingUpdate"}, strategy_path, report);
  if (strategy == nullptr) return;
  const Json* rolling = api::find(*strategy, "rollingUpdate");
  const Path rolling_path = strategy_path.child("rollingUpdate");
  if (api::str(*strategy, "type") == "Recreate") {
    if (rolling) report.forbidden(rolling_path, "may not be specified when strategy `type` is 'Recreate'");
  } else if (api::str(*strategy, "type") == "RollingUpdate") {
    if (!rolling) return report.required(rolling_path, "this should be defaulted and never be nil");
    validate_rolling_update(*rolling, rolling_path, report);
  }
}

class DeploymentStrategy : public Strategy {
 public:
  void set_defaults(Json& deployment) const override {
    Json& spec = ensure_object(deployment, "spec");
    default_to(spec, "replicas", 1);
    default_to(spec, "revisionHistoryLimit", 10);
    default_to(spec, "progressDeadlineSeconds", 600);
    Json& strategy = ensure_object(spec, "strategy");
    default_text(strategy, "type", "RollingUpdate");
    if (api::str(strategy, "type") == "RollingUpdate") {
      Json& rolling = ensure_object(strategy, "rollingUpdate");
      default_to(rolling, "maxUnavailable", api::text("25%"));
      default_to(rolling, "maxSurge", api::text("25%"));
    }
    default_pod_template(ensure_object(spec, "template"));
  }

  void validate(const WriteContext& context, const Json& deployment, Causes& causes) const override {
    Report report(causes);
    const Json& spec = spec_of(deployment);
    const Path path("spec");
    validate_counts(spec, path, report);
    validate_workload_selector(spec, path, "empty selector is invalid for deployment", report);
    validate_endless_template(*api::find(spec, "template"), "ReplicaSet", path.child("template"), report);
    validate_strategy(spec, path, report);
    if (!api::find(spec, "progressDeadlineSeconds")) return;
    check_non_negative(spec, "progressDeadlineSeconds", path, report);
    const auto deadline = api::num(spec, "progressDeadlineSeconds");
    if (deadline <= api::num(spec, "minReadySeconds")) {
      report.invalid(path.child("progressDeadlineSeconds"), deadline, "must be greater than minReadySeconds");
    }
  }

  void validate_update(const WriteContext& context, const Json& deployment, const Json& old,
                       Causes& causes) const override {
    Report report(causes);
    check_selector_immutable(deployment, old, report);
  }

  void validate_status_update(const Json& deployment, const Json& old, Causes& causes) const override {
    Report report(causes);
    const Json* status = api::find(deployment, "status");
    if (status) validate_replica_status(*status, Path("status"), report);
    if (api::num(deployment, "status.collisionCount") < api::num(old, "status.collisionCount")) {
      const Path path("status.collisionCount");
      report.invalid(path, api::num(deployment, "status.collisionCount"), "cannot be decremented");
    }
  }
};

}  // namespace

std::unique_ptr<Strategy> make_deployment_strategy() {
  return std::make_unique<DeploymentStrategy>();
}

}  // namespace mk::apiserver
