#include "servicecidrs/servicecidrs_controller.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "kit/finalizers.h"
#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller {

using api::Object;

namespace {

const api::Gvr kServiceCidrs{"networking.k8s.io", "v1", "servicecidrs"},
    kIpAddresses{"networking.k8s.io", "v1", "ipaddresses"};
constexpr std::string_view kFinalizer = "networking.k8s.io/service-cidr-finalizer";

struct Address {
  int family = 0;  // 0: no address
  std::array<unsigned char, 16> bytes{};
};

Address read_address(std::string_view text) {
  Address out;
  const std::string terminated(text);
  const int family = text.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
  if (inet_pton(family, terminated.c_str(), out.bytes.data()) == 1) out.family = family;
  return out;
}

bool contains(std::string_view cidr, const Address& address) {
  const auto slash = cidr.find('/');
  if (slash == std::string_view::npos) return false;
  const auto base = read_address(cidr.substr(0, slash));
  const auto bits = parse_int(cidr.substr(slash + 1));
  if (!bits || base.family == 0 || base.family != address.family) return false;
  for (std::int64_t bit = 0; bit < *bits && bit < 128; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const auto mask = static_cast<unsigned char>(0x80 >> (bit % 8));
    if ((base.bytes[byte] & mask) != (address.bytes[byte] & mask)) return false;
  }
  return true;
}

bool contains(const Object& service_cidr, const Address& address) {
  const auto& ranges = api::list(service_cidr.json(), "spec.cidrs");
  return std::any_of(ranges.begin(), ranges.end(), [&address](const api::Json& range) {
    return range.is_string() && contains(std::string_view(range.get_string()), address);
  });
}

}  // namespace

Object orphaned_address(const Object& going, const std::vector<Object>& others,
                        const std::vector<Object>& addresses) {
  for (const auto& object : addresses) {
    const auto address = read_address(object.name());
    if (address.family == 0 || !contains(going, address)) continue;
    const bool covered = std::any_of(others.begin(), others.end(), [&](const Object& other) {
      return other.name() != going.name() && !other.deleting() && contains(other, address);
    });
    if (!covered) return object;
  }
  return {};
}

ServiceCidrsController::ServiceCidrsController(Context& context_)
    : Controller(context_, "service-cidrs-controller", 1),
      service_cidrs_(watch(kServiceCidrs, [this](const Object& before, const Object& after) {
        Keys keys = self(before, after);
        // A new range may set free one that is going.
        for (const auto& other : service_cidrs_.all()) {
          if (other.deleting()) keys.push_back(other.key());
        }
        return keys;
      })) {
  watch(kIpAddresses, [this](const Object&, const Object& after) {
    Keys keys;
    if (after) return keys;
    for (const auto& going : service_cidrs_.all()) {
      if (going.deleting()) keys.push_back(going.key());
    }
    return keys;
  });
}

rt::Task<Result<void>> ServiceCidrsController::reconcile(api::Key key) {
  const auto found = service_cidrs_.get(key);
  if (!found) co_return ok();
  if (found.deleting()) co_return co_await finish(found);
  if (!has_finalizer(found, kFinalizer))
    co_return co_await write_finalizer(client(), kServiceCidrs, found, kFinalizer, true);
  co_return co_await set_ready(found, true);
}

// First nothing new is taken from it, then it may go: an address allocated just before is seen by then.
rt::Task<Result<void>> ServiceCidrsController::finish(Object service_cidr) {
  if (!has_finalizer(service_cidr, kFinalizer)) co_return ok();
  const auto* ready = find_condition(service_cidr.json(), "Ready");
  if (ready != nullptr && api::str(*ready, "status") == "True")
    co_return co_await set_ready(service_cidr, false);  // its own change brings it back
  MK_CO_ASSIGN(const auto addresses, co_await client().list(kIpAddresses, "", client::ListOptions()));
  if (orphaned_address(service_cidr, service_cidrs_.all(), addresses.items))
    co_return co_await set_ready(service_cidr, false);
  co_return co_await write_finalizer(client(), kServiceCidrs, service_cidr, kFinalizer, false);
}

rt::Task<Result<void>> ServiceCidrsController::set_ready(Object service_cidr, bool ready) {
  api::Json changed = service_cidr.json();
  const Condition condition =
      ready ? Condition("Ready", "True", "", "Kubernetes Service CIDR is ready")
            : Condition("Ready", "False", "Terminating",
                        "There are still IPAddresses referencing the ServiceCIDR, please remove them or "
                        "create a new ServiceCIDR");
  if (!set_condition(changed, condition, clock().now())) co_return ok();
  // The type wants a reason, if an empty one.
  auto conditions = api::list(changed, "status.conditions");
  for (auto& one : conditions) {
    if (api::find(one, "reason") == nullptr) api::set(one, "reason", "");
  }
  api::set(changed, "status.conditions", std::move(conditions));
  co_return co_await write_status(kServiceCidrs, service_cidr, std::move(changed));
}

}  // namespace mk::controller
