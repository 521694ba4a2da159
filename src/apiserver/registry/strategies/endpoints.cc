#include <fmt/format.h>

#include "registry/strategies/names.h"
#include "registry/strategies/simple.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::size_t kEndpointsMax = 1000, kAddressesMax = 100, kPortsMax = 20000;

void default_endpoints(Json& endpoints) {
  auto* subsets = edit_list(endpoints, "subsets");
  if (subsets == nullptr) return;
  for (auto& subset : *subsets) {
    auto* ports = edit_list(subset, "ports");
    if (ports == nullptr) continue;
    for (auto& port : *ports) default_text(port, "protocol", "TCP");
  }
}

void check_endpoint_ip(std::string_view ip, const Path& path, Report& report) {
  report.check(path, ip, api::check_ip(ip));
  if (ip.starts_with("127.") || ip == "::1")
    report.invalid(path, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
  if (ip.starts_with("169.254."))
    report.invalid(path, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  if (ip == "0.0.0.0" || ip == "::") report.invalid(path, ip, fmt::format("may not be unspecified ({})", ip));
}

void validate_ports(const api::JsonArray& ports, bool number_required, const Path& path, Report& report) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const Path port = path[i];
    const auto name = api::str(ports[i], "name");
    if (!name.empty()) {
      report.check(port.child("name"), name, api::check_dns1123_label(name));
    } else if (number_required && ports.size() > 1) {
      report.required(port.child("name"));
    }
    if (!number_required && !names.insert(name).second) report.duplicate(port.child("name"), name);
    if (number_required || api::find(ports[i], "port")) {
      const auto number = api::num(ports[i], "port");
      if (!check_port_number(number).empty()) report.invalid(port.child("port"), number, kPortRange);
    }
    check_enum(ports[i], "protocol", {"SCTP", "TCP", "UDP"}, port, report);
  }
}

void validate_endpoints(const Json& endpoints, Report& report) {
  const auto& subsets = api::list(endpoints, "subsets");
  const Path path("subsets");
  for (std::size_t i = 0; i < subsets.size(); ++i) {
    const Path subset = path[i];
    bool any = false;
    for (const std::string_view field : {"addresses", "notReadyAddresses"}) {
      const auto& addresses = api::list(subsets[i], field);
      const Path addresses_path = subset.child(field);
      any = any || !addresses.empty();
      for (std::size_t j = 0; j < addresses.size(); ++j) {
        const Path address = addresses_path[j];
        check_endpoint_ip(api::str(addresses[j], "ip"), address.child("ip"), report);
      }
    }
    if (!any) report.required(subset, "must specify `addresses` or `notReadyAddresses`");
    validate_ports(api::list(subsets[i], "ports"), true, subset.child("ports"), report);
  }
}

void default_slice(Json& slice) {
  auto* ports = edit_list(slice, "ports");
  if (ports == nullptr) return;
  for (auto& port : *ports) {
    default_to(port, "name", api::text(""));
    default_text(port, "protocol", "TCP");
  }
}

void validate_slice_addresses(const Json& endpoint, std::string_view type, const Path& path, Report& report) {
  const auto& addresses = api::list(endpoint, "addresses");
  const Path addresses_path = path.child("addresses");
  if (addresses.empty()) report.required(addresses_path, "must contain at least 1 address");
  if (addresses.size() > kAddressesMax) report.too_many(addresses_path, addresses.size(), kAddressesMax);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto address = text_of(addresses[i]);
    const Path at = addresses_path[i];
    if (type == "FQDN") {
      report.check(at, address, api::check_dns1123_subdomain(address));
    } else {
      check_endpoint_ip(address, at, report);
      const bool six = address.find(':') != std::string_view::npos;
      if (six != (type == "IPv6") && api::check_ip(address).empty()) {
        report.invalid(at, address, fmt::format("must be an {} address", type));
      }
    }
  }
}

void validate_slice(const Json& slice, Report& report) {
  const Path root("");
  check_enum(slice, "addressType", {"FQDN", "IPv4", "IPv6"}, root, report);
  const auto& endpoints = api::list(slice, "endpoints");
  const Path path("endpoints"), ports("ports");
  if (endpoints.size() > kEndpointsMax) report.too_many(path, endpoints.size(), kEndpointsMax);
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const Path endpoint = path[i];
    validate_slice_addresses(endpoints[i], api::str(slice, "addressType"), endpoint, report);
    if (const auto name = api::str(endpoints[i], "hostname"); !name.empty()) {
      report.check(endpoint.child("hostname"), name, api::check_dns1123_label(name));
    }
  }
  if (api::list(slice, "ports").size() > kPortsMax)
    report.too_many(ports, api::list(slice, "ports").size(), kPortsMax);
  validate_ports(api::list(slice, "ports"), false, ports, report);
}

}  // namespace

void add_endpoints(StrategySet& set) {
  set.add("endpoints", make_simple({.defaults = default_endpoints,
                                    .validate = validate_endpoints,
                                    .status = false,
                                    .create_on_update = true}));
  set.add("endpointslices.discovery.k8s.io", make_simple({.defaults = default_slice,
                                                          .validate = validate_slice,
                                                          .immutable = {"addressType"},
                                                          .status = false}));
}

}  // namespace mk::apiserver
