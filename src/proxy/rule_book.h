#pragma once

#include <map>
#include <set>
#include <string>

#include "rules.h"

namespace mk::proxy {

// What a kernel holds of ours.
struct Present {
  std::set<Chain> chains;           // of ours
  std::vector<Jump> jumps;          // rules in other chains that lead to ours, as the kernel prints them
};
// From the output of iptables-save for one table.
void read_save(Table table, std::string_view output, Present& present);

// All rules wanted, and which of them the kernel does not have yet. Its texts are input for
// `iptables-restore --noflush`: a chain that is declared is emptied first, others are left alone.
class RuleBook {
 public:
  explicit RuleBook(Facts facts) : facts_(std::move(facts)) {}

  void set(const std::string& key, ServiceRules rules);  // empty rules: forget it
  void set_facts(Facts facts) { facts_ = std::move(facts); }
  const Facts& facts() const { return facts_; }

  // The chains changed since the last text; "" when there are none.
  std::string changes();
  // Everything, whatever was there: also removes our chains that are no longer wanted, adds missing jumps.
  std::string everything(const Present& present);

 private:
  void write(std::string& out, Table table, const std::set<Chain>& changed, const std::set<Chain>& gone,
             const std::string& extra) const;
  void write_rules(std::string& out, const Chain& chain) const;

  Facts facts_;
  std::map<std::string, ServiceRules> services_;
  std::map<Chain, std::string> owners_;
  std::set<Chain> changed_, gone_;
};

// Removes every jump and chain found; "" when there is none.
std::string remove_all(const Present& present);

}  // namespace mk::proxy
