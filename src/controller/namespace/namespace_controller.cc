#include "namespace/namespace_controller.h"

#include "kit/objects.h"

namespace mk::controller {

using api::resources::kNamespaces;

NamespaceController::NamespaceController(Context& context_)
    : Controller(context_, "namespace-controller"),
      namespaces_(watch(kNamespaces, self)),
      defined_(cache(kDefinitions)) {}

rt::Task<Result<void>> NamespaceController::reconcile(api::Key key) {
  const auto ns = namespaces_.get(key);
  if (!ns || !ns.deleting() || !nslifecycle::has_finalizer(ns.json())) co_return ok();

  Remains remains;
  if (const auto* pods = api::find_builtin(api::resources::kPods)) co_await empty(*pods, key.name, remains);
  // Pods go first and alone: what they use (secrets, policies, quotas) stays until the last has ended.
  if (!remains.any()) co_await empty_all(key.name, remains);
  MK_CO_TRY(co_await publish(key, remains));
  if (!remains.any()) co_return co_await finalize(key);
  // Pods take their grace; anything else waits for somebody's finalizer. Both are watched by looking again.
  enqueue_after(key, std::chrono::seconds(remains.failures.empty() && !remains.pods_blocked ? 1 : 5));
  co_return ok();
}

rt::Task<> NamespaceController::empty_all(std::string ns, Remains& remains) {
  std::vector<const api::ResourceInfo*> resources = defined_.all();
  for (const auto& resource : api::builtin_resources()) resources.push_back(&resource);
  for (const auto* resource : resources) {
    if (!resource->namespaced || resource->gvr == api::resources::kPods) continue;
    // Events come twice, under two groups; one is enough.
    if (resource->gvr.group == "events.k8s.io") continue;
    if (resource->has_verb("list") && resource->has_verb("delete")) co_await empty(*resource, ns, remains);
  }
}

rt::Task<> NamespaceController::empty(api::ResourceInfo resource, std::string ns, Remains& remains) {
  client::DeleteOptions options;
  options.propagation = "Background";
  if (resource.has_verb("deletecollection")) {
    auto done = co_await client().remove_collection(resource.gvr, ns, client::ListOptions(), options);
    if (!done.ok() && !done.error().is(Reason::kMethodNotAllowed) && !done.error().is(Reason::kNotFound)) {
      remains.failures.push_back(done.error().message());
      co_return;
    }
  } else {
    auto items = co_await client().list(resource.gvr, ns, client::ListOptions());
    if (!items.ok()) co_return;  // counted below
    for (const auto& item : items->items) {
      auto gone = co_await client().remove(resource.gvr, item.key(), options);
      if (!gone.ok() && !gone.error().is(Reason::kNotFound))
        remains.failures.push_back(gone.error().message());
    }
  }
  co_await count_rest(resource, ns, remains);
}

rt::Task<> NamespaceController::count_rest(api::ResourceInfo resource, std::string ns, Remains& remains) {
  auto rest = co_await client().list(resource.gvr, ns, client::ListOptions());
  if (!rest.ok()) {
    if (!rest.error().is(Reason::kNotFound)) remains.failures.push_back(rest.error().message());
    co_return;
  }
  if (rest->items.empty()) co_return;
  remains.instances[resource.gvr.qualified() + (resource.gvr.group.empty() ? "." : "")] =
      static_cast<int>(rest->items.size());
  std::size_t held = 0;
  for (const auto& item : rest->items) {
    const auto& finalizers = api::list(item.json(), "metadata.finalizers");
    for (const auto& finalizer : finalizers) {
      if (finalizer.is_string()) ++remains.finalizers[std::string(finalizer.get_string())];
    }
    if (!finalizers.empty()) ++held;
  }
  if (resource.gvr == api::resources::kPods && held > 0) remains.pods_blocked = true;
}

rt::Task<Result<void>> NamespaceController::publish(api::Key key, Remains remains) {
  const auto ns = namespaces_.get(key);
  if (!ns) co_return ok();
  api::Json updated = ns.json();
  if (!nslifecycle::write_conditions(updated, remains, clock().now())) co_return ok();
  auto done = co_await client().update(kNamespaces, api::Object(std::move(updated)), "status",
                                       client::WriteOptions());
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

rt::Task<Result<void>> NamespaceController::finalize(api::Key key) {
  // A live read: publish() has just changed the version that the cache holds.
  auto live = co_await client().get(kNamespaces, key);
  if (!live.ok()) {
    if (live.error().is(Reason::kNotFound)) co_return ok();
    co_return std::move(live).error();
  }
  api::Object emptied(nslifecycle::without_finalizer(live->json()));
  auto done = co_await client().update(kNamespaces, std::move(emptied), "finalize", client::WriteOptions());
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

}  // namespace mk::controller
