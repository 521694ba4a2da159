#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cacher/cacher.h"
#include "registry/context.h"

namespace mk::apiserver {

// Which cluster addresses and node ports Services have. Nothing of it is stored: the truth is the Services
// themselves, followed through the cache, plus the claims of writes that are on their way there. Addresses
// and ports that nobody named are taken from the upper part of their range, so that the lower part stays free
// for those that somebody will.
class ServiceAllocator {
 public:
  // `cidr`: one IPv4 range, as checked by parse_cidr; the ranges of ready ServiceCIDRs come after it.
  ServiceAllocator(Cacher& cacher, std::string_view cidr, int port_first, int port_last);

  // Claims are held for `uid` (of the Service) until its write arrives in the cache, or drop().
  Result<std::string> allocate_address(const std::string& uid);
  Result<void> claim_address(const std::string& uid, const std::string& address);
  Result<int> allocate_port(const std::string& uid);
  Result<void> claim_port(const std::string& uid, int port);
  void drop(const std::string& uid);

  const std::string& cidr() const { return cidr_; }

 private:
  struct Held {
    std::set<std::string> addresses;
    std::set<int> ports;
  };
  struct Use {
    int count = 0;  // a Service may use one port for several protocols
    std::string uid;
  };

  struct Range {
    std::uint32_t base = 0, size = 0;
    bool contains(std::uint32_t address) const { return address > base && address < base + size - 1; }
  };
  static std::optional<Range> read_range(std::string_view cidr);
  std::vector<Range> ranges();
  std::optional<std::string> free_address(const Range& range, const std::string& uid);

  void load();
  void add(const api::Json& service, int sign);
  bool address_taken(const std::string& address, const std::string& uid) const;
  bool port_taken(int port, const std::string& uid) const;

  Cacher& cacher_;
  std::string cidr_;
  Range range_;
  int port_first_, port_last_;
  bool loaded_ = false;
  std::unordered_map<std::string, Use> addresses_;
  std::unordered_map<int, Use> ports_;
  std::map<std::string, Held> held_;  // by uid
  std::uint32_t next_address_ = 0;    // where to look first; only a hint
  int next_port_ = 0;
};

// IPAddress objects by name of address: those that a Service's change makes and ends, as writes for its
// transaction. `service` is null when it goes, `old` when it comes.
std::vector<store::Operation> address_operations(Cacher& cacher, const std::string& now,
                                                 const api::Json* service, const api::Json* old);
// What a former life, a former version or somebody's hand left undone: addresses of Services without an
// object, and objects of Services that are gone or have another address.
std::vector<store::Operation> address_repairs(Cacher& cacher, const std::string& now);
// Is it the object of an address that its Service has?
bool address_in_use(Cacher& cacher, const api::Json& ip_address);

// Cluster addresses of a Service's spec, without "None" and "".
std::vector<std::string> service_addresses(const api::Json& spec);
std::vector<int> service_node_ports(const api::Json& spec);

}  // namespace mk::apiserver
