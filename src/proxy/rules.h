#pragma once

#include <map>
#include <string>
#include <vector>

#include "model.h"

// Rules as text, by table and chain. Pure: the same services give the same text.
namespace mk::proxy {

enum class Table { kNat, kFilter };

struct Chain {
  Table table = Table::kNat;
  std::string name;
  auto operator<=>(const Chain&) const = default;
};

using Rules = std::vector<std::string>;  // without "-A <chain> "

// What one Service contributes.
struct ServiceRules {
  std::map<Chain, Rules> shared;  // its lines in the chains that all Services have in common
  std::map<Chain, Rules> own;     // chains that belong to it alone
  bool operator==(const ServiceRules&) const = default;
};

struct Facts {
  std::string cluster_cidr;  // where pods live; "": unknown, then only hairpins are masqueraded
  bool random_fully = true;  // this iptables knows MASQUERADE --random-fully
};

// Traffic to a Service (or to a bare address) that this node answers itself.
struct Redirect {
  std::string frontend_ip;
  int frontend_port = 0;
  std::string protocol;  // "udp"
  std::string local_ip;
  int local_port = 0;
  std::string comment;
};

ServiceRules make_rules(const std::vector<ServicePort>& ports, const Facts& facts);
ServiceRules make_redirect(const Redirect& redirect);

// The chains that always exist: with the lines that stand before and after what the Services contribute.
struct FixedChain {
  Chain chain;
  Rules before, after;
};
std::vector<FixedChain> fixed_chains(const Facts& facts);

// The lines by which the kernel's own chains lead to ours: chain and rule.
struct Jump {
  Table table;
  std::string from, rule;
};
std::vector<Jump> jumps();

// Whether a chain of this name is made by this room, now or by an earlier version of the same Services.
bool is_ours(Table table, const std::string& name);

std::string_view table_name(Table table);

}  // namespace mk::proxy
