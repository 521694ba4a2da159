#include "registry/registry.h"

#include <algorithm>
#include <functional>
#include <set>

#include "cacher/cached_object.h"
#include "extensions/custom_resource.h"
#include "mk/api/patch.h"
#include "mk/api/validation.h"
#include "mk/base/strings.h"
#include "registry/errors.h"
#include "registry/field_problems.h"
#include "registry/metadata.h"

namespace mk::apiserver {

using api::Json;
using api::Object;

namespace {

// How often a write is computed anew because somebody else was faster, before the client hears of it.
constexpr int kRetries = 10;

// Heartbeats and events may be lost by a power cut: they tell of a past that nobody depends on.
store::Durability durability_of(const WriteContext& context) {
  const auto& gvr = context.resource->gvr;
  const bool heartbeat = gvr.resource == "leases" && context.ns == "kube-node-lease";
  return heartbeat || gvr.resource == "events" ? store::Durability::kLazy : store::Durability::kDurable;
}

api::ApplyOptions ownership(const WriteContext& context, const Strategy& strategy) {
  api::ApplyOptions options;
  options.reset_fields = strategy.reset_fields(context);
  options.manager = context.field_manager;
  options.api_version = context.resource->gvr.api_version();
  options.subresource = context.subresource;
  options.force = context.force;
  options.now = context.now;
  return options;
}

api::Key key_of(const WriteContext& context) {
  return api::Key(context.ns, context.name);
}

const api::Type& type_of(const api::ResourceInfo& resource) {
  if (resource.extension) return resource.extension->type();
  const api::Type* type = api::builtin_schema().type(resource.gvk());
  MK_ASSERT(type != nullptr);
  return *type;
}

void apply_defaults(const api::ResourceInfo& resource, const api::Type& type, Json& object) {
  if (const auto* custom = custom_of(resource)) {
    custom->schema().apply_defaults(object);
  } else {
    api::apply_defaults(type, object);
  }
}

// Are two JSON objects equal but for the member `skipped` of both, and with the members of `deeper` compared
// by `same` instead?
template <class Same>
bool equal_except(const Json& a, const Json& b, std::string_view skipped, std::string_view deeper,
                  Same same) {
  const auto *left = a.if_object(), *right = b.if_object();
  if (left == nullptr || right == nullptr) return a == b;
  std::size_t seen = 0;
  for (const auto& [key, value] : *left) {
    if (key == skipped) continue;
    const Json* other = right->if_contains(key);
    if (other == nullptr || !(key == deeper ? same(value, *other) : value == *other)) return false;
    ++seen;
  }
  return seen + (right->contains(skipped) ? 1 : 0) == right->size();
}

bool same_ownership(const Json& a, const Json& b) {
  const auto *mine = a.if_array(), *theirs = b.if_array();
  if (mine == nullptr || theirs == nullptr || mine->size() != theirs->size()) return a == b;
  return std::equal(mine->begin(), mine->end(), theirs->begin(), [](const Json& left, const Json& right) {
    return equal_except(left, right, "time", "", std::equal_to<Json>());
  });
}

bool same_metadata(const Json& a, const Json& b) {
  return equal_except(a, b, "resourceVersion", "managedFields", same_ownership);
}

// Equal but for the revision and the times in managedFields: nothing to write.
bool same_content(const Json& object, const Json& old) {
  return equal_except(object, old, "", "metadata", same_metadata);
}

// What the client expects to change, by what it sent in metadata.
Result<void> check_expected(const WriteContext& context, const Json& sent, const Object& current) {
  const std::string_view uid = api::str(sent, "metadata.uid"),
                         version = api::str(sent, "metadata.resourceVersion");
  if (!uid.empty() && uid != current.uid())
    return write_conflict(context.resource->gvr, context.name,
                          "Precondition failed: UID in precondition: " + std::string(uid) +
                              ", UID in object meta: " + std::string(current.uid()));
  if (!version.empty() && version != "0" && version != current.resource_version())
    return write_conflict(context.resource->gvr, context.name);
  return ok();
}

// Updates of these must say what they were computed from; of all other kinds an update without a revision
// means "whatever is there".
bool needs_revision(const api::ResourceInfo& resource) {
  static const std::set<std::string, std::less<>> kKinds{
      "apiservices.apiregistration.k8s.io",
      "csidrivers.storage.k8s.io",
      "csinodes.storage.k8s.io",
      "customresourcedefinitions.apiextensions.k8s.io",
      "leasecandidates.coordination.k8s.io",
      "leases.coordination.k8s.io",
      "mutatingadmissionpolicies.admissionregistration.k8s.io",
      "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
      "mutatingwebhookconfigurations.admissionregistration.k8s.io",
      "poddisruptionbudgets.policy",
      "runtimeclasses.node.k8s.io",
      "validatingadmissionpolicies.admissionregistration.k8s.io",
      "validatingadmissionpolicybindings.admissionregistration.k8s.io",
      "validatingwebhookconfigurations.admissionregistration.k8s.io",
      "volumeattachments.storage.k8s.io",
  };
  return resource.extension != nullptr || kKinds.contains(resource.gvr.qualified());
}

Error revision_missing(const WriteContext& context) {
  std::vector<Cause> causes;
  causes.push_back(api::invalid("metadata.resourceVersion", "0x0", "must be specified for an update"));
  const auto& gvr = context.resource->gvr;
  return api::invalid_object(api::Gvk{gvr.group, gvr.version, gvr.resource}, context.name, std::move(causes));
}

// An object that is being deleted gets no new reasons to stay.
void validate_finalizers(const Json& object, const Json& old, std::vector<Cause>& causes) {
  if (api::find(old, "metadata.deletionTimestamp") == nullptr) return;
  std::string added;
  for (const Json& name : finalizers(object)) {
    const auto& before = finalizers(old);
    if (std::find(before.begin(), before.end(), name) != before.end()) continue;
    added.append(added.empty() ? "" : ", ").append(api::to_json(name));
  }
  if (added.empty()) return;
  causes.push_back(api::forbidden("metadata.finalizers",
                                  "no new finalizers can be added if the object is being deleted, found new "
                                  "finalizers []string{" +
                                      added + "}"));
}

// Of a definition that is being deleted there are only the last objects.
Result<void> check_open(const WriteContext& context) {
  const auto* custom = custom_of(*context.resource);
  if (!custom || !custom->terminating()) return ok();
  return Error(Reason::kMethodNotAllowed,
               "create not allowed while custom resource definition is terminating");
}

Result<void> check_may_create(const WriteContext& context) {
  return context.may_create ? context.may_create() : ok();
}

Error invalid(const WriteContext& context, const Json& object, std::vector<Cause> causes) {
  return api::invalid_object(context.resource->gvk(), api::str(object, "metadata.name"), std::move(causes));
}

// To a JSON patch every object of a kind with a status has one, if an empty one: clients add to it.
Result<Json> patched_json(const Json& current, const Json& patch, bool has_status) {
  if (!has_status || api::find(current, "status") != nullptr) return api::apply_json_patch(current, patch);
  Json base = current;
  api::set(base, "status", api::JsonObject());
  MK_ASSIGN(Json patched, api::apply_json_patch(base, patch));
  if (patched.is_object() && api::object(patched, "status").empty()) api::erase(patched, "status");
  return patched;
}

// An object written in full may leave out what the URL says anyway.
void fill_identity(const WriteContext& context, Json& object) {
  if (!object.is_object()) return;
  const api::Gvk gvk = context.resource->gvk();
  for (const auto& [path, value] :
       {std::pair("kind", gvk.kind), std::pair("apiVersion", gvk.api_version())}) {
    if (api::find(object, path) == nullptr) api::set(object, path, api::text(value));
  }
}

}  // namespace

SharedBytes stored_bytes(const WriteContext& context, const Json& object) {
  const auto* custom = custom_of(*context.resource);
  return custom ? encode_stored(custom->to_stored(object)) : encode_stored(object);
}

store::Revision revision_of(const Object& object) {
  return parse_int(object.resource_version()).value_or(0);
}

Registry::Registry(Cacher& cacher, StrategySet& strategies, AdmissionChain& admission, rt::Clock& clock)
    : cacher_(cacher), strategies_(strategies), admission_(admission), clock_(clock), quotas_(cacher) {}

Result<Object> Registry::get(const api::ResourceInfo& resource, const api::Key& key) const {
  Object object = cacher_.get(resource.gvr, key);
  if (!object) return not_found(resource.gvr, key.name);
  return object;
}

// Types and unknown fields. Values of wrong types in a custom resource are told by its validation.
Result<api::FieldProblems> Registry::pruned(const WriteContext& context, const api::Type& type,
                                            Json& object) const {
  api::FieldProblems unknown;
  const auto* custom = custom_of(*context.resource);
  auto decoded = custom ? custom->schema().prune(object, unknown) : api::decode(type, object, unknown);
  if (!decoded.ok()) return std::move(decoded).error().wrap(cannot_be_handled(context));
  return unknown;
}

Result<void> Registry::decode(WriteContext& context, const api::Type& type, Json& object) const {
  MK_ASSIGN(auto unknown, pruned(context, type, object));
  return report_problems(context,
                         api::in_document_order(context.document, std::move(unknown), context.repeated));
}

Result<Json> Registry::decode_applied(WriteContext& context, Json applied) const {
  MK_TRY(report_applied_twice(context));
  MK_ASSIGN(const auto unknown, pruned(context, type_of(*context.resource), applied));
  if (!unknown.empty()) return undeclared_fields(context, unknown);
  return applied;
}

// The object must say what the URL says.
Result<void> Registry::check_identity(const WriteContext& context, Json& object) const {
  const api::Gvk want = context.resource->gvk();
  const std::string_view version = api::str(object, "apiVersion"), kind = api::str(object, "kind");
  if (kind.empty()) return Error(Reason::kBadRequest, "Object 'Kind' is missing in the request body");
  if (version != want.api_version())
    return Error(Reason::kBadRequest, "the API version in the data (" + std::string(version) +
                                          ") does not match the expected API version (" + want.api_version() +
                                          ")");
  if (kind != want.kind)
    return Error(Reason::kBadRequest, "the kind in the data (" + std::string(kind) +
                                          ") does not match the expected kind (" + want.kind + ")");
  const std::string_view ns = api::str(object, "metadata.namespace");
  if (context.resource->namespaced && !ns.empty() && ns != context.ns)
    return Error(Reason::kBadRequest,
                 context.name.empty()
                     ? "the namespace of the provided object does not match the namespace "
                       "sent on the request"
                     : "the namespace of the object (" + std::string(ns) +
                           ") does not match the namespace on the request (" + context.ns + ")");
  const std::string_view name = api::str(object, "metadata.name");
  if (!context.name.empty() && !name.empty() && name != context.name)
    return Error(Reason::kBadRequest, "the name of the object (" + std::string(name) +
                                          ") does not match the name on the URL (" + context.name + ")");
  return ok();
}

// What a write is computed from, and what it is refused for, is no older than its request.
rt::Task<Result<Written>> Registry::create(WriteContext& context, Json object) {
  if (cacher_.may_be_behind("")) MK_CO_TRY(co_await cacher_.store().linearize());
  const api::Type& type = type_of(*context.resource);
  MK_CO_TRY(check_open(context));
  fill_identity(context, object);
  MK_CO_TRY(check_identity(context, object));
  MK_CO_TRY(decode(context, type, object));
  if (!api::str(object, "metadata.resourceVersion").empty())
    co_return Error(Reason::kBadRequest, "resourceVersion should not be set on objects to be created");
  const bool generated = api::str(object, "metadata.name").empty();
  // A generated name may be taken: another is tried. A given one may not.
  for (int attempt = 0;; ++attempt) {
    Json draft = object;
    MK_CO_TRY(prepare_new(context, type, draft));
    auto written = co_await store_new(context, std::move(draft));
    if (written.ok() || !generated || attempt == kRetries || !written.error().is(Reason::kAlreadyExists))
      co_return written;
  }
}

Result<void> Registry::prepare_new(WriteContext& context, const api::Type& type, Json& object) {
  Strategy& strategy = strategies_.of(*context.resource);
  context.operation = "CREATE";
  const bool counts_changes = type.field("spec") != nullptr || context.resource->extension != nullptr;
  fill_new_metadata(context, object, counts_changes);
  apply_defaults(*context.resource, type, object);
  strategy.set_defaults(object);
  // What admission adds belongs to nobody, so ownership is noted before it.
  if (!context.field_manager.empty()) api::track_update(type, nullptr, object, ownership(context, strategy));
  MK_TRY(admission_.mutate(context, &object, nullptr));
  strategy.prepare_for_create(context, object);
  apply_defaults(*context.resource, type, object);
  strategy.set_defaults(object);
  return ok();
}

rt::Task<Result<Written>> Registry::store_new(WriteContext& context, Json object) {
  Strategy& strategy = strategies_.of(*context.resource);
  context.name = api::str(object, "metadata.name");
  if (cacher_.get(context.resource->gvr, key_of(context)))
    co_return already_exists(context.resource->gvr, context.name);
  MK_CO_TRY(strategy.allocate(context, object, nullptr));
  std::vector<Cause> causes;
  api::validate_metadata(*context.resource, object, causes);
  strategy.validate(context, object, causes);
  if (!causes.empty()) {
    strategy.release(object);
    co_return invalid(context, object, std::move(causes));
  }
  strategy.warn(object, context.warnings);
  if (auto admitted = admission_.validate(context, &object, nullptr); !admitted.ok() || context.dry_run) {
    strategy.release(object);
    if (!admitted.ok()) co_return std::move(admitted).error();
    MK_CO_TRY(quotas_.check(context, nullptr, &object));
    co_return Written{Object(std::move(object)), true};
  }
  store::Operation operation(store::Operation::Kind::kPut,
                             Cacher::store_key(context.resource->gvr, key_of(context)),
                             stored_bytes(context, object), store::Operation::kAbsent);
  ObjectChange change(std::move(operation), strategy.companions(context, &object, nullptr), nullptr, &object,
                      durability_of(context));
  auto revision = co_await quotas_.commit(context, std::move(change));
  if (!revision.ok()) {
    strategy.release(object);
    if (!revision.error().is(Reason::kConflict)) co_return std::move(revision).error();
    if (cacher_.get(context.resource->gvr, key_of(context)))
      co_return already_exists(context.resource->gvr, context.name);
    co_return write_conflict(context.resource->gvr, context.name);  // one of its companions
  }
  Object stored = cacher_.get(context.resource->gvr, key_of(context));
  // Somebody may have changed or removed it since; then the answer is what we wrote.
  if (!stored || revision_of(stored) != *revision)
    stored = cacher_.show(context.resource->gvr, stored_bytes(context, object).view(), *revision);
  co_return Written{std::move(stored), true};
}

rt::Task<Result<Written>> Registry::update(WriteContext& context, Json object) {
  if (cacher_.may_be_behind("")) MK_CO_TRY(co_await cacher_.store().linearize());
  fill_identity(context, object);
  MK_CO_TRY(check_identity(context, object));
  MK_CO_TRY(decode(context, type_of(*context.resource), object));
  if (api::str(object, "metadata.name").empty()) api::set(object, "metadata.name", api::text(context.name));
  if (context.resource->namespaced) api::set(object, "metadata.namespace", api::text(context.ns));
  const auto& gvr = context.resource->gvr;
  const bool conditional = !api::str(object, "metadata.resourceVersion", "0").empty() &&
                           api::str(object, "metadata.resourceVersion", "0") != "0";
  const bool may_be_new =
      context.subresource.empty() && strategies_.of(*context.resource).allow_create_on_update();
  if (may_be_new && !cacher_.get(gvr, key_of(context))) {
    MK_CO_TRY(check_may_create(context));
    api::erase(object, "metadata.resourceVersion");
    co_return co_await create(context, std::move(object));
  }
  if (!conditional && needs_revision(*context.resource)) {
    if (!cacher_.get(gvr, key_of(context))) co_return not_found(gvr, context.name);
    co_return revision_missing(context);
  }
  for (int attempt = 0; attempt <= kRetries; ++attempt) {
    const Object current = cacher_.get(gvr, key_of(context));
    if (!current) co_return not_found(gvr, context.name);
    MK_CO_TRY(check_expected(context, object, current));
    if (conditional) {
      // There is one revision to change: no second try, so no copy for it.
      auto written = co_await store_changed(context, current, std::move(object), true);
      if (!written.ok() && written.error().is(Reason::kAlreadyExists)) break;
      co_return written;
    }
    Json draft = object;
    auto written = co_await store_changed(context, current, std::move(draft), true);
    if (written.ok() || !written.error().is(Reason::kAlreadyExists)) co_return written;
  }
  co_return write_conflict(gvr, context.name);
}

rt::Task<Result<Written>> Registry::modify(WriteContext& context, Change change) {
  if (cacher_.may_be_behind("")) MK_CO_TRY(co_await cacher_.store().linearize());
  const auto& gvr = context.resource->gvr;
  for (int attempt = 0; attempt <= kRetries; ++attempt) {
    const Object current = cacher_.get(gvr, key_of(context));
    if (!current) co_return not_found(gvr, context.name);
    MK_CO_ASSIGN(Json changed, change(current));
    auto written = co_await store_changed(context, current, std::move(changed), true);
    if (written.ok() || !written.error().is(Reason::kAlreadyExists)) co_return written;
  }
  co_return write_conflict(gvr, context.name);
}

Result<Json> Registry::patched(WriteContext& context, client::PatchType type, const Json& patch,
                               const Object& current) const {
  const api::Type& schema = type_of(*context.resource);
  auto apply_patch = [&]() -> Result<Json> {
    switch (type) {
      case client::PatchType::kJson:
        return patched_json(current.json(), patch, strategies_.of(*context.resource).has_status());
      case client::PatchType::kMerge:
        return api::apply_merge_patch(current.json(), patch);
      default:
        return api::apply_strategic_merge_patch(schema, current.json(), patch);
    }
  };
  MK_ASSIGN(Json object, apply_patch());
  MK_TRY(check_identity(context, object));
  MK_TRY(decode(context, schema, object));
  return object;
}

rt::Task<Result<Written>> Registry::patch(WriteContext& context, client::PatchType type, Json patch) {
  if (cacher_.may_be_behind("")) MK_CO_TRY(co_await cacher_.store().linearize());
  if (type == client::PatchType::kStrategicMerge && context.resource->extension)
    co_return Error(Reason::kUnsupportedMediaType,
                    "the body of the request was in an unknown format - accepted media types include: "
                    "application/json-patch+json, application/merge-patch+json, "
                    "application/apply-patch+yaml");
  if (type == client::PatchType::kApply) co_return co_await apply(context, std::move(patch));
  const auto& gvr = context.resource->gvr;
  const std::vector<std::string> warnings =
      context.warnings;  // of the patch itself, whichever attempt succeeds
  for (int attempt = 0; attempt <= kRetries; ++attempt) {
    const Object current = cacher_.get(gvr, key_of(context));
    if (!current) co_return not_found(gvr, context.name);
    context.warnings = warnings;
    MK_CO_ASSIGN(Json object, patched(context, type, patch, current));
    MK_CO_TRY(check_expected(context, object, current));  // a patch may carry uid and resourceVersion
    auto written = co_await store_changed(context, current, std::move(object), true);
    if (written.ok() || !written.error().is(Reason::kAlreadyExists)) co_return written;
  }
  co_return write_conflict(gvr, context.name);
}

rt::Task<Result<Written>> Registry::apply(WriteContext& context, Json applied) {
  const api::Type& type = type_of(*context.resource);
  const auto& gvr = context.resource->gvr;
  MK_CO_TRY(check_identity(context, applied));
  MK_CO_ASSIGN(applied, decode_applied(context, std::move(applied)));
  api::set(applied, "metadata.name", api::text(context.name));
  if (context.resource->namespaced) api::set(applied, "metadata.namespace", api::text(context.ns));
  for (int attempt = 0; attempt <= kRetries; ++attempt) {
    const Object current = cacher_.get(gvr, key_of(context));
    if (!current && !context.subresource.empty()) co_return not_found(gvr, context.name);
    if (!current) MK_CO_TRY(check_open(context));
    if (!current) MK_CO_TRY(check_may_create(context));
    MK_CO_ASSIGN(Json merged, api::server_side_apply(type, current ? &current.json() : nullptr, applied,
                                                     ownership(context, strategies_.of(*context.resource))));
    const std::string manager = context.field_manager;
    if (!current) {
      // The applied object's ownership is recorded already; the create path must not add another entry.
      context.field_manager.clear();
      auto draft_ready = prepare_new(context, type, merged);
      context.field_manager = manager;
      MK_CO_TRY(std::move(draft_ready));
      auto written = co_await store_new(context, std::move(merged));
      if (written.ok() || !written.error().is(Reason::kAlreadyExists)) co_return written;
      continue;
    }
    MK_CO_TRY(check_expected(context, applied, current));
    auto written = co_await store_changed(context, current, std::move(merged), false);
    if (written.ok() || !written.error().is(Reason::kAlreadyExists)) co_return written;
  }
  co_return write_conflict(gvr, context.name);
}

Result<void> Registry::prepare_changed(WriteContext& context, const api::Type& type, const Object& current,
                                       Json& object, bool track) {
  Strategy& strategy = strategies_.of(*context.resource);
  context.operation = "UPDATE";
  const Json& old = current.json();
  keep_metadata(object, old);
  apply_defaults(*context.resource, type, object);
  strategy.set_defaults(object);
  if (track) api::track_update(type, &old, object, ownership(context, strategy));
  MK_TRY(admission_.mutate(context, &object, &old));
  strategy.prepare_for_update(context, object, old);
  strategy.set_defaults(object);
  // Status and binding are the answers of controllers, not new wishes.
  const bool wish = context.subresource != "status" && context.subresource != "binding";
  if (wish && strategy.new_generation(object, old))
    api::set(object, "metadata.generation", api::num(old, "metadata.generation") + 1);
  return ok();
}

Result<void> Registry::check_changed(WriteContext& context, const Object& current, const Json& object) {
  Strategy& strategy = strategies_.of(*context.resource);
  std::vector<Cause> causes;
  api::validate_metadata(*context.resource, object, causes);
  validate_finalizers(object, current.json(), causes);
  if (context.subresource == "status") {
    strategy.validate_status_update(object, current.json(), causes);
  } else {
    strategy.validate(context, object, causes);
    strategy.validate_update(context, object, current.json(), causes);
  }
  if (!causes.empty()) return invalid(context, object, std::move(causes));
  strategy.warn(object, context.warnings);
  return admission_.validate(context, &object, &current.json());
}

// Nothing to write. An object stored in an older version's form is written anew even if nothing else changes:
// that is how storage is migrated.
bool Registry::unchanged(const WriteContext& context, const Json& object, const Object& current) {
  const auto* custom = custom_of(*context.resource);
  if (!same_content(object, current.json())) return false;
  if (!custom) return true;
  const Object stored = cacher_.stored(context.resource->gvr.qualified()).get(key_of(context));
  return !stored || same_content(custom->to_stored(object), Object(stored.bytes()).json());
}

// kAlreadyExists means: somebody wrote in between, compute the change anew.
rt::Task<Result<Written>> Registry::store_changed(WriteContext& context, Object current, Json object,
                                                  bool track) {
  Strategy& strategy = strategies_.of(*context.resource);
  MK_CO_TRY(prepare_changed(context, type_of(*context.resource), current, object, track));
  MK_CO_TRY(strategy.allocate(context, object, &current.json()));
  auto checked = check_changed(context, current, object);
  if (!checked.ok() || context.dry_run || unchanged(context, object, current)) {
    strategy.release(object);  // nothing will be written: what was allocated for it is free again
    MK_CO_TRY(std::move(checked));
    if (!context.dry_run) co_return Written{current, false};
    MK_CO_TRY(quotas_.check(context, &current.json(), &object));
    co_return Written{Object(std::move(object)), false};
  }
  auto written = co_await write_back(context, current, object);
  if (!written.ok()) strategy.release(object);
  co_return written;
}

rt::Task<Result<Written>> Registry::write_back(WriteContext& context, const Object& current,
                                               const Json& object) {
  const auto& gvr = context.resource->gvr;
  const Object before = current;
  // A deleting object goes with the write that removes its last finalizer.
  const bool goes = ready_to_go(object);
  const auto kind = goes ? store::Operation::Kind::kRemove : store::Operation::Kind::kPut;
  const SharedBytes bytes = stored_bytes(context, object);
  store::Operation operation(kind, Cacher::store_key(gvr, key_of(context)), goes ? SharedBytes() : bytes,
                             revision_of(before));
  const Json* after = goes ? nullptr : &object;
  auto companions = strategies_.of(*context.resource).companions(context, after, &before.json());
  ObjectChange change(std::move(operation), std::move(companions), &before.json(), after,
                      durability_of(context));
  auto revision = co_await quotas_.commit(context, std::move(change));
  if (!revision.ok()) {
    if (revision.error().is(Reason::kConflict)) co_return Error(Reason::kAlreadyExists, "written in between");
    co_return std::move(revision).error();
  }
  if (goes) strategies_.of(*context.resource).release(object);
  Object stored = goes ? Object() : cacher_.get(gvr, key_of(context));
  if (!stored || revision_of(stored) != *revision) stored = cacher_.show(gvr, bytes.view(), *revision);
  co_return Written{std::move(stored), false};
}

}  // namespace mk::apiserver
