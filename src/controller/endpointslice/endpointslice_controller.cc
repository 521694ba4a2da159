#include "endpointslice/endpointslice_controller.h"

#include <algorithm>

#include "kit/objects.h"
#include "mk/api/selector.h"

namespace mk::controller {

using endpoints::Groups;

ServiceBackends::ServiceBackends(Context& context_, std::string name)
    : Controller(context_, std::move(name)),
      services_(watch(api::resources::kServices, self)),
      pods_(watch(api::resources::kPods,
                  [this](const api::Object& before, const api::Object& after) {
                    return keys_of_pod(before, after);
                  })),
      nodes_(cache(api::resources::kNodes)) {}

// The services that select the pod before or after the change. A change that cannot show in any endpoint (a
// container's restart count, say) still costs one comparison per service, no write.
Controller::Keys ServiceBackends::keys_of_pod(const api::Object& before, const api::Object& after) {
  Keys keys;
  for (const auto& service : services_.in_namespace(std::string(after ? after.ns() : before.ns()))) {
    const auto& labels = api::object(service.json(), "spec.selector");
    if (labels.empty()) continue;
    const auto selector = api::LabelSelector::from_map(labels);
    const auto selects = [&selector](const api::Object& pod) {
      return pod && selector.matches(api::object(pod.json(), "metadata.labels"));
    };
    if (selects(before) || selects(after)) keys.push_back(service.key());
  }
  return keys;
}

Groups ServiceBackends::groups_of(const api::Object& service, const std::string& family) {
  Groups groups;
  const auto selector = api::LabelSelector::from_map(api::object(service.json(), "spec.selector"));
  for (const auto& pod : pods_.in_namespace(std::string(service.ns()))) {
    if (!endpoints::backs(pod.json()) || !selector.matches(api::object(pod.json(), "metadata.labels")))
      continue;
    if (endpoints::pod_address(pod.json(), family).empty()) continue;
    auto ports = endpoints::ports_for(service.json(), pod.json());
    const bool portless =
        api::list(service.json(), "spec.ports").empty() && endpoints::headless(service.json());
    if (ports.empty() && !portless) continue;
    const auto node = nodes_.get(api::Key("", std::string(api::str(pod.json(), "spec.nodeName"))));
    groups[std::move(ports)].push_back(endpoints::endpoint_for(service.json(), pod, node, family));
  }
  // The order of a hash table must not cause writes.
  for (auto& [ports, list] : groups) {
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.pod_name < b.pod_name; });
  }
  return groups;
}

namespace {
std::vector<std::string> families_of(const api::Json& service) {
  std::vector<std::string> families;
  for (const auto& family : api::list(service, "spec.ipFamilies")) {
    if (family.is_string()) families.emplace_back(family.get_string());
  }
  if (families.empty()) families.emplace_back("IPv4");
  return families;
}

bool has_selector(const api::Object& service) {
  return !api::object(service.json(), "spec.selector").empty() &&
         api::str(service.json(), "spec.type") != "ExternalName";
}

constexpr char kByService[] = "service";
const api::Gvr& kSlices = api::resources::kEndpointSlices;
}  // namespace

EndpointSliceController::EndpointSliceController(Context& context_)
    : ServiceBackends(context_, "endpointslice-controller"),
      slices_(context_.informers.indexed(kSlices, kByService, [](const api::Object& slice) {
        return std::vector<std::string>{std::string(slice.ns()) + "/" +
                                        std::string(slice.label(endpoints::kServiceName))};
      })) {
  watch(kSlices, [this](const api::Object& before, const api::Object& after) {
    const auto& slice = after ? after : before;
    Keys keys;
    if (slice.label(endpoints::kManagedBy) == endpoints::kManager) {
      keys.emplace_back(std::string(slice.ns()), std::string(slice.label(endpoints::kServiceName)));
      if (!before) expectations().creation_observed(queue_text(keys.front()));
    }
    return keys;
  });
}

rt::Task<Result<void>> EndpointSliceController::reconcile(api::Key key) {
  // A slice we made that the cache does not show yet would be made twice; its arrival brings the key back.
  if (!expectations().satisfied(queue_text(key))) co_return ok();
  std::vector<api::Object> existing;
  for (auto& slice : slices_.by_index(kByService, queue_text(key))) {
    const bool ours = slice.label(endpoints::kManagedBy) == endpoints::kManager && !slice.deleting();
    if (ours) existing.push_back(std::move(slice));
  }
  const auto service = services_.get(key);
  if (!service || service.deleting() || !has_selector(service)) {
    if (!service) expectations().forget(queue_text(key));
    // A service that lost its selector keeps its slices; the garbage collector takes those of a deleted one.
    co_return ok();
  }
  std::map<std::string, std::vector<api::Object>> by_family;
  for (auto& slice : existing) by_family[std::string(api::str(slice.json(), "addressType"))].push_back(slice);
  for (const auto& family : families_of(service.json())) {
    auto slices = by_family.extract(family);
    auto of_family = slices ? slices.mapped() : std::vector<api::Object>();
    MK_CO_TRY(co_await reconcile_family(service, family, std::move(of_family)));
  }
  for (const auto& [family, slices] : by_family) {
    for (const auto& slice : slices) {
      auto gone = co_await client().remove(kSlices, slice.key(), client::DeleteOptions());
      if (!gone.ok() && !gone.error().is(Reason::kNotFound)) co_return std::move(gone).error();
    }
  }
  co_return ok();
}

rt::Task<Result<void>> EndpointSliceController::reconcile_family(api::Object service, std::string family,
                                                                 std::vector<api::Object> existing) {
  auto changes = endpoints::plan_slices(service, family, groups_of(service, family), existing);
  for (auto& slice : changes.create) {
    expectations().expect_creations(queue_text(service.key()), 1);
    auto made = co_await client().create(kSlices, std::string(service.ns()), api::Object(std::move(slice)),
                                         client::WriteOptions());
    if (made.ok()) continue;
    expectations().creation_observed(queue_text(service.key()));
    if (namespace_terminating(made.error())) co_return ok();
    co_return std::move(made).error();
  }
  for (auto& slice : changes.update) {
    MK_CO_TRY(co_await client().update(kSlices, api::Object(std::move(slice)), "", client::WriteOptions()));
  }
  for (const auto& slice : changes.remove) {
    auto gone = co_await client().remove(kSlices, slice.key(), client::DeleteOptions());
    if (!gone.ok() && !gone.error().is(Reason::kNotFound)) co_return std::move(gone).error();
  }
  co_return ok();
}

EndpointsController::EndpointsController(Context& context_)
    : ServiceBackends(context_, "endpoint-controller"), endpoints_(watch(api::resources::kEndpoints, self)) {}

rt::Task<Result<void>> EndpointsController::reconcile(api::Key key) {
  const auto service = services_.get(key);
  const auto present = endpoints_.get(key);
  if (!service) {
    // An Endpoints object has no owner; it goes with its service. A leader election lock is not a service's.
    const bool ours = present && present.label("endpoints.kubernetes.io/managed-by") == "endpoint-controller";
    if (!ours) co_return ok();
    auto gone = co_await client().remove(api::resources::kEndpoints, key, client::DeleteOptions());
    if (!gone.ok() && !gone.error().is(Reason::kNotFound)) co_return std::move(gone).error();
    co_return ok();
  }
  if (service.deleting() || !has_selector(service)) co_return ok();
  auto wanted =
      endpoints::make_endpoints(service, groups_of(service, families_of(service.json()).front()), present);
  if (present && present.json() == wanted) co_return ok();
  api::Object object(std::move(wanted));
  if (present) {
    MK_CO_TRY(
        co_await client().update(api::resources::kEndpoints, std::move(object), "", client::WriteOptions()));
  } else {
    auto made = co_await client().create(api::resources::kEndpoints, key.ns, std::move(object),
                                         client::WriteOptions());
    if (made.ok() || namespace_terminating(made.error())) co_return ok();
    // Already there: the cache lags, and its next change brings the key back.
    if (made.error().is(Reason::kAlreadyExists)) co_return ok();
    co_return std::move(made).error();
  }
  co_return ok();
}

}  // namespace mk::controller
