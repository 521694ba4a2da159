#include "registry/strategies/label_selectors.h"
#include "registry/strategies/pod_spec.h"
#include "registry/strategies/strategies.h"
#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;

namespace {

class ReplicaSetStrategy : public Strategy {
 public:
  void set_defaults(Json& set) const override {
    Json& spec = ensure_object(set, "spec");
    default_to(spec, "replicas", 1);
    default_pod_template(ensure_object(spec, "template"));
  }

  void validate(const WriteContext& context, const Json& set, Causes& causes) const override {
    Report report(causes);
    const Json& spec = spec_of(set);
    const Path path("spec");
    validate_counts(spec, path, report);
    // Kubernetes says "deployment" here too.
    validate_workload_selector(spec, path, "empty selector is invalid for deployment", report);
    validate_endless_template(*api::find(spec, "template"), "ReplicaSet", path.child("template"), report);
  }

  void validate_update(const WriteContext& context, const Json& set, const Json& old,
                       Causes& causes) const override {
    Report report(causes);
    check_selector_immutable(set, old, report);
  }

  void validate_status_update(const Json& set, const Json& old, Causes& causes) const override {
    Report report(causes);
    if (const Json* status = api::find(set, "status"))
      validate_replica_status(*status, Path("status"), report);
  }
};

}  // namespace

std::unique_ptr<Strategy> make_replica_set_strategy() {
  return std::make_unique<ReplicaSetStrategy>();
}

}  // namespace mk::apiserver
