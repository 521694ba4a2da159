#include <algorithm>

#include "cacher/cached_object.h"
#include "mk/base/ids.h"
#include "registry/registry.h"
#include "registry/strategies/service_allocator.h"

// The IPAddress objects of Services (KEP-1880): written in the Service's own transaction, so that each
// cluster address has its object, and only those.
namespace mk::apiserver {

using api::Json;

namespace {

const api::Gvr kIpAddresses{"networking.k8s.io", "v1", "ipaddresses"};
constexpr std::string_view kManagedBy = "ipaddress.kubernetes.io/managed-by",
                           kFamily = "ipaddress.kubernetes.io/ip-family", kManager = "ipallocator.k8s.io";

std::vector<std::string> addresses_of(const Json* service) {
  const Json* spec = service ? api::find(*service, "spec") : nullptr;
  if (spec == nullptr || api::str(*spec, "type") == "ExternalName") return {};
  return service_addresses(*spec);
}

bool has(const std::vector<std::string>& addresses, std::string_view address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

api::Object address_object(Cacher& cacher, const std::string& address) {
  return cacher.get(kIpAddresses, api::Key("", address));
}

bool belongs_to(const Json& ip_address, const Json& service) {
  return api::str(ip_address, "spec.parentRef.resource") == "services" &&
         api::str(ip_address, "spec.parentRef.namespace") == api::str(service, "metadata.namespace") &&
         api::str(ip_address, "spec.parentRef.name") == api::str(service, "metadata.name");
}

store::Operation make_address(const std::string& address, const Json& service, const std::string& now) {
  api::JsonObject labels, metadata, parent, spec, object;
  labels[kFamily] = address.find(':') == std::string::npos ? "IPv4" : "IPv6";
  labels[kManagedBy] = kManager;
  metadata["name"] = address;
  metadata["uid"] = new_uid();
  metadata["creationTimestamp"] = now;
  metadata["generation"] = 1;
  metadata["labels"] = std::move(labels);
  parent["group"] = "";
  parent["resource"] = "services";
  parent["namespace"] = api::str(service, "metadata.namespace");
  parent["name"] = api::str(service, "metadata.name");
  spec["parentRef"] = std::move(parent);
  object["apiVersion"] = "networking.k8s.io/v1";
  object["kind"] = "IPAddress";
  object["metadata"] = std::move(metadata);
  object["spec"] = std::move(spec);
  return store::Operation(store::Operation::Kind::kPut,
                          Cacher::store_key(kIpAddresses, api::Key("", address)), encode_stored(object),
                          store::Operation::kAbsent);
}

store::Operation remove_address(const api::Object& object) {
  return store::Operation(store::Operation::Kind::kRemove, Cacher::store_key(kIpAddresses, object.key()),
                          SharedBytes(), revision_of(object));
}

}  // namespace

std::vector<store::Operation> address_operations(Cacher& cacher, const std::string& now, const Json* service,
                                                 const Json* old) {
  std::vector<store::Operation> out;
  const auto before = addresses_of(old), after = addresses_of(service);
  for (const auto& address : after) {
    if (!address_object(cacher, address)) out.push_back(make_address(address, *service, now));
  }
  for (const auto& address : before) {
    const auto object = address_object(cacher, address);
    if (!has(after, address) && object && belongs_to(object.json(), *old))
      out.push_back(remove_address(object));
  }
  return out;
}

bool address_in_use(Cacher& cacher, const Json& ip_address) {
  if (api::str(ip_address, "spec.parentRef.resource") != "services") return false;
  const auto service = cacher.get(api::resources::kServices,
                                  api::Key(std::string(api::str(ip_address, "spec.parentRef.namespace")),
                                           std::string(api::str(ip_address, "spec.parentRef.name"))));
  return service && has(addresses_of(&service.json()), api::str(ip_address, "metadata.name"));
}

std::vector<store::Operation> address_repairs(Cacher& cacher, const std::string& now) {
  std::vector<store::Operation> out;
  cacher.resource(api::resources::kServices).for_each("", [&](const api::Object& service) {
    for (const auto& address : addresses_of(&service.json())) {
      if (!address_object(cacher, address)) out.push_back(make_address(address, service.json(), now));
    }
    return true;
  });
  cacher.resource(kIpAddresses).for_each("", [&](const api::Object& object) {
    if (object.label(kManagedBy) == kManager && !address_in_use(cacher, object.json()))
      out.push_back(remove_address(object));
    return true;
  });
  return out;
}

}  // namespace mk::apiserver
