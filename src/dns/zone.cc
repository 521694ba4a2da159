#include "zone.h"

#include <algorithm>

#include "message.h"
#include "mk/base/strings.h"

namespace mk::dns {

namespace {

std::vector<ServicePort> read_ports(const api::JsonArray& list) {
  std::vector<ServicePort> ports;
  for (const auto& item : list) {
    ServicePort port;
    port.name = api::str(item, "name");
    port.protocol = to_lower(api::str(item, "protocol", "TCP"));
    port.port = static_cast<std::uint16_t>(api::num(item, "port"));
    ports.push_back(std::move(port));
  }
  return ports;
}

Service read_service(const api::Object& object) {
  const auto& json = object.json();
  Service service;
  if (api::str(json, "spec.type") == "ExternalName") {
    service.external_name = api::str(json, "spec.externalName");
    return service;
  }
  service.ports = read_ports(api::list(json, "spec.ports"));
  service.headless = api::str(json, "spec.clusterIP") == "None";
  if (service.headless) return service;
  auto add = [&](std::string_view text) {
    auto bytes = address_bytes(text);
    if (bytes && std::find(service.cluster_ips.begin(), service.cluster_ips.end(), *bytes) ==
                     service.cluster_ips.end())
      service.cluster_ips.push_back(std::move(*bytes));
  };
  add(api::str(json, "spec.clusterIP"));
  for (const auto& ip : api::list(json, "spec.clusterIPs"))
    if (ip.is_string()) add(std::string_view(ip.get_string().data(), ip.get_string().size()));
  return service;
}

// "10-0-0-7", "fd00--7": what names an endpoint that has no hostname.
std::string dashed(std::string_view address) {
  std::string text = address_text(address);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '.' || c == ':'; }, '-');
  return text;
}

// An absent `ready` counts as ready; publishNotReadyAddresses is already in it, by the slice's maker.
Slice read_slice(const api::Object& object) {
  Slice slice;
  slice.ports = read_ports(api::list(object.json(), "ports"));
  for (const auto& item : api::list(object.json(), "endpoints")) {
    if (!api::flag(item, "conditions.ready", true)) continue;
    const std::string hostname = to_lower(api::str(item, "hostname"));
    for (const auto& address : api::list(item, "addresses")) {
      if (!address.is_string()) continue;
      auto bytes = address_bytes(std::string_view(address.get_string().data(), address.get_string().size()));
      if (!bytes) continue;
      Endpoint endpoint;
      endpoint.label = hostname.empty() ? dashed(*bytes) : hostname;
      endpoint.address = std::move(*bytes);
      slice.endpoints.push_back(std::move(endpoint));
    }
  }
  return slice;
}

}  // namespace

api::Key service_of_slice(const api::Object& slice) {
  return api::Key(std::string(slice.ns()), std::string(slice.label("kubernetes.io/service-name")));
}

void Zone::put_service(const api::Object& object) {
  const api::Key key = object.key();
  Service fresh = read_service(object);
  auto [it, added] = services_.try_emplace(key);
  if (added)
    ++namespaces_[key.ns];
  else
    unindex_addresses(key, it->second);
  if (fresh.headless) fresh.slices = std::move(it->second.slices);
  it->second = std::move(fresh);
  index_addresses(key, it->second);
}

void Zone::erase_service(const api::Key& key) {
  const auto it = services_.find(key);
  if (it == services_.end()) return;
  unindex_addresses(key, it->second);
  services_.erase(it);
  const auto ns = namespaces_.find(key.ns);
  if (ns != namespaces_.end() && --ns->second == 0) namespaces_.erase(ns);
}

void Zone::put_slice(const api::Object& object) {
  const api::Key key = service_of_slice(object);
  const auto it = services_.find(key);
  if (it == services_.end() || !it->second.headless) return;
  Slice& slice = it->second.slices[std::string(object.name())];
  unindex_slice(key, slice);
  slice = read_slice(object);
  index_slice(key, slice);
}

void Zone::erase_slice(const api::Object& object) {
  const api::Key key = service_of_slice(object);
  const auto it = services_.find(key);
  if (it == services_.end()) return;
  const auto slice = it->second.slices.find(std::string(object.name()));
  if (slice == it->second.slices.end()) return;
  unindex_slice(key, slice->second);
  it->second.slices.erase(slice);
}

const Service* Zone::service(const std::string& ns, const std::string& name) const {
  const auto it = services_.find(api::Key(ns, name));
  return it == services_.end() ? nullptr : &it->second;
}

const std::vector<AddressName>* Zone::names_of(const std::string& bytes) const {
  const auto it = names_.find(bytes);
  return it == names_.end() ? nullptr : &it->second;
}

void Zone::index_addresses(const api::Key& key, const Service& service) {
  for (const auto& ip : service.cluster_ips) names_[ip].push_back(AddressName{key, ""});
  for (const auto& [name, slice] : service.slices) index_slice(key, slice);
}

void Zone::unindex_addresses(const api::Key& key, const Service& service) {
  for (const auto& ip : service.cluster_ips) unname(ip, key, "");
  for (const auto& [name, slice] : service.slices) unindex_slice(key, slice);
}

void Zone::index_slice(const api::Key& key, const Slice& slice) {
  for (const auto& endpoint : slice.endpoints)
    names_[endpoint.address].push_back(AddressName{key, endpoint.label});
}

void Zone::unindex_slice(const api::Key& key, const Slice& slice) {
  for (const auto& endpoint : slice.endpoints) unname(endpoint.address, key, endpoint.label);
}

// Removes one of possibly several equal entries: the same endpoint may stand in two slices.
void Zone::unname(const std::string& address, const api::Key& key, const std::string& label) {
  const auto it = names_.find(address);
  if (it == names_.end()) return;
  auto& names = it->second;
  const auto found = std::find_if(names.begin(), names.end(), [&](const AddressName& name) {
    return name.service == key && name.label == label;
  });
  if (found != names.end()) names.erase(found);
  if (names.empty()) names_.erase(it);
}

}  // namespace mk::dns
