#include "mk/api/selector.h"
#include "registry/strategies/pod_spec.h"
#include "registry/strategies/strategies.h"
#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;

namespace {

class ReplicationControllerStrategy : public Strategy {
 public:
  void set_defaults(Json& controller) const override {
    Json& spec = ensure_object(controller, "spec");
    default_to(spec, "replicas", 1);
    if (!api::find(spec, "template")) return;
    default_pod_template(*edit(spec, "template"));
    // Without a selector or labels of its own, it goes by the labels of its pods.
    const Json labels(api::object(spec, "template.metadata.labels"));
    if (labels.get_object().empty()) return;
    if (api::object(spec, "selector").empty()) api::set(spec, "selector", labels);
    if (api::object(controller, "metadata.labels").empty()) api::set(controller, "metadata.labels", labels);
  }

  void validate(const WriteContext& context, const Json& controller, Causes& causes) const override {
    Report report(causes);
    const Json& spec = spec_of(controller);
    const Path path("spec");
    validate_counts(spec, path, report);
    const auto& selector = api::object(spec, "selector");
    if (selector.empty()) report.required(path.child("selector"));
    const Json* pod_template = api::find(spec, "template");
    if (pod_template == nullptr) return report.required(path.child("template"));
    const auto& labels = api::object(*pod_template, "metadata.labels");
    if (!selector.empty() && !api::LabelSelector::from_map(selector).matches(labels)) {
      report.invalid(path.child("template.metadata.labels"), Json(labels), kNoMatch);
    }
    validate_endless_template(*pod_template, "ReplicationController", path.child("template"), report);
  }

  void validate_status_update(const Json& controller, const Json& old, Causes& causes) const override {
    Report report(causes);
    if (const Json* status = api::find(controller, "status"))
      validate_replica_status(*status, Path("status"), report);
  }
};

class PodTemplateStrategy : public Strategy {
 public:
  void set_defaults(Json& object) const override { default_pod_template(ensure_object(object, "template")); }
  void validate(const WriteContext& context, const Json& object, Causes& causes) const override {
    Report report(causes);
    if (const Json* pod_template = api::find(object, "template")) {
      validate_pod_template(*pod_template, Path("template"), report);
    }
  }
  bool has_status() const override { return false; }
  // There is no spec, but a template, and it counts.
  bool new_generation(const Json& object, const Json& old) const override {
    return !same(object, old, "template");
  }
};

class ControllerRevisionStrategy : public Strategy {
 public:
  void validate(const WriteContext& context, const Json& revision, Causes& causes) const override {
    Report report(causes);
    if (!api::find(revision, "data")) report.required(Path("data"), "data is mandatory");
    if (const auto number = api::num(revision, "revision"); number < 0) {
      report.invalid(Path("revision"), number, kNotNegative);
    }
  }
  void validate_update(const WriteContext& context, const Json& revision, const Json& old,
                       Causes& causes) const override {
    Report report(causes);
    check_immutable(revision, old, "data", report);
  }
  bool has_status() const override { return false; }
};

}  // namespace

std::unique_ptr<Strategy> make_replication_controller_strategy() {
  return std::make_unique<ReplicationControllerStrategy>();
}
std::unique_ptr<Strategy> make_pod_template_strategy() {
  return std::make_unique<PodTemplateStrategy>();
}
std::unique_ptr<Strategy> make_controller_revision_strategy() {
  return std::make_unique<ControllerRevisionStrategy>();
}

}  // namespace mk::apiserver
