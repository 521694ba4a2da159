#include "kit/pod_owner.h"

#include <algorithm>

#include "kit/objects.h"

namespace mk::controller {

using api::resources::kPods;

rt::Duration settling_time(std::int64_t size) {
  constexpr std::int64_t kSmall = 100;
  constexpr std::chrono::microseconds kEach(100);
  if (size <= kSmall) return rt::Duration(0);
  return std::min<rt::Duration>(kEach * size, std::chrono::seconds(1));
}

PodOwnerController::PodOwnerController(Context& context_, Variant variant, int workers)
    : Controller(context_, variant.name, workers),
      variant_(std::move(variant)),
      owners_(watch_owned(variant_.resource, self)),
      pods_(watch_owned(kPods, [this](const api::Object& before, const api::Object& after) {
        return without_large(keys_of_pod(before, after));
      })) {}

Result<api::LabelSelector> PodOwnerController::selector_of(const api::Object& owner) const {
  return api::LabelSelector::from_json(api::find(owner.json(), "spec.selector"));
}

std::int64_t PodOwnerController::size_of(const api::Object& owner) const {
  return api::num(owner.json(), "spec.replicas", 1);
}

Controller::Keys PodOwnerController::without_large(Keys keys) {
  std::erase_if(keys, [this](const api::Key& key) {
    const auto owner = owners_.get(key);
    const auto wait = owner ? settling_time(size_of(owner)) : rt::Duration(0);
    if (wait > rt::Duration(0)) enqueue_after(key, wait);
    return wait > rt::Duration(0);
  });
  return keys;
}

void PodOwnerController::add_matching(const api::Object& orphan, Keys& keys) {
  for (const auto& owner : owners_.in_namespace(std::string(orphan.ns()))) {
    const auto selector = selector_of(owner);
    if (selector.ok() && selector->matches(api::object(orphan.json(), "metadata.labels")))
      keys.push_back(owner.key());
  }
}

// Keeps the expectations and says which owners a pod's change concerns: its controller, before and after, and
// any owner that might adopt it.
Controller::Keys PodOwnerController::keys_of_pod(const api::Object& before, const api::Object& after) {
  const auto owners = controllers(variant_.kind);
  auto keys = owners(before, after);
  if (!before && !keys.empty()) expectations().creation_observed(queue_text(keys.front()));
  const bool going = !after || (after.deleting() && !(before && before.deleting()));
  if (going) {
    for (const auto& key : keys)
      expectations().deletion_observed(queue_text(key), std::string(after ? after.uid() : before.uid()));
  }
  if (after && !after.deleting() && !api::controller_of(after)) {
    const bool news =
        !before || api::controller_of(before) ||
        api::object(before.json(), "metadata.labels") != api::object(after.json(), "metadata.labels");
    if (news) add_matching(after, keys);
  }
  add_keys_of_pod(before, after, keys);
  return keys;
}

std::string PodOwnerController::told(bool created, const api::Object&, std::string_view pod,
                                     const Error* error) const {
  if (error) return (created ? "Error creating: " : "Error deleting: ") + error->message();
  return (created ? "Created pod: " : "Deleted pod: ") + std::string(pod);
}

rt::Task<Result<std::vector<api::Object>>> PodOwnerController::claim_pods(
    api::Object owner, std::function<bool(const api::Object&)> adoptable, std::string finalizer) {
  MK_CO_ASSIGN(auto selector, selector_of(owner));
  auto candidates = pods_.by_index(kByController, std::string(owner.uid()));
  for (auto& orphan : pods_.by_index(kByController, orphans(owner.ns())))
    candidates.push_back(std::move(orphan));
  Claimant claimant(owner, variant_.resource, variant_.kind, std::move(selector));
  claimant.finalizer = std::move(finalizer);
  co_return co_await claim(client(), std::move(claimant), kPods, std::move(candidates), std::move(adoptable));
}

rt::Task<Problem> PodOwnerController::create_pods(api::Object owner, int count,
                                                  std::function<api::Json(int)> make, int* made) {
  const auto key = queue_text(owner.key());
  expectations().expect_creations(key, count);
  auto attempt = std::make_shared<Attempt>();
  int next = 0, batch = 1;
  for (int left = count; left > 0; left -= batch) {
    batch = std::min(batch * (left == count ? 1 : 2), left);
    std::vector<rt::Task<>> tasks;
    for (int i = 0; i < batch; ++i) tasks.push_back(create_pod(owner, make(next++), attempt));
    co_await run_all(std::move(tasks));
    if (!attempt->problem.reason.empty()) {
      for (int i = batch; i < left; ++i) expectations().creation_observed(key);  // never tried
      break;
    }
  }
  if (made) *made = attempt->made;
  co_return attempt->problem;
}

rt::Task<> PodOwnerController::create_pod(api::Object owner, api::Json pod,
                                          std::shared_ptr<Attempt> attempt) {
  const std::string name(api::str(pod, "metadata.name"));
  auto made = co_await client().create(kPods, std::string(owner.ns()), api::Object(std::move(pod)),
                                       client::WriteOptions());
  if (made.ok()) {
    ++attempt->made;
    event(owner, "Normal", "SuccessfulCreate", told(true, owner, made->name(), nullptr));
    co_return;
  }
  expectations().creation_observed(queue_text(owner.key()));  // it will not come
  if (namespace_terminating(made.error())) co_return;
  event(owner, "Warning", "FailedCreate", told(true, owner, name, &made.error()));
  attempt->problem.reason = "FailedCreate";
  attempt->problem.message = made.error().message();
}

rt::Task<Result<void>> PodOwnerController::write_status(api::Object owner, api::Json status) {
  const auto* present = api::find(owner.json(), "status");
  if (present && *present == status) co_return ok();
  api::Json changed = owner.json();
  api::set(changed, "status", std::move(status));
  co_return co_await Controller::write_status(variant_.resource, std::move(owner), std::move(changed));
}

rt::Task<Problem> PodOwnerController::delete_pods(api::Object owner, std::vector<api::Object> pods) {
  std::vector<std::string> uids;
  for (const auto& pod : pods) uids.emplace_back(pod.uid());
  expectations().expect_deletions(queue_text(owner.key()), uids);
  auto attempt = std::make_shared<Attempt>();
  std::vector<rt::Task<>> tasks;
  for (auto& pod : pods) tasks.push_back(delete_pod(owner, pod, attempt));
  co_await run_all(std::move(tasks));
  co_return attempt->problem;
}

rt::Task<> PodOwnerController::delete_pod(api::Object owner, api::Object pod,
                                          std::shared_ptr<Attempt> attempt) {
  client::DeleteOptions options;
  options.uid = pod.uid();
  auto done = co_await client().remove(kPods, pod.key(), std::move(options));
  if (done.ok()) {
    event(owner, "Normal", "SuccessfulDelete", told(false, owner, pod.name(), nullptr));
    co_return;
  }
  expectations().deletion_observed(queue_text(owner.key()), std::string(pod.uid()));
  if (done.error().is(Reason::kNotFound) || done.error().is(Reason::kConflict))
    co_return;  // gone or replaced
  event(owner, "Warning", "FailedDelete", told(false, owner, pod.name(), &done.error()));
  attempt->problem.reason = "FailedDelete";
  attempt->problem.message = done.error().message();
}

}  // namespace mk::controller
