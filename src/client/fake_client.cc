#include "mk/client/fake_client.h"

#include <algorithm>

#include "fake_filter.h"
#include "mk/api/patch.h"
#include "mk/api/schema.h"
#include "mk/base/ids.h"
#include "mk/base/strings.h"

namespace mk::client {
namespace {

Error not_found(const api::Gvr& resource, const std::string& name) {
  Error error(Reason::kNotFound, resource.qualified() + " \"" + name + "\" not found");
  error.group = resource.group, error.kind = resource.resource, error.name = name;
  return error;
}

Error conflict(const api::Gvr& resource, std::string_view name, const std::string& why) {
  return Error(Reason::kConflict, "Operation cannot be fulfilled on " + resource.qualified() + " \"" +
                                      std::string(name) + "\": " + why);
}

constexpr const char* kModified =
    "the object has been modified; please apply your changes to the latest version and try again";

// Takes `field` of `from` over, or its absence.
void take_over(api::Json& to, const api::Json& from, std::string_view field) {
  if (const auto* value = api::find(from, field)) {
    api::set(to, field, *value);
  } else {
    api::erase(to, field);
  }
}

bool has_finalizers(const api::Json& json) {
  return !api::list(json, "metadata.finalizers").empty();
}

bool is_running_pod(const api::Gvr& resource, const api::Json& json) {
  const auto phase = api::str(json, "status.phase");
  return resource == api::resources::kPods && !api::str(json, "spec.nodeName").empty() &&
         phase != "Succeeded" && phase != "Failed";
}

}  // namespace

FakeClient::FakeClient(rt::Clock& clock) : clock_(clock) {}
FakeClient::~FakeClient() = default;

Result<void> FakeClient::begin(std::string verb, const api::Gvr& resource, api::Key key,
                               std::string subresource) {
  actions.push_back({std::move(verb), resource, std::move(key), std::move(subresource)});
  if (!intercept) return ok();
  const Action action = actions.back();
  return intercept(action);
}

std::size_t FakeClient::count(const std::string& verb, const api::Gvr& resource) const {
  return static_cast<std::size_t>(std::count_if(actions.begin(), actions.end(), [&](auto& action) {
    return action.verb == verb && action.resource == resource;
  }));
}

api::Object FakeClient::find(const api::Gvr& resource, const api::Key& key) const {
  const auto table = tables_.find(resource);
  if (table == tables_.end()) return {};
  const auto found = table->second.find(key);
  return found == table->second.end() ? api::Object() : found->second;
}

std::vector<api::Object> FakeClient::all(const api::Gvr& resource) const {
  std::vector<api::Object> out;
  const auto table = tables_.find(resource);
  if (table == tables_.end()) return out;
  for (const auto& [key, object] : table->second) out.push_back(object);
  return out;
}

Result<api::Object> FakeClient::existing(const api::Gvr& resource, const api::Key& key) const {
  const auto object = find(resource, key);
  if (!object) return not_found(resource, key.name);
  return object;
}

api::Object FakeClient::store(const api::Gvr& resource, const api::Object& before, api::Json after) {
  api::set(after, "metadata.resourceVersion", api::text(std::to_string(++revision_)));
  const api::Object object(std::move(after));
  tables_[resource][object.key()] = object;
  publish(std::make_shared<const Change>(revision_, resource, before, object));
  return object;
}

void FakeClient::drop(const api::Gvr& resource, const api::Object& before) {
  tables_[resource].erase(before.key());
  publish(std::make_shared<const Change>(++revision_, resource, before, api::Object()));
}

api::Object FakeClient::put(const api::Gvr& resource, api::Json object) {
  const api::Object wanted(object);
  const auto live = find(resource, wanted.key());
  if (!live) return create_now(resource, std::string(wanted.ns()), std::move(object), false).value();
  for (const char* field : {"metadata.uid", "metadata.creationTimestamp"})
    if (!api::find(object, field)) take_over(object, live.json(), field);
  return store(resource, live, std::move(object));
}

void FakeClient::erase(const api::Gvr& resource, const api::Key& key) {
  if (const auto live = find(resource, key)) drop(resource, live);
}

rt::Task<Result<api::Object>> FakeClient::get(api::Gvr resource, api::Key key) {
  MK_CO_TRY(begin("get", resource, key));
  co_return existing(resource, key);
}

rt::Task<Result<ObjectList>> FakeClient::list(api::Gvr resource, std::string ns, ListOptions options) {
  MK_CO_TRY(begin("list", resource, api::Key(ns, "")));
  auto filter = Filter::make(resource, ns, options.label_selector, options.field_selector);
  if (!filter) co_return std::move(filter).error();
  ObjectList out;
  for (const auto& object : all(resource))
    if (filter->matches(object)) out.items.push_back(object);
  out.resource_version = std::to_string(revision_);
  co_return out;
}

Result<api::Object> FakeClient::create_now(const api::Gvr& resource, const std::string& ns, api::Json json,
                                           bool dry_run) {
  if (!json.is_object()) return Error(Reason::kBadRequest, "this is no object");
  const auto* info = api::find_builtin(resource);
  if (api::str(json, "kind").empty() && info) api::set(json, "kind", api::text(info->kind));
  if (api::str(json, "apiVersion").empty()) api::set(json, "apiVersion", api::text(resource.api_version()));
  if (!ns.empty()) api::set(json, "metadata.namespace", api::text(ns));
  std::string name(api::str(json, "metadata.name"));
  if (name.empty() && !api::str(json, "metadata.generateName").empty())
    name = std::string(api::str(json, "metadata.generateName")) + random_suffix(5);
  if (name.empty()) return Error(Reason::kInvalid, "name or generateName is required");
  api::set(json, "metadata.name", api::text(name));
  if (find(resource, api::Key(ns, name)))
    return Error(Reason::kAlreadyExists, resource.qualified() + " \"" + name + "\" already exists");
  if (api::str(json, "metadata.uid").empty()) api::set(json, "metadata.uid", api::text(new_uid()));
  if (!api::find(json, "metadata.creationTimestamp"))
    api::set(json, "metadata.creationTimestamp", api::text(rt::format_time(clock_.now())));
  if (!api::find(json, "metadata.generation")) api::set(json, "metadata.generation", 1);
  if (dry_run) return api::Object(std::move(json));
  return store(resource, api::Object(), std::move(json));
}

rt::Task<Result<api::Object>> FakeClient::create(api::Gvr resource, std::string ns, api::Object object,
                                                 WriteOptions options) {
  MK_CO_TRY(begin("create", resource, api::Key(ns, std::string(object.name()))));
  if (resource.resource == "subjectaccessreviews") {
    const bool allowed = may && may(object.json());
    co_return object.with([allowed](api::Json& json) { api::set(json, "status.allowed", allowed); });
  }
  co_return create_now(resource, ns, object.json(), options.dry_run);
}

Result<api::Object> FakeClient::bind(const api::Object& pod, const api::Object& binding) {
  const std::string node(api::str(binding.json(), "target.name"));
  if (pod.deleting())
    return conflict(api::resources::kPods, pod.name(),
                    "pod " + std::string(pod.name()) + " is being deleted, cannot be assigned to a host");
  const auto current = api::str(pod.json(), "spec.nodeName");
  if (!current.empty())
    return conflict(
        api::resources::kPods, pod.name(),
        "pod " + std::string(pod.name()) + " is already assigned to node \"" + std::string(current) + "\"");
  api::Json json = pod.json();
  api::set(json, "spec.nodeName", api::text(node));
  api::JsonArray conditions;
  for (const auto& condition : api::list(json, "status.conditions"))
    if (api::str(condition, "type") != "PodScheduled") conditions.push_back(condition);
  conditions.push_back(api::JsonObject{{"type", "PodScheduled"},
                                       {"status", "True"},
                                       {"lastTransitionTime", api::text(rt::format_time(clock_.now()))}});
  api::set(json, "status.conditions", std::move(conditions));
  return store(api::resources::kPods, pod, std::move(json));
}

rt::Task<Result<api::Object>> FakeClient::get_subresource(api::Gvr resource, api::Key key,
                                                          std::string subresource) {
  MK_CO_TRY(begin("get", resource, key, subresource));
  MK_CO_ASSIGN(const api::Object live, existing(resource, key));
  if (subresource != "scale") co_return live;
  const api::Json* selector = api::find(live.json(), "spec.selector");
  const bool plain = selector != nullptr && api::find(*selector, "matchLabels") == nullptr &&
                     api::find(*selector, "matchExpressions") == nullptr;
  const auto labels = plain ? api::LabelSelector::from_map(selector->as_object())
                            : api::LabelSelector::from_json(selector).value_or(api::LabelSelector());
  api::JsonObject status{{"replicas", api::num(live.json(), "status.replicas")},
                         {"selector", api::text(labels.str())}};
  api::JsonObject spec{{"replicas", api::num(live.json(), "spec.replicas")}};
  api::JsonObject scale{{"apiVersion", "autoscaling/v1"},
                        {"kind", "Scale"},
                        {"metadata", api::object(live.json(), "metadata")},
                        {"spec", std::move(spec)},
                        {"status", std::move(status)}};
  co_return api::Object(api::Json(std::move(scale)));
}

rt::Task<Result<api::Object>> FakeClient::create_subresource(api::Gvr resource, api::Key key,
                                                             std::string subresource, api::Object object) {
  MK_CO_TRY(begin("create", resource, key, subresource));
  auto live = existing(resource, key);
  if (!live) co_return std::move(live).error();
  if (subresource == "binding") co_return bind(*live, object);
  if (subresource == "eviction") {
    DeleteOptions options;
    options.grace_period_seconds = api::num(object.json(), "deleteOptions.gracePeriodSeconds", -1);
    co_return remove_now(resource, *live, options);
  }
  if (subresource == "token") {
    auto edit = [&](api::Json& json) {
      api::set(json, "status.token", api::text("token-of-" + key.name));
      api::set(json, "status.expirationTimestamp",
               api::text(rt::format_time(clock_.now() + std::chrono::hours(1))));
    };
    co_return object.with(edit);
  }
  co_return Error(Reason::kNotFound, "no subresource " + subresource);
}

// What a write through `subresource` may change comes from `wanted`, all else from `live`.
Result<api::Object> FakeClient::update_now(const api::Gvr& resource, const api::Object& live,
                                           api::Json wanted, const std::string& subresource, bool dry_run) {
  const auto version = api::str(wanted, "metadata.resourceVersion");
  if (!version.empty() && version != live.resource_version())
    return conflict(resource, live.name(), kModified);
  const auto uid = api::str(wanted, "metadata.uid");
  if (!uid.empty() && uid != live.uid())
    return conflict(resource, live.name(),
                    "Precondition failed: UID in precondition: " + std::string(uid) +
                        ", UID in object meta: " + std::string(live.uid()));
  api::Json next;
  if (subresource == "status" || subresource == "approval") {
    next = live.json();
    take_over(next, wanted, "status");
  } else if (subresource == "scale") {
    next = live.json();
    take_over(next, wanted, "spec.replicas");
  } else {
    next = std::move(wanted);
    for (const char* field : {"metadata.uid", "metadata.creationTimestamp", "metadata.deletionTimestamp",
                              "metadata.deletionGracePeriodSeconds", "metadata.generation"})
      take_over(next, live.json(), field);
    const auto* info = api::find_builtin(resource);
    if (info && info->subresource("status")) take_over(next, live.json(), "status");
  }
  take_over(next, live.json(), "metadata.resourceVersion");
  if (next == live.json()) return live;
  const api::Json none;
  const auto* before = api::find(live.json(), "spec");
  const auto* after = api::find(next, "spec");
  if ((before ? *before : none) != (after ? *after : none))
    api::set(next, "metadata.generation", live.generation() + 1);
  if (dry_run) return api::Object(std::move(next));
  const bool last_finalizer_gone = live.deleting() && has_finalizers(live.json()) && !has_finalizers(next);
  const api::Object stored = store(resource, live, std::move(next));
  if (last_finalizer_gone && api::num(stored.json(), "metadata.deletionGracePeriodSeconds") == 0)
    drop(resource, stored);
  return stored;
}

rt::Task<Result<api::Object>> FakeClient::update(api::Gvr resource, api::Object object,
                                                 std::string subresource, WriteOptions options) {
  MK_CO_TRY(begin("update", resource, object.key(), subresource));
  auto live = existing(resource, object.key());
  if (!live) co_return std::move(live).error();
  co_return update_now(resource, *live, object.json(), subresource, options.dry_run);
}

Result<api::Json> FakeClient::patched(const api::Gvr& resource, const api::Object& live, PatchType type,
                                      const api::Json& patch) const {
  if (type == PatchType::kJson) return api::apply_json_patch(live.json(), patch);
  if (type == PatchType::kMerge) return api::apply_merge_patch(live.json(), patch);
  // Server-side apply is a merge here: nobody owns fields.
  const auto* info = api::find_builtin(resource);
  const auto* known = info ? api::builtin_schema().type(info->gvk()) : nullptr;
  if (!known) return api::apply_merge_patch(live.json(), patch);
  return api::apply_strategic_merge_patch(*known, live.json(), patch);
}

rt::Task<Result<api::Object>> FakeClient::patch(api::Gvr resource, api::Key key, std::string subresource,
                                                PatchType type, api::Json patch, WriteOptions options) {
  MK_CO_TRY(begin("patch", resource, key, subresource));
  const auto live = find(resource, key);
  if (!live) {
    if (type != PatchType::kApply || !subresource.empty()) co_return not_found(resource, key.name);
    api::set(patch, "metadata.name", api::text(key.name));
    co_return create_now(resource, key.ns, std::move(patch), options.dry_run);
  }
  auto next = patched(resource, live, type, patch);
  if (!next) co_return std::move(next).error();
  co_return update_now(resource, live, std::move(*next), subresource, options.dry_run);
}

Result<api::Object> FakeClient::remove_now(const api::Gvr& resource, const api::Object& live,
                                           const DeleteOptions& options) {
  if (!options.uid.empty() && options.uid != live.uid())
    return conflict(resource, live.name(),
                    "Precondition failed: UID in precondition: " + options.uid +
                        ", UID in object meta: " + std::string(live.uid()));
  if (!options.resource_version.empty() && options.resource_version != live.resource_version())
    return conflict(resource, live.name(), kModified);
  api::Json next = live.json();
  const auto add_finalizer = [&](const char* name) {
    api::JsonArray all = api::list(next, "metadata.finalizers");
    if (std::find(all.begin(), all.end(), api::Json(name)) == all.end()) all.emplace_back(name);
    api::set(next, "metadata.finalizers", std::move(all));
  };
  if (options.propagation == "Foreground") add_finalizer("foregroundDeletion");
  if (options.propagation == "Orphan") add_finalizer("orphan");
  std::int64_t grace = 0;
  if (is_running_pod(resource, live.json())) {
    grace = options.grace_period_seconds >= 0 ? options.grace_period_seconds
                                              : api::num(next, "spec.terminationGracePeriodSeconds", 30);
    if (live.deleting()) grace = std::min(grace, api::num(next, "metadata.deletionGracePeriodSeconds"));
  }
  if (grace == 0 && !has_finalizers(next)) {
    drop(resource, live);
    return live;
  }
  if (live.deleting() && grace == api::num(next, "metadata.deletionGracePeriodSeconds")) return live;
  const auto when = clock_.now() + std::chrono::seconds(grace);
  api::set(next, "metadata.deletionTimestamp", api::text(rt::format_time(when)));
  api::set(next, "metadata.deletionGracePeriodSeconds", grace);
  if (!live.deleting()) api::set(next, "metadata.generation", live.generation() + 1);
  return store(resource, live, std::move(next));
}

rt::Task<Result<api::Object>> FakeClient::remove(api::Gvr resource, api::Key key, DeleteOptions options) {
  MK_CO_TRY(begin("delete", resource, key));
  auto live = existing(resource, key);
  if (!live) co_return std::move(live).error();
  co_return remove_now(resource, *live, options);
}

rt::Task<Result<void>> FakeClient::remove_collection(api::Gvr resource, std::string ns, ListOptions which,
                                                     DeleteOptions options) {
  MK_CO_TRY(begin("deletecollection", resource, api::Key(ns, "")));
  auto filter = Filter::make(resource, ns, which.label_selector, which.field_selector);
  if (!filter) co_return std::move(filter).error();
  for (const auto& object : all(resource)) {
    if (!filter->matches(object)) continue;
    auto removed = remove_now(resource, object, options);
    if (!removed) co_return std::move(removed).error();
  }
  co_return ok();
}

}  // namespace mk::client
