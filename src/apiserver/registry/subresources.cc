#include "registry/subresources.h"

#include "extensions/custom_resource.h"
#include "http/status.h"
#include "mk/api/patch.h"
#include "mk/api/selector.h"
#include "registry/errors.h"
#include "registry/strategies/pod_binding.h"
#include "registry/strategies/pod_eviction.h"

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
    return Error(Reason::kBadRequest,
                 "expected a Scale, not \"" + std::string(api::str(scale, "kind")) + "\"");
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

// Where the parts of a Scale lie in objects of this resource.
ScalePaths scale_paths(const api::ResourceInfo& resource) {
  const auto* custom = custom_of(resource);
  if (custom && custom->scale()) return *custom->scale();
  return {"spec.replicas", "status.replicas", ""};
}

Result<Json> with_replicas(const WriteContext& context, const Object& current, const Json& scale) {
  const std::string_view version = api::str(scale, "metadata.resourceVersion");
  if (!version.empty() && version != current.resource_version())
    return write_conflict(context.resource->gvr, context.name);
  Json changed = current.json();
  api::set(changed, scale_paths(*context.resource).replicas, api::num(scale, "spec.replicas"));
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
  const ScalePaths paths = scale_paths(resource);
  if (resource.extension && api::find(json, paths.replicas) == nullptr)
    return Error(Reason::kInternalError,
                 "the spec replicas field \"." + paths.replicas + "\" does not exist");
  spec["replicas"] = api::num(json, paths.replicas);
  status["replicas"] = api::num(json, paths.status_replicas);
  auto selector = resource.extension ? std::string(api::str(json, paths.selector)) : selector_text(json);
  if (!selector.empty()) status["selector"] = api::text(selector);
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

rt::Task<Result<Object>> patch_scale(Registry& registry, WriteContext& context, client::PatchType type,
                                     Json patch) {
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
  auto change = [&context, &binding](const Object& pod) -> Result<Json> {
    Json changed = pod.json();
    MK_TRY(bind_pod(changed, binding, context.now));
    return changed;
  };
  context.subresource = "binding";
  MK_CO_ASSIGN(Written written, co_await registry.modify(context, std::move(change)));
  co_return success_status("", "pods", context.name, written.object.uid());
}

namespace {

std::vector<Object> budgets_of(Registry& registry, const std::string& ns) {
  static const api::Gvr kBudgets{"policy", "v1", "poddisruptionbudgets"};
  std::vector<Object> out;
  registry.cacher().resource(kBudgets).for_each(ns, [&](const Object& budget) {
    out.push_back(budget);
    return true;
  });
  return out;
}

// Takes one disruption from the budget. kConflict: it changed since the plan was made.
rt::Task<Result<void>> spend(Registry& registry, const WriteContext& eviction, Json budget) {
  WriteContext context = eviction;
  context.resource = api::find_builtin(api::Gvr{"policy", "v1", "poddisruptionbudgets"});
  context.name = api::str(budget, "metadata.name");
  context.subresource = "status";
  MK_CO_TRY(co_await registry.update(context, std::move(budget)));
  co_return ok();
}

// What an eviction asks beyond its pod.
struct EvictionRequest {
  client::DeleteOptions options;
  bool dry_run = false;
};

Result<EvictionRequest> read_eviction(const WriteContext& context, const Json& eviction) {
  const auto name = api::str(eviction, "metadata.name"), ns = api::str(eviction, "metadata.namespace");
  if (!name.empty() && name != context.name)
    return Error(Reason::kBadRequest, "name in URL does not match name in Eviction object");
  if (!ns.empty() && ns != context.ns)
    return Error(Reason::kBadRequest,
                 "the namespace of the provided object does not match the namespace sent on the request");
  EvictionRequest request;
  request.dry_run = context.dry_run;
  for (const auto& what : api::list(eviction, "deleteOptions.dryRun"))
    request.dry_run = request.dry_run || what == Json("All");
  auto& options = request.options;
  options.grace_period_seconds = api::num(eviction, "deleteOptions.gracePeriodSeconds", -1);
  options.propagation = api::str(eviction, "deleteOptions.propagationPolicy");
  options.uid = api::str(eviction, "deleteOptions.preconditions.uid");
  options.resource_version = api::str(eviction, "deleteOptions.preconditions.resourceVersion");
  return request;
}

Result<void> check_expected(const WriteContext& context, const Object& pod,
                            const client::DeleteOptions& options) {
  const auto differs = [&](const char* what, const std::string& expected, std::string_view is) {
    return write_conflict(context.resource->gvr, context.name,
                          std::string("Precondition failed: ") + what + " in precondition: " + expected +
                              ", " + what + " in object meta: " + std::string(is));
  };
  if (!options.uid.empty() && options.uid != pod.uid()) return differs("UID", options.uid, pod.uid());
  if (!options.resource_version.empty() && options.resource_version != pod.resource_version())
    return differs("ResourceVersion", options.resource_version, pod.resource_version());
  return ok();
}

// Says on the pod why it goes, so that its owner can tell an eviction from a failure.
rt::Task<Result<void>> mark_disrupted(Registry& registry, const WriteContext& eviction, std::string uid) {
  WriteContext context = eviction;
  context.subresource = "status";
  const auto mark = [&context, &uid](const Object& pod) -> Result<Json> {
    if (pod.uid() != uid) return not_found(context.resource->gvr, context.name);
    Json changed = pod.json();
    set_disruption_target(changed, context.now);
    return changed;
  };
  MK_CO_TRY(co_await registry.modify(context, mark));
  co_return ok();
}

}  // namespace

rt::Task<Result<Json>> evict_pod(Registry& registry, WriteContext& context, Json eviction) {
  MK_CO_ASSIGN(const EvictionRequest request, read_eviction(context, eviction));
  context.dry_run = request.dry_run;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const Object pod = registry.cacher().get(context.resource->gvr, api::Key(context.ns, context.name));
    if (!pod) co_return not_found(context.resource->gvr, context.name);
    MK_CO_TRY(check_expected(context, pod, request.options));
    MK_CO_ASSIGN(auto plan, plan_eviction(pod.json(), budgets_of(registry, context.ns), context.now));
    if (plan.budget && !context.dry_run) {
      auto spent = co_await spend(registry, context, std::move(*plan.budget));
      if (!spent.ok() && spent.error().is(Reason::kConflict)) continue;  // decide again
      MK_CO_TRY(std::move(spent));
    }
    client::DeleteOptions options = request.options;
    options.uid = pod.uid();
    // Its own mark gives the pod a newer version than the one that was decided about.
    if (!context.dry_run && options.resource_version.empty())
      MK_CO_TRY(co_await mark_disrupted(registry, context, std::string(pod.uid())));
    context.subresource.clear();
    MK_CO_TRY(co_await registry.remove(context, std::move(options)));
    co_return success_status("", "pods", context.name, pod.uid());
  }
  co_return write_conflict(context.resource->gvr, context.name);
}

}  // namespace mk::apiserver
