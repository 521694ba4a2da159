#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "mk/api/object.h"

// What cluster DNS knows: an index of Services, and of the EndpointSlices of headless ones, in the shape in
// which questions come. Changed piece by piece as the informers deliver, so that neither a change nor a
// question costs more than the one service it is about.
namespace mk::dns {

struct ServicePort {
  std::string name, protocol;  // protocol in lower case
  std::uint16_t port = 0;
};

struct Endpoint {
  std::string label;    // its hostname, or its address with dashes
  std::string address;  // 4 or 16 bytes
};

// One EndpointSlice, its ready endpoints only.
struct Slice {
  std::vector<Endpoint> endpoints;
  std::vector<ServicePort> ports;
};

struct Service {
  bool headless = false;
  std::string external_name;             // of type ExternalName, else ""
  std::vector<std::string> cluster_ips;  // 4 or 16 bytes each; empty when headless
  std::vector<ServicePort> ports;
  std::map<std::string, Slice> slices;  // by name; only when headless
};

// A name that an address has: the endpoint `label` of a service, or the service itself when the label is "".
struct AddressName {
  api::Key service;
  std::string label;
};

class Zone {
 public:
  void put_service(const api::Object& object);
  void erase_service(const api::Key& key);

  // Slices of services that are not headless (or not known yet) are ignored: when put_service() makes a
  // service headless, the caller puts its slices again.
  void put_slice(const api::Object& object);
  void erase_slice(const api::Object& object);

  const Service* service(const std::string& ns, const std::string& name) const;
  bool has_namespace(const std::string& ns) const { return namespaces_.contains(ns); }  // has a Service in it
  const std::vector<AddressName>* names_of(const std::string& address_bytes) const;
  std::size_t services() const { return services_.size(); }

 private:
  void index_addresses(const api::Key& key, const Service& service);
  void unindex_addresses(const api::Key& key, const Service& service);
  void index_slice(const api::Key& key, const Slice& slice);
  void unindex_slice(const api::Key& key, const Slice& slice);
  void unname(const std::string& address, const api::Key& key, const std::string& label);

  std::unordered_map<api::Key, Service, api::KeyHash> services_;
  std::unordered_map<std::string, std::size_t> namespaces_;  // how many services each holds
  std::unordered_map<std::string, std::vector<AddressName>> names_;
};

// The service an EndpointSlice belongs to; the name is "" when it has none.
api::Key service_of_slice(const api::Object& slice);

}  // namespace mk::dns
