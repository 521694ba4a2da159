#include "cacher/cached_object.h"
#include "registry/errors.h"
#include "registry/metadata.h"
#include "registry/registry.h"

// Deletion: at once, after a grace, or when the last finalizer goes.
namespace mk::apiserver {

using api::Json;
using api::Object;

namespace {

constexpr std::string_view kOrphan = "orphan", kForeground = "foregroundDeletion";

Result<void> check_preconditions(const WriteContext& context, const Object& current,
                                 const client::DeleteOptions& options) {
  const auto& gvr = context.resource->gvr;
  if (!options.uid.empty() && options.uid != current.uid())
    return write_conflict(gvr, context.name,
                          "Precondition failed: UID in precondition: " + options.uid +
                              ", UID in object meta: " + std::string(current.uid()));
  if (!options.resource_version.empty() && options.resource_version != current.resource_version())
    return write_conflict(
        gvr, context.name,
        "Precondition failed: ResourceVersion in precondition: " + options.resource_version +
            ", ResourceVersion in object meta: " + std::string(current.resource_version()));
  return ok();
}

// The garbage collector acts on these finalizers (the policy is the client's choice).
void apply_propagation(Json& object, const std::string& policy) {
  if (policy == "Orphan") {
    set_finalizer(object, kOrphan, true);
    set_finalizer(object, kForeground, false);
  } else if (policy == "Foreground") {
    set_finalizer(object, kForeground, true);
    set_finalizer(object, kOrphan, false);
  } else if (policy == "Background") {
    set_finalizer(object, kForeground, false);
    set_finalizer(object, kOrphan, false);
  }
}

// What becomes of the dependents when the client does not say: of these two kinds they stay, for history's
// sake.
std::string propagation_of(const api::Gvr& gvr, const Json& object, const std::string& asked) {
  if (!asked.empty()) return asked;
  const bool decided = has_finalizer(object, kOrphan) || has_finalizer(object, kForeground);
  const bool keeps = (gvr.group == "batch" && gvr.resource == "jobs") ||
                     (gvr.group.empty() && gvr.resource == "replicationcontrollers");
  return keeps && !decided ? "Orphan" : "";
}

std::int64_t grace_for(Strategy& strategy, const Json& object, const client::DeleteOptions& options) {
  const std::int64_t usual = strategy.default_grace_seconds(object);
  // Kinds without grace ignore what the client asks for; a pod that no node runs has none either.
  if (usual == 0) return 0;
  return options.grace_period_seconds >= 0 ? options.grace_period_seconds : std::max<std::int64_t>(usual, 0);
}

// Marks the object as being deleted; a later request can only shorten the grace. True if anything changed.
bool mark_deleting(Json& object, std::int64_t grace, rt::WallTime now) {
  const bool already = api::find(object, "metadata.deletionTimestamp") != nullptr;
  const std::int64_t old_grace = api::num(object, "metadata.deletionGracePeriodSeconds");
  if (already && grace >= old_grace) return false;
  // The grace runs from the first request.
  rt::WallTime since = now;
  if (const auto end =
          already ? rt::parse_time(api::str(object, "metadata.deletionTimestamp")) : std::nullopt)
    since = *end - std::chrono::seconds(old_grace);
  api::set(object, "metadata.deletionTimestamp",
           api::text(rt::format_time(since + std::chrono::seconds(grace))));
  api::set(object, "metadata.deletionGracePeriodSeconds", grace);
  const std::int64_t generation = api::num(object, "metadata.generation");
  if (!already && generation > 0) api::set(object, "metadata.generation", generation + 1);
  if (api::str(object, "kind") == "Namespace") api::set(object, "status.phase", "Terminating");
  return true;
}

}  // namespace

rt::Task<Result<Deleted>> Registry::remove(WriteContext& context, client::DeleteOptions options) {
  if (cacher_.may_be_behind("")) MK_CO_TRY(co_await cacher_.store().linearize());
  const auto& gvr = context.resource->gvr;
  context.operation = "DELETE";
  for (int attempt = 0; attempt < 10; ++attempt) {
    const Object current = cacher_.get(gvr, api::Key(context.ns, context.name));
    if (!current) co_return not_found(gvr, context.name);
    MK_CO_TRY(check_preconditions(context, current, options));
    MK_CO_TRY(admission_.mutate(context, nullptr, &current.json()));
    MK_CO_TRY(admission_.validate(context, nullptr, &current.json()));
    auto deleted = co_await remove_once(context, current, options);
    if (deleted.ok() || !deleted.error().is(Reason::kAlreadyExists)) co_return deleted;
  }
  co_return write_conflict(gvr, context.name);
}

rt::Task<Result<Deleted>> Registry::remove_once(WriteContext& context, const Object& current,
                                                const client::DeleteOptions& options) {
  const Object before = current;
  Strategy& strategy = strategies_.of(*context.resource);
  Json object = before.json();
  if (!before.deleting()) strategy.begin_deletion(context, object);
  apply_propagation(object, propagation_of(context.resource->gvr, object, options.propagation));
  const bool marked = mark_deleting(object, grace_for(strategy, object, options), clock_.now());
  const bool goes = ready_to_go(object);
  if (context.dry_run) co_return Deleted{Object(std::move(object)), goes};
  if (!goes) {
    if (!marked && object == before.json()) co_return Deleted{before, false};
    MK_CO_ASSIGN(Written written, co_await write_back(context, before, std::move(object)));
    co_return Deleted{std::move(written.object), false};
  }
  store::Operation operation(store::Operation::Kind::kRemove,
                             Cacher::store_key(context.resource->gvr, api::Key(context.ns, context.name)),
                             SharedBytes(), revision_of(before));
  const auto durability =
      context.resource->gvr.resource == "events" ? store::Durability::kLazy : store::Durability::kDurable;
  auto companions = strategy.companions(context, nullptr, &before.json());
  ObjectChange change(std::move(operation), std::move(companions), &before.json(), nullptr, durability);
  auto revision = co_await quotas_.commit(context, std::move(change));
  if (!revision.ok()) {
    if (revision.error().is(Reason::kConflict)) co_return Error(Reason::kAlreadyExists, "written in between");
    co_return std::move(revision).error();
  }
  strategy.release(before.json());
  co_return Deleted{
      cacher_.show(context.resource->gvr, stored_bytes(context, before.json()).view(), *revision), true};
}

}  // namespace mk::apiserver
