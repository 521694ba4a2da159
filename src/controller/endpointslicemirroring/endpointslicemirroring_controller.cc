#include "endpointslicemirroring/endpointslicemirroring_controller.h"

#include "endpointslice/endpoints.h"
#include "endpointslicemirroring/mirror.h"
#include "kit/objects.h"

namespace mk::controller {

using api::Object;
using api::resources::kEndpointSlices;

namespace {

const std::string kMirrors = "mirrors";

bool is_mirror(const Object& slice) {
  return slice.label(endpoints::kManagedBy) == mirror::kManager;
}

std::vector<std::string> mirrored_index(const Object& slice) {
  if (!is_mirror(slice)) return {};
  return {std::string(slice.ns()) + "/" + std::string(slice.label(endpoints::kServiceName))};
}

}  // namespace

EndpointSliceMirroringController::EndpointSliceMirroringController(Context& context_)
    : Controller(context_, "endpointslicemirroring-controller"),
      endpoints_(watch(api::resources::kEndpoints, self)),
      services_(watch(api::resources::kServices, self)),
      slices_(watch(kEndpointSlices, [this](const Object& before, const Object& after) {
        const auto& slice = after ? after : before;
        if (!is_mirror(slice)) return Keys();
        const api::Key key(std::string(slice.ns()), std::string(slice.label(endpoints::kServiceName)));
        if (!before) expectations().creation_observed(queue_text(key));
        return Keys{key};
      })) {
  context().informers.indexed(kEndpointSlices, kMirrors, mirrored_index);
}

rt::Task<Result<void>> EndpointSliceMirroringController::reconcile(api::Key key) {
  // A slice we made that the cache does not show yet would be made twice; its arrival brings the key back.
  if (!expectations().satisfied(queue_text(key))) co_return ok();
  auto existing = slices_.by_index(kMirrors, queue_text(key));
  std::erase_if(existing, [](const Object& slice) { return slice.deleting(); });
  const auto present = endpoints_.get(key);
  if (!mirror::wants_mirror(present, services_.get(key))) {
    expectations().forget(queue_text(key));
    co_return co_await remove_all(std::move(existing));
  }
  auto changes = mirror::plan(present, existing);
  for (auto& slice : changes.create) {
    expectations().expect_creations(queue_text(key), 1);
    auto made =
        co_await client().create(kEndpointSlices, key.ns, Object(std::move(slice)), client::WriteOptions());
    if (made.ok()) continue;
    expectations().creation_observed(queue_text(key));
    if (namespace_terminating(made.error())) co_return ok();
    co_return std::move(made).error();
  }
  for (auto& slice : changes.update)
    MK_CO_TRY(
        co_await client().update(kEndpointSlices, Object(std::move(slice)), "", client::WriteOptions()));
  co_return co_await remove_all(std::move(changes.remove));
}

rt::Task<Result<void>> EndpointSliceMirroringController::remove_all(std::vector<Object> slices) {
  for (const auto& slice : slices) {
    auto gone = co_await client().remove(kEndpointSlices, slice.key(), client::DeleteOptions());
    if (!gone.ok() && !gone.error().is(Reason::kNotFound)) co_return std::move(gone).error();
  }
  co_return ok();
}

}  // namespace mk::controller
