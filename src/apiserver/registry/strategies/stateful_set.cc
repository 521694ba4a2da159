#include "registry/strategies/claims.h"
#include "registry/strategies/int_or_percent.h"
#include "registry/strategies/label_selectors.h"
#include "registry/strategies/pod_spec.h"
#include "registry/strategies/strategies.h"
#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;

namespace {

void default_claim_templates(Json& spec) {
  auto* templates = edit_list(spec, "volumeClaimTemplates");
  if (templates == nullptr) return;
  for (auto& claim : *templates) {
    if (!claim.is_object()) continue;
    default_text(claim, "apiVersion", "v1");
    default_text(claim, "kind", "PersistentVolumeClaim");
    default_claim_spec(ensure_object(claim, "spec"));
    default_text(ensure_object(claim, "status"), "phase", "Pending");
  }
}

void validate_update_strategy(const Json& spec, const Path& path, Report& report) {
  const auto type = api::str(spec, "updateStrategy.type");
  const Json* rolling = api::find(spec, "updateStrategy.rollingUpdate");
  const Path strategy_path = path.child("updateStrategy");
  const Path rolling_path = strategy_path.child("rollingUpdate");
  if (type.empty()) return report.required(strategy_path);
  if (type == "OnDelete") {
    if (rolling) report.invalid(rolling_path, *rolling, "only allowed for updateStrategy 'RollingUpdate'");
  } else if (type == "RollingUpdate") {
    if (!rolling) return;
    check_non_negative(*rolling, "partition", rolling_path, report);
    const Json* unavailable = api::find(*rolling, "maxUnavailable");
    if (!unavailable) return;
    const Path unavailable_path = rolling_path.child("maxUnavailable");
    validate_int_or_percent(*unavailable, unavailable_path, report);
    if (is_zero(unavailable)) report.invalid(unavailable_path, *unavailable, "cannot be 0");
    validate_at_most_100_percent(*unavailable, unavailable_path, report);
  } else {
    report.invalid(strategy_path, *api::find(spec, "updateStrategy"),
                   "must be 'RollingUpdate' or 'OnDelete'");
  }
}

void validate_retention(const Json& spec, const Path& path, Report& report) {
  const Json* policy = api::find(spec, "persistentVolumeClaimRetentionPolicy");
  if (policy == nullptr) return;
  const Path policy_path = path.child("persistentVolumeClaimRetentionPolicy");
  for (const std::string_view when : {"whenDeleted", "whenScaled"}) {
    check_enum(*policy, when, {"Delete", "Retain"}, policy_path, report);
  }
}

class StatefulSetStrategy : public Strategy {
 public:
  void set_defaults(Json& set) const override {
    Json& spec = ensure_object(set, "spec");
    default_to(spec, "replicas", 1);
    default_to(spec, "revisionHistoryLimit", 10);
    default_text(spec, "podManagementPolicy", "OrderedReady");
    Json& strategy = ensure_object(spec, "updateStrategy");
    default_text(strategy, "type", "RollingUpdate");
    if (api::str(strategy, "type") == "RollingUpdate")
      default_to(ensure_object(strategy, "rollingUpdate"), "partition", 0);
    Json& retention = ensure_object(spec, "persistentVolumeClaimRetentionPolicy");
    default_text(retention, "whenDeleted", "Retain");
    default_text(retention, "whenScaled", "Retain");
    default_claim_templates(spec);
    default_pod_template(ensure_object(spec, "template"));
  }

  void validate(const WriteContext& context, const Json& set, Causes& causes) const override {
    Report report(causes);
    const Json& spec = spec_of(set);
    const Path path("spec");
    const auto policy = api::str(spec, "podManagementPolicy");
    if (policy != "OrderedReady" && policy != "Parallel") {
      report.invalid(path.child("podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'");
    }
    validate_update_strategy(spec, path, report);
    validate_retention(spec, path, report);
    validate_counts(spec, path, report);
    if (api::num(spec, "ordinals.start") < 0) {
      report.invalid(path.child("ordinals.start"), api::num(spec, "ordinals.start"), kNotNegative);
    }
    validate_workload_selector(spec, path, "empty selector is invalid for statefulset", report);
    // The template mounts volumes that the claim templates make.
    Json pod_template = *api::find(spec, "template");
    add_claim_volumes(spec, pod_template);
    validate_endless_template(pod_template, "StatefulSet", path.child("template"), report);
  }

  void validate_update(const WriteContext& context, const Json& set, const Json& old,
                       Causes& causes) const override {
    Report report(causes);
    const auto fixed = [](const Json& object) {
      return without(spec_of(object),
                     {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
                      "persistentVolumeClaimRetentionPolicy", "minReadySeconds"});
    };
    if (fixed(set) != fixed(old)) {
      report.forbidden(
          Path("spec"),
          "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
          "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
          "'minReadySeconds' are forbidden");
    }
  }

  void validate_status_update(const Json& set, const Json& old, Causes& causes) const override {
    Report report(causes);
    if (const Json* status = api::find(set, "status"))
      validate_replica_status(*status, Path("status"), report);
  }

 private:
  static void add_claim_volumes(const Json& spec, Json& pod_template) {
    const auto& claims = api::list(spec, "volumeClaimTemplates");
    if (claims.empty()) return;
    api::JsonArray volumes;
    std::set<std::string_view> taken;
    for (const auto& claim : claims) {
      const auto name = api::str(claim, "metadata.name");
      if (!taken.insert(name).second) continue;
      Json volume(api::JsonObject{{"persistentVolumeClaim", {{"claimName", "claim"}}}});
      api::set(volume, "name", api::text(name));
      volumes.push_back(std::move(volume));
    }
    // Claims come last, so that the places of the template's own volumes stay what they are in messages.
    api::JsonArray all;
    for (const auto& own : api::list(pod_template, "spec.volumes")) {
      if (!taken.contains(api::str(own, "name"))) all.push_back(own);
    }
    for (auto& volume : volumes) all.push_back(std::move(volume));
    api::set(pod_template, "spec.volumes", std::move(all));
  }
};

}  // namespace

std::unique_ptr<Strategy> make_stateful_set_strategy() {
  return std::make_unique<StatefulSetStrategy>();
}

}  // namespace mk::apiserver
