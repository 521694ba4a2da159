#include "statefulset/statefulset_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <set>

#include "kit/objects.h"
#include "statefulset/identity.h"

namespace mk::controller {

using api::resources::kPods;
using api::resources::kStatefulSets;
using statefulset::Slot;

namespace {

const api::Gvr kClaims{"", "v1", "persistentvolumeclaims"};

// Revisions are read, never waited for: only a set's own change makes one, and that wakes the set.
std::vector<api::Key> nobody(const api::Object&, const api::Object&) {
  return {};
}

const api::Object* find_named(const std::vector<api::Object>& revisions, std::string_view name) {
  const auto found = std::find_if(revisions.begin(), revisions.end(),
                                  [name](const api::Object& one) { return one.name() == name; });
  return found == revisions.end() ? nullptr : &*found;
}

}  // namespace

StatefulSetController::StatefulSetController(Context& context_)
    : PodOwnerController(context_, {"statefulset-controller", kStatefulSets, statefulset::kSetKind}),
      revisions_(watch_owned(kControllerRevisions, nobody)),
      claims_(cache(kClaims)),
      history_(client(), revisions_, variant(), "controller.kubernetes.io/hash") {}

std::string StatefulSetController::told(bool created, const api::Object& owner, std::string_view pod,
                                        const Error* error) const {
  const auto text =
      fmt::format("{} Pod {} in StatefulSet {} ", created ? "create" : "delete", pod, owner.name());
  return error ? text + "failed error: " + error->message() : text + "successful";
}

rt::Task<Result<void>> StatefulSetController::reconcile(api::Key key) {
  const auto set = owners().get(key);
  if (!set) {
    expectations().forget(queue_text(key));
    co_return ok();
  }
  std::function<bool(const api::Object&)> adoptable = [set](const api::Object& pod) {
    return statefulset::ordinal_of(set, pod).has_value();
  };
  MK_CO_ASSIGN(auto pods, co_await claim_pods(set, std::move(adoptable)));
  MK_CO_ASSIGN(auto revisions, co_await history_.claim(set));
  MK_CO_ASSIGN(auto update, co_await history_.current(set, revisions));
  co_return co_await step(set, std::move(pods), std::move(revisions), std::move(update));
}

rt::Task<Result<void>> StatefulSetController::step(api::Object set, std::vector<api::Object> pods,
                                                   std::vector<api::Object> revisions, api::Object update) {
  if (!find_named(revisions, update.name())) revisions.push_back(update);
  const auto* current = find_named(revisions, api::str(set.json(), "status.currentRevision"));
  const View view(set, pods, std::string(current ? current->name() : update.name()),
                  std::string(update.name()), clock().now());
  auto acted = ok();
  if (!set.deleting() && may_count(set.key())) acted = co_await act(set, view, revisions);
  auto status = statefulset::status_of(set, view);
  api::set(status, "collisionCount", api::num(set.json(), "status.collisionCount"));
  MK_CO_TRY(co_await write_status(set, status));
  MK_CO_TRY(co_await trim(set, pods, std::move(revisions), std::move(status)));
  wake_when_available(set, pods);
  co_return acted;
}

rt::Task<Result<void>> StatefulSetController::act(api::Object set, View view,
                                                  std::vector<api::Object> revisions) {
  MK_CO_TRY(co_await keep_identities(set, view));
  auto todo = statefulset::plan(view);
  if (todo.create.size() > kBurst) todo.create.resize(kBurst);
  for (const auto ordinal : todo.create) {
    const auto kept = co_await keep_claims(set, ordinal, api::Object(), false);
    if (kept.ok()) continue;
    const auto name = statefulset::pod_name(set, ordinal);
    event(set, "Warning", "FailedCreate", told(true, set, name, &kept.error()));
    co_return kept;
  }
  if (!todo.create.empty()) {
    std::function<api::Json(int)> make = [set, view, revisions, ordinals = todo.create](int i) {
      const auto ordinal = ordinals[static_cast<std::size_t>(i)];
      const auto& name = view.revision_for(ordinal);
      const auto* revision = find_named(revisions, name);
      return statefulset::make_pod(set, template_of(revision ? *revision : api::Object(api::JsonObject())),
                                   ordinal, name);
    };
    const auto problem = co_await create_pods(set, static_cast<int>(todo.create.size()), std::move(make));
    if (!problem.reason.empty()) co_return Error(Reason::kUnknown, problem.message);
  }
  if (todo.remove.empty()) co_return ok();
  const auto problem = co_await delete_pods(set, std::move(todo.remove));
  if (!problem.reason.empty()) co_return Error(Reason::kUnknown, problem.message);
  co_return ok();
}

rt::Task<Result<void>> StatefulSetController::keep_identities(api::Object set, View view) {
  for (const auto& slot : view.slots) {
    if (!slot.pod || slot.pod.deleting()) continue;
    if (auto wanted = statefulset::with_identity(set, slot.pod, slot.ordinal)) {
      MK_CO_TRY(co_await client().update(kPods, api::Object(std::move(*wanted)), "", client::WriteOptions()));
    }
    MK_CO_TRY(co_await keep_claims(set, slot.ordinal, slot.pod, false));
  }
  for (const auto& slot : view.condemned) {
    if (!slot.pod.deleting()) MK_CO_TRY(co_await keep_claims(set, slot.ordinal, slot.pod, true));
  }
  co_return ok();
}

// Claims exist before their pod does, and have the owners that the retention policy wants.
rt::Task<Result<void>> StatefulSetController::keep_claims(api::Object set, std::int64_t ordinal,
                                                          api::Object pod, bool condemned) {
  for (auto& wanted : statefulset::make_claims(set, ordinal)) {
    api::Object fresh(std::move(wanted));
    const auto present = claims_.get(fresh.key());
    if (!present) {
      if (condemned) continue;
      if (auto owned = statefulset::with_retention(set, api::Object(), false, fresh))
        fresh = api::Object(std::move(*owned));
      const std::string ns(set.ns()), name(fresh.name());
      auto made = co_await client().create(kClaims, ns, fresh, client::WriteOptions());
      if (made.ok()) {
        event(set, "Normal", "SuccessfulCreate",
              fmt::format("create Claim {} Pod {} in StatefulSet {} success", name,
                          statefulset::pod_name(set, ordinal), set.name()));
      } else if (!made.error().is(Reason::kAlreadyExists)) {
        co_return std::move(made).error();
      }
      continue;
    }
    auto changed = statefulset::with_retention(set, pod, condemned, present);
    if (changed && !present.deleting()) {
      MK_CO_TRY(
          co_await client().update(kClaims, api::Object(std::move(*changed)), "", client::WriteOptions()));
    }
  }
  co_return ok();
}

rt::Task<Result<void>> StatefulSetController::trim(api::Object set, std::vector<api::Object> pods,
                                                   std::vector<api::Object> revisions, api::Json status) {
  std::set<std::string, std::less<>> live{std::string(api::str(status, "currentRevision")),
                                          std::string(api::str(status, "updateRevision"))};
  for (const auto& pod : pods) live.emplace(statefulset::revision_of(pod));
  std::function<bool(const api::Object&)> in_use = [&live](const api::Object& revision) {
    return live.count(revision.name()) != 0;
  };
  auto old = expendable_revisions(std::move(revisions), api::num(set.json(), "spec.revisionHistoryLimit", 10),
                                  in_use);
  if (set.deleting()) co_return ok();
  co_return co_await history_.remove(std::move(old));
}

void StatefulSetController::wake_when_available(const api::Object& set,
                                                const std::vector<api::Object>& pods) {
  const auto wait = next_available(pods, api::num(set.json(), "spec.minReadySeconds"), clock().now());
  if (wait) enqueue_after(set.key(), *wait);
}

}  // namespace mk::controller
