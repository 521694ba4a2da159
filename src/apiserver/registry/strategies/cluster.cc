#include <fmt/format.h>

#include <array>

#include "registry/strategies/names.h"
#include "registry/strategies/scheduling.h"
#include "registry/strategies/simple.h"
#include "registry/strategies/workload.h"

// Namespace, Node, Lease, RuntimeClass, PriorityClass.
namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kNameLabel = "kubernetes.io/metadata.name";
constexpr std::int64_t kUserPriorityMax = 1'000'000'000;

class NamespaceStrategy : public Strategy {
 public:
  void set_defaults(Json& ns) const override {
    const auto name = api::str(ns, "metadata.name");
    if (!name.empty()) ensure_object(ns, "metadata.labels").as_object()[kNameLabel] = api::text(name);
  }

  void prepare_for_create(const WriteContext& context, Json& ns) const override {
    ns.as_object()["status"] = api::JsonObject{{"phase", "Active"}};
    Json& spec = ensure_object(ns, "spec");
    api::JsonArray finalizers = api::list(spec, "finalizers");
    if (std::find(finalizers.begin(), finalizers.end(), Json("kubernetes")) == finalizers.end()) {
      finalizers.push_back("kubernetes");
    }
    api::set(spec, "finalizers", std::move(finalizers));
  }

  void prepare_for_update(const WriteContext& context, Json& ns, const Json& old) const override {
    if (context.subresource == "finalize") {
      Json kept = old;
      copy_field(kept, ns, "spec.finalizers");
      for (const auto field : {"metadata.managedFields", "metadata.resourceVersion"}) {
        if (const Json* value = api::find(ns, field)) api::set(kept, field, *value);
      }
      ns = std::move(kept);
      return;
    }
    Strategy::prepare_for_update(context, ns, old);
    copy_field(ns, old, "spec.finalizers");
  }

  void validate(const WriteContext& context, const Json& ns, Causes& causes) const override {
    Report report(causes);
    const Path path("spec.finalizers");
    for (const auto& finalizer : api::list(ns, "spec.finalizers"))
      check_qualified(text_of(finalizer), path, report);
  }

  void validate_status_update(const Json& ns, const Json& old, Causes& causes) const override {
    Report report(causes);
    const auto phase = api::str(ns, "status.phase");
    const bool deleting = api::find(ns, "metadata.deletionTimestamp") != nullptr;
    if (phase == (deleting ? "Terminating" : "Active")) return;
    report.invalid(Path("status.Phase"), phase,
                   deleting ? "may only be 'Terminating' if `deletionTimestamp` is not empty"
                            : "may only be 'Active' if `deletionTimestamp` is empty");
  }

  bool new_generation(const Json&, const Json&) const override { return false; }
};

// podCIDR is the first of podCIDRs; either may be given.
void default_node(Json& node) {
  if (!api::find(node, "spec")) return;
  const auto single = api::str(node, "spec.podCIDR");
  const auto& all = api::list(node, "spec.podCIDRs");
  if (!single.empty() && all.empty()) {
    api::set(node, "spec.podCIDRs", api::JsonArray{api::text(single)});
  } else if (single.empty() && !all.empty()) {
    api::set(node, "spec.podCIDR", Json(all[0]));
  }
}

void validate_taints(const Json& node, Report& report) {
  const auto& taints = api::list(node, "spec.taints");
  const Path path("spec.taints");
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (std::size_t i = 0; i < taints.size(); ++i) {
    const Path taint = path[i];
    const auto key = api::str(taints[i], "key"), value = api::str(taints[i], "value"),
               effect = api::str(taints[i], "effect");
    report.check(taint.child("key"), key, api::check_qualified_name(key));
    report.check(taint.child("value"), value, api::check_label_value(value));
    check_enum(taints[i], "effect", {"NoExecute", "NoSchedule", "PreferNoSchedule"}, taint, report);
    if (!seen.emplace(key, effect).second) {
      const Json pair(api::JsonObject{{"key", api::text(key)}, {"effect", api::text(effect)}});
      report.causes().push_back(api::duplicate(taint.str(), api::to_json(pair)));
    }
  }
}

void validate_node(const Json& node, Report& report) {
  validate_taints(node, report);
  const auto& ranges = api::list(node, "spec.podCIDRs");
  const Path path("spec.podCIDRs");
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    report.check(path[i], text_of(ranges[i]), check_cidr(text_of(ranges[i])));
  }
}

void validate_node_update(const Json& node, const Json& old, Report& report) {
  const auto once = [&](std::string_view field, std::string_view shown) {
    if (api::find(old, field) && !same(node, old, field)) {
      report.forbidden(Path(field),
                       fmt::format("node updates may not change {} except from \"\" to valid", shown));
    }
  };
  if (!api::list(old, "spec.podCIDRs").empty()) once("spec.podCIDRs", "podCIDR");
  if (!api::str(old, "spec.providerID").empty()) once("spec.providerID", "providerID");
  const auto fixed = [](const Json& object) {
    return without(spec_of(object),
                   {"podCIDR", "podCIDRs", "providerID", "taints", "unschedulable", "configSource"});
  };
  if (fixed(node) != fixed(old)) {
    report.forbidden(Path("spec"),
                     "node updates may only change labels, taints, or capacity (or configSource, if the "
                     "DynamicKubeletConfig feature gate is enabled)");
  }
}

void validate_lease(const Json& lease, Report& report) {
  const Path path("spec");
  check_positive(spec_of(lease), "leaseDurationSeconds", path, report);
  check_non_negative(spec_of(lease), "leaseTransitions", path, report);
}

void validate_runtime_class(const Json& object, Report& report) {
  const auto handler = api::str(object, "handler");
  report.check(Path("handler"), handler, api::check_dns1123_label(handler));
  if (const Json* scheduling = api::find(object, "scheduling")) {
    const Path path("scheduling");
    validate_labels(api::object(*scheduling, "nodeSelector"), path.child("nodeSelector"), report);
    validate_tolerations(api::list(*scheduling, "tolerations"), path.child("tolerations"), report);
  }
}

void default_priority_class(Json& object) {
  default_text(object, "preemptionPolicy", "PreemptLowerPriority");
}

bool is_system_class(std::string_view name, std::int64_t value) {
  return (name == "system-node-critical" && value == 2'000'001'000) ||
         (name == "system-cluster-critical" && value == 2'000'000'000);
}

void validate_priority_class(const Json& object, Report& report) {
  const auto name = api::str(object, "metadata.name");
  const auto value = api::num(object, "value");
  if (name.starts_with("system-")) {
    if (!is_system_class(name, value)) {
      report.forbidden(
          Path("metadata.name"),
          "priority class names with 'system-' prefix are reserved for system use only. error: " +
              fmt::format("{} is not a known system priority class", name));
    }
  } else if (value > kUserPriorityMax) {
    report.forbidden(Path("value"),
                     fmt::format("maximum allowed value of a user defined priority is {}", kUserPriorityMax));
  }
  check_enum(object, "preemptionPolicy", {"Never", "PreemptLowerPriority"}, Path(""), report,
             Presence::kOptional);
}

void validate_priority_class_update(const Json& object, const Json& old, Report& report) {
  if (api::num(object, "value") != api::num(old, "value")) {
    report.forbidden(Path("value"), "may not be changed in an update.");
  }
}

}  // namespace

void add_cluster(StrategySet& set) {
  set.add("namespaces", std::make_unique<NamespaceStrategy>());
  set.add("nodes", make_simple({.defaults = default_node,
                                .validate = validate_node,
                                .validate_update = validate_node_update}));
  set.add("leases.coordination.k8s.io",
          make_simple({.validate = validate_lease, .status = false, .create_on_update = true}));
  set.add("runtimeclasses.node.k8s.io",
          make_simple({.validate = validate_runtime_class, .immutable = {"handler"}, .status = false}));
  set.add("priorityclasses.scheduling.k8s.io", make_simple({.defaults = default_priority_class,
                                                            .validate = validate_priority_class,
                                                            .validate_update = validate_priority_class_update,
                                                            .immutable = {"preemptionPolicy"},
                                                            .status = false}));
}

}  // namespace mk::apiserver
