#include "registry/subresources.h"

#include "http/status.h"
#include "mk/api/patch.h"
#include "mk/api/selector.h"
#include "registry/errors.h"

namespace mk::apiserver {

using api::Json;
using api::JsonObject;
using api::Object;

namespace {

// The selector as text, for status.selector.
std::string selector_text(const Json& object) {
  const Json* selector = api::find(object, "spec.selector");
  if (selector == nullptr) return "";
  if (api::str(object, "kind") == "ReplicationController" && selector->is_object())
    return api::LabelSelector::from_map(selector->get_object()).str();
  auto parsed = api::LabelSelector::from_json(selector);
  return parsed.ok() ? parsed->str() : "";
}

Result<void> check_scale(const WriteContext& context, const Json& scale) {
  if (api::str(scale, "kind") != "Scale")
    return Error(Reason::kBadRequest, "expected a Scale, not \"" + std::string(api::str(scale, "kind")) + "\"");
  const std::string_view name = api::str(scale, "metadata.name");
  if (!name.empty() && name != context.name)
    return Error(Reason::kBadRequest, "the name of the object (" + std::string(name) +
                                          ") does not match the name on the URL (" + context.name + ")");
  if (api::num(scale, "spec.replicas") < 0) {
    std::vector<Cause> causes;
    causes.push_back(api::invalid("spec.replicas", std::to_string(api::num(scale, "spec.replicas")),
                                  "must be greater than or equal to 0"));
    return api::invalid_object({"autoscaling", "v1", "Scale"}, context.name, std::move(causes));
  }
  return ok();
}

Result<Json> with_replicas(const WriteContext& context, const Object& current, const Json& scale) {
  const std::string_view version = api::str(scale, "metadata.resourceVersion");
  if (!version.empty() && version != current.resource_version())
    return write_conflict(context.resource->gvr, context.name);
  Json changed = current.json();
  api::set(changed, "spec.replicas", api::num(scale, "spec.replicas"));
  return changed;
}

rt::Task<Result<Object>> scaled(Registry& registry, WriteContext& context, Registry::Change change) {
  // The write itself is an ordinary one of the object; only ownership remembers that it came through scale.
  MK_CO_ASSIGN(Written written, co_await registry.modify(context, std::move(change)));
  MK_CO_ASSIGN(Json scale, scale_of(*context.resource, written.object));
  co_return Object(std::move(scale));
}

}  // namespace

Result<Json> scale_of(const api::ResourceInfo& resource, const Object& object) {
  const Json& json = object.json();
  JsonObject metadata;
  for (const char* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    if (const Json* value = api::find(json, "metadata." + std::string(field))) metadata[field] = *value;
  }
  JsonObject spec, status;
  spec["replicas"] = api::num(json, "spec.replicas");
  status["replicas"] = api::num(json, "status.replicas");
  if (auto selector = selector_text(json); !selector.empty()) status["selector"] = api::text(selector);
  JsonObject scale;
  scale["kind"] = "Scale";
  scale["apiVersion"] = "autoscaling/v1";
  scale["metadata"] = std::move(metadata);
  scale["spec"] = std::move(spec);
  scale["status"] = std::move(status);
  return Json(std::move(scale));
}

rt::Task<Result<Object>> update_scale(Registry& registry, WriteContext& context, Json scale) {
  MK_CO_TRY(check_scale(context, scale));
  auto change = [&context, scale](const Object& current) { return with_replicas(context, current, scale); };
  co_return co_await scaled(registry, context, std::move(change));
}

rt::Task<Result<Object>> patch_scale(Registry& registry, WriteContext& context, client::PatchType type, Json patch) {
  auto change = [&context, type, patch](const Object& current) -> Result<Json> {
    MK_ASSIGN(const Json before, scale_of(*context.resource, current));
    MK_ASSIGN(const Json after, type == client::PatchType::kJson ? api::apply_json_patch(before, patch)
                                                                 : api::apply_merge_patch(before, patch));
    MK_TRY(check_scale(context, after));
    return with_replicas(context, current, after);
  };
  co_return co_await scaled(registry, context, std::move(change));
}

rt::Task<Result<Json>> bind_pod(Registry& registry, WriteContext& context, Json binding) {
  const std::string node(api::str(binding, "target.name"));
  const std::string kind(api::str(binding, "target.kind"));
  if (node.empty() || (!kind.empty() && kind != "Node"))
    co_return Error(Reason::kBadRequest, "a Binding needs a target of kind Node with a name");
  const std::string uid(api::str(binding, "metadata.uid"));
  auto change = [&context, node, uid](const Object& pod) -> Result<Json> {
    const auto refuse = [&](std::string why) { return write_conflict(context.resource->gvr, context.name, why); };
    if (!uid.empty() && uid != pod.uid())
      return refuse("Precondition failed: UID in precondition: " + uid + ", UID in object meta: " + std::string(pod.uid()));
    if (pod.deleting()) return refuse("pod " + context.name + " is being deleted, cannot be assigned to a host");
    const std::string_view assigned = api::str(pod.json(), "spec.nodeName");
    if (!assigned.empty())
      return refuse("pod " + context.name + " is already assigned to node \"" + std::string(assigned) + "\"");
    if (!api::list(pod.json(), "spec.schedulingGates").empty())
      return refuse("pod " + context.name + " has non-empty .spec.schedulingGates");
    Json changed = pod.json();
    api::set(changed, "spec.nodeName", api::text(node));
    api::JsonArray conditions;
    for (const auto& condition : api::list(pod.json(), "status.conditions")) {
      if (api::str(condition, "type") != "PodScheduled") conditions.push_back(condition);
    }
    JsonObject scheduled;
    scheduled["type"] = "PodScheduled";
    scheduled["status"] = "True";
    scheduled["lastProbeTime"] = nullptr;
    scheduled["lastTransitionTime"] = api::text(context.now);
    conditions.push_back(std::move(scheduled));
    api::set(changed, "status.conditions", std::move(conditions));
    return changed;
  };
  context.subresource = "binding";
  MK_CO_TRY(co_await registry.modify(context, std::move(change)));
  co_return success_status("", "pods", context.name, uid);
}

rt::Task<Result<Json>> evict_pod(Registry& registry, WriteContext& context, Json eviction) {
  const Object pod = registry.cacher().get(context.resource->gvr, api::Key(context.ns, context.name));
  if (!pod) co_return not_found(context.resource->gvr, context.name);
  const std::string_view phase = api::str(pod.json(), "status.phase");
  const bool ended = phase == "Succeeded" || phase == "Failed" || phase == "Pending" || pod.deleting();
  std::vector<Object> budgets;
  if (!ended) {
    static const api::Gvr kBudgets{"policy", "v1", "poddisruptionbudgets"};
    registry.cacher().resource(kBudgets).for_each(context.ns, [&](const Object& budget) {
      auto selector = api::LabelSelector::from_json(api::find(budget.json(), "spec.selector"));
      if (selector.ok() && selector->matches(api::object(pod.json(), "metadata.labels"))) budgets.push_back(budget);
      return true;
    });
  }
  if (budgets.size() > 1)
    co_return Error(Reason::kInternalError, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
  if (!budgets.empty()) {
    WriteContext budget_context = context;
    budget_context.resource = api::find_builtin(api::Gvr{"policy", "v1", "poddisruptionbudgets"});
    budget_context.name = budgets.front().name();
    budget_context.subresource = "status";
    auto spend = [&context](const Object& budget) -> Result<Json> {
      const std::int64_t allowed = api::num(budget.json(), "status.disruptionsAllowed");
      if (allowed <= 0) {
        Error error(Reason::kTooManyRequests, "Cannot evict pod as it would violate the pod's disruption budget.");
        error.causes.emplace_back("", "DisruptionBudget", "The disruption budget " + std::string(budget.name()) +
                                                              " needs " + std::to_string(api::num(budget.json(), "status.desiredHealthy")) +
                                                              " healthy pods and has " +
                                                              std::to_string(api::num(budget.json(), "status.currentHealthy")) + " currently");
        return error;
      }
      Json changed = budget.json();
      api::set(changed, "status.disruptionsAllowed", allowed - 1);
      JsonObject disrupted = api::object(changed, "status.disruptedPods");
      disrupted[context.name] = api::text(context.now);
      api::set(changed, "status.disruptedPods", std::move(disrupted));
      return changed;
    };
    MK_CO_TRY(co_await registry.modify(budget_context, std::move(spend)));
  }
  client::DeleteOptions options;
  options.uid = pod.uid();
  options.grace_period_seconds = api::num(eviction, "deleteOptions.gracePeriodSeconds", -1);
  context.subresource.clear();
  MK_CO_TRY(co_await registry.remove(context, std::move(options)));
  co_return success_status("", "pods", context.name, pod.uid());
}

}  // namespace mk::apiserver
