#include "registry/strategies/pod_spec.h"
#include "registry/strategies/pod_update.h"
#include "registry/strategies/resources.h"
#include "registry/strategies/strategies.h"

namespace mk::apiserver {

using api::Json;

namespace {

// With the network of the host, a port of the container is a port of the host.
void default_host_ports(Json& spec) {
  for (const auto field : {"containers", "initContainers"}) {
    auto* containers = edit_list(spec, field);
    if (containers == nullptr) continue;
    for (auto& container : *containers) {
      auto* ports = edit_list(container, "ports");
      if (ports == nullptr) continue;
      for (auto& port : *ports) {
        if (api::num(port, "hostPort") == 0)
          copy_field(port, Json(api::JsonObject{{"hostPort", api::num(port, "containerPort")}}), "hostPort");
      }
    }
  }
}

// Requests of the whole pod that are not given: what its containers ask for, or else the pod's limits.
void default_pod_requests(Json& spec) {
  Json* resources = edit(spec, "resources");
  if (resources == nullptr || !api::find(*resources, "limits")) return;
  if (!api::find(*resources, "requests")) api::set(*resources, "requests", api::JsonObject());
  auto& requests = edit(*resources, "requests")->as_object();
  for (const auto& [name, amount] : pod_container_requests(spec)) {
    const bool supported = name == "cpu" || name == "memory" || is_hugepages(name);
    if (supported && !requests.contains(name)) requests[name] = api::text(amount.str());
  }
  default_requests(*resources);
}

void set_gated_condition(Json& pod) {
  if (api::list(pod, "spec.schedulingGates").empty()) return;
  api::JsonObject condition{{"type", "PodScheduled"},
                            {"status", "False"},
                            {"reason", "SchedulingGated"},
                            {"message", "Scheduling is blocked due to non-empty scheduling gates"}};
  api::set(pod, "status.conditions", api::JsonArray{std::move(condition)});
}

class PodStrategy : public Strategy {
 public:
  void set_defaults(Json& pod) const override {
    default_to(pod, "spec", api::JsonObject());
    Json& spec = *edit(pod, "spec");
    default_pod_spec(spec);
    default_to(spec, "enableServiceLinks", true);
    for (const auto field : {"containers", "initContainers"}) {
      auto* containers = edit_list(spec, field);
      if (containers == nullptr) continue;
      for (auto& container : *containers) {
        if (Json* resources = edit(container, "resources")) default_requests(*resources);
      }
    }
    default_pod_requests(spec);
    if (api::flag(spec, "hostNetwork")) default_host_ports(spec);
  }

  void prepare_for_create(const WriteContext& context, Json& pod) const override {
    set_defaults(pod);  // the class of a pod depends on requests that come from limits
    pod.as_object()["status"] = api::JsonObject{{"phase", "Pending"}};
    api::set(pod, "status.qosClass", api::text(qos_class(*api::find(pod, "spec"))));
    set_gated_condition(pod);
  }

  void prepare_for_update(const WriteContext& context, Json& pod, const Json& old) const override {
    if (context.subresource == "ephemeralcontainers") return keep_only_ephemeral_containers(pod, old);
    if (context.subresource == "resize") return keep_only_resize(pod, old);
    Strategy::prepare_for_update(context, pod, old);
    // The class of a pod was decided when it was made.
    if (api::find(old, "status.qosClass")) copy_field(pod, old, "status.qosClass");
  }

  void validate(const WriteContext& context, const Json& pod, Causes& causes) const override {
    Report report(causes);
    const Path path("spec");
    const Json* spec = api::find(pod, "spec");
    if (spec == nullptr) return report.required(path);
    validate_pod_spec(*spec, path, report);
    if (context.operation == "CREATE") validate_new(*spec, path, report);
  }

  void validate_update(const WriteContext& context, const Json& pod, const Json& old,
                       Causes& causes) const override {
    Report report(causes);
    if (context.subresource == "ephemeralcontainers") {
      validate_ephemeral_containers_update(pod, old, report);
    } else if (context.subresource == "resize") {
      validate_resize(pod, old, report);
    } else if (context.subresource.empty()) {
      validate_pod_update(pod, old, report);
    }
  }

  void validate_status_update(const Json& pod, const Json& old, Causes& causes) const override {
    Report report(causes);
    validate_pod_status_update(pod, old, report);
  }

  std::int64_t default_grace_seconds(const Json& pod) const override {
    // A pod that never ran anywhere, or that has ended, has nothing to wait for.
    if (api::str(pod, "spec.nodeName").empty()) return 0;
    const auto phase = api::str(pod, "status.phase");
    if (phase == "Failed" || phase == "Succeeded") return 0;
    const auto seconds = api::num(pod, "spec.terminationGracePeriodSeconds", 30);
    if (seconds < 0) return 1;
    return seconds == 0 ? -1 : seconds;
  }

 private:
  static void validate_new(const Json& spec, const Path& path, Report& report) {
    if (!api::list(spec, "ephemeralContainers").empty()) {
      report.forbidden(path.child("ephemeralContainers"), "cannot be set on create");
    }
    if (!api::str(spec, "nodeName").empty() && !api::list(spec, "schedulingGates").empty()) {
      report.forbidden(path.child("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }
  }
};

}  // namespace

std::unique_ptr<Strategy> make_pod_strategy() {
  return std::make_unique<PodStrategy>();
}

}  // namespace mk::apiserver
