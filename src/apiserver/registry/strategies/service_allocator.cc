#include "registry/strategies/service_allocator.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "mk/api/resource.h"
#include "mk/base/assert.h"
#include "mk/base/ids.h"
#include "mk/base/strings.h"
#include "registry/strategies/fields.h"

namespace mk::apiserver {

using api::Json;

namespace {

std::optional<std::uint32_t> parse_ipv4(const std::string& text) {
  in_addr address;
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::string format_ipv4(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                     address & 255);
}

// The size of the part that is left to those who name an address or port: a share, within bounds (KEP-3070).
struct Band {
  std::uint32_t least, most, share;
  std::uint32_t of(std::uint32_t size) const {
    return size < least ? 0 : std::clamp(size / share, least, most);
  }
};
constexpr Band kAddressBand{16, 256, 16}, kPortBand{16, 128, 32};

const api::Gvr kServiceCidrs{"networking.k8s.io", "v1", "servicecidrs"},
    kIpAddresses{"networking.k8s.io", "v1", "ipaddresses"};

bool is_ready(const Json& service_cidr) {
  for (const auto& condition : api::list(service_cidr, "status.conditions")) {
    if (api::str(condition, "type") == "Ready") return api::str(condition, "status") == "True";
  }
  return false;
}

std::uint32_t random_start() {
  const auto bytes = random_bytes(4);
  std::uint32_t number = 0;
  for (const char c : bytes) number = number << 8 | static_cast<unsigned char>(c);
  return number;
}

}  // namespace

std::vector<std::string> service_addresses(const Json& spec) {
  std::vector<std::string> addresses;
  for (const auto& address : api::list(spec, "clusterIPs")) {
    if (address.is_string() && address != "None" && !address.get_string().empty()) {
      addresses.emplace_back(std::string_view(address.get_string()));
    }
  }
  const std::string single(api::str(spec, "clusterIP"));
  if (!single.empty() && single != "None" &&
      std::find(addresses.begin(), addresses.end(), single) == addresses.end()) {
    addresses.push_back(single);
  }
  return addresses;
}

std::vector<int> service_node_ports(const Json& spec) {
  std::vector<int> ports;
  const auto add = [&](std::int64_t port) {
    if (port != 0 && std::find(ports.begin(), ports.end(), port) == ports.end())
      ports.push_back(static_cast<int>(port));
  };
  for (const auto& port : api::list(spec, "ports")) add(api::num(port, "nodePort"));
  add(api::num(spec, "healthCheckNodePort"));
  return ports;
}

ServiceAllocator::ServiceAllocator(Cacher& cacher, std::string_view cidr, int port_first, int port_last)
    : cacher_(cacher), cidr_(cidr), port_first_(port_first), port_last_(port_last) {
  const auto range = read_range(cidr);
  MK_ASSERT(range);  // the configuration has been checked where it was read
  range_ = *range;
  next_address_ = random_start();
  next_port_ = static_cast<int>(random_start() & 0xffff);
  cacher_.resource(api::resources::kServices).on_change([this](const CacheEvent& event) {
    if (!loaded_) return;  // load() will read the whole
    if (event.before) add(event.before.json(), -1);
    if (!event.removed) {
      add(event.after.json(), +1);
      held_.erase(std::string(event.after.uid()));
    }
  });
}

void ServiceAllocator::load() {
  if (loaded_) return;
  loaded_ = true;
  cacher_.resource(api::resources::kServices).for_each("", [this](const api::Object& service) {
    add(service.json(), +1);
    return true;
  });
}

void ServiceAllocator::add(const Json& service, int sign) {
  const Json* spec = api::find(service, "spec");
  if (spec == nullptr || api::str(*spec, "type") == "ExternalName") return;
  const std::string uid(api::str(service, "metadata.uid"));
  const auto count = [&](auto& uses, const auto& key) {
    auto& use = uses[key];
    use.count += sign;
    if (sign > 0) use.uid = uid;
    if (use.count <= 0) uses.erase(key);
  };
  for (const auto& address : service_addresses(*spec)) count(addresses_, address);
  for (const int port : service_node_ports(*spec)) count(ports_, port);
}

bool ServiceAllocator::address_taken(const std::string& address, const std::string& uid) const {
  if (const auto found = addresses_.find(address); found != addresses_.end() && found->second.uid != uid)
    return true;
  if (std::any_of(held_.begin(), held_.end(), [&](const auto& held) {
        return held.first != uid && held.second.addresses.contains(address);
      }))
    return true;
  // Reserved by an object of its own, that is not this Service's.
  return !addresses_.contains(address) && cacher_.get(kIpAddresses, api::Key("", address));
}

bool ServiceAllocator::port_taken(int port, const std::string& uid) const {
  if (const auto found = ports_.find(port); found != ports_.end() && found->second.uid != uid) return true;
  return std::any_of(held_.begin(), held_.end(),
                     [&](const auto& held) { return held.first != uid && held.second.ports.contains(port); });
}

std::optional<ServiceAllocator::Range> ServiceAllocator::read_range(std::string_view cidr) {
  const auto slash = cidr.find('/');
  const auto base = parse_ipv4(std::string(cidr.substr(0, slash)));
  const auto bits = slash == std::string_view::npos ? std::nullopt : parse_int(cidr.substr(slash + 1));
  if (!base || !bits || *bits < 8 || *bits > 30) return std::nullopt;
  Range range;
  range.size = std::uint32_t{1} << (32 - *bits);
  range.base = *base & ~(range.size - 1);
  return range;
}

// The configured range first.
std::vector<ServiceAllocator::Range> ServiceAllocator::ranges() {
  std::vector<Range> out{range_};
  cacher_.resource(kServiceCidrs).for_each("", [&](const api::Object& object) {
    if (object.deleting() || !is_ready(object.json())) return true;
    for (const auto& cidr : api::list(object.json(), "spec.cidrs")) {
      const auto range = read_range(text_of(cidr));
      if (range && (range->base != range_.base || range->size != range_.size)) out.push_back(*range);
    }
    return true;
  });
  return out;
}

std::optional<std::string> ServiceAllocator::free_address(const Range& range, const std::string& uid) {
  // Offsets 1 (the kubernetes Service) to size-2 (before the broadcast address); the band is below `first`.
  const std::uint32_t usable = range.size - 2;
  const std::uint32_t band = kAddressBand.of(range.size);
  const std::uint32_t first = std::max<std::uint32_t>(band, 2);
  const auto search = [&](std::uint32_t from, std::uint32_t to) -> std::optional<std::string> {
    if (from > to) return std::nullopt;
    const std::uint32_t count = to - from + 1;
    for (std::uint32_t i = 0; i < count; ++i) {
      auto address = format_ipv4(range.base + from + (next_address_ + i) % count);
      if (address_taken(address, uid)) continue;
      next_address_ = next_address_ + i + 1;
      return address;
    }
    return std::nullopt;
  };
  auto address = search(first, usable);
  return address ? address : search(2, first - 1);
}

Result<std::string> ServiceAllocator::allocate_address(const std::string& uid) {
  load();
  for (const auto& range : ranges()) {
    auto address = free_address(range, uid);
    if (!address) continue;
    held_[uid].addresses.insert(*address);
    return *address;
  }
  return Error(Reason::kInternalError, "failed to allocate a serviceIP: range is full");
}

Result<void> ServiceAllocator::claim_address(const std::string& uid, const std::string& address) {
  load();
  const auto number = parse_ipv4(address);
  const auto known = ranges();
  const bool inside = number && std::any_of(known.begin(), known.end(), [&number](const Range& range) {
                        return range.contains(*number);
                      });
  if (!inside) {
    return Error(Reason::kInvalid,
                 fmt::format("provided IP is not in the valid range. The range of valid IPs is {}", cidr_));
  }
  if (address_taken(address, uid)) return Error(Reason::kInvalid, "provided IP is already allocated");
  held_[uid].addresses.insert(address);
  return ok();
}

Result<int> ServiceAllocator::allocate_port(const std::string& uid) {
  load();
  const int size = port_last_ - port_first_ + 1;
  const int band = static_cast<int>(kPortBand.of(static_cast<std::uint32_t>(size)));
  const auto search = [&](int from, int to) -> std::optional<int> {
    const int count = to - from + 1;
    for (int i = 0; i < count; ++i) {
      const int port = from + (next_port_ + i) % count;
      if (port_taken(port, uid) || held_[uid].ports.contains(port) || ports_.contains(port)) continue;
      next_port_ = (next_port_ + i + 1) & 0xffff;
      return port;
    }
    return std::nullopt;
  };
  auto port = search(port_first_ + band, port_last_);
  if (!port) port = search(port_first_, port_first_ + band - 1);
  if (!port) return Error(Reason::kInternalError, "failed to allocate a nodePort: range is full");
  held_[uid].ports.insert(*port);
  return *port;
}

Result<void> ServiceAllocator::claim_port(const std::string& uid, int port) {
  load();
  if (port < port_first_ || port > port_last_) {
    return Error(Reason::kInvalid,
                 fmt::format("provided port is not in the valid range. The range of valid ports is {}-{}",
                             port_first_, port_last_));
  }
  if (port_taken(port, uid)) return Error(Reason::kInvalid, "provided port is already allocated");
  held_[uid].ports.insert(port);
  return ok();
}

void ServiceAllocator::drop(const std::string& uid) {
  held_.erase(uid);
}

}  // namespace mk::apiserver
