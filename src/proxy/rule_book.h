#pragma once

#include <map>
#include <set>
#include <string>

#include "rules.h"

namespace mk::proxy {

// What a kernel holds of ours.
struct Present {
  std::set<Chain> chains;   // of ours
  std::vector<Jump> jumps;  // rules in other chains that lead to ours, as the kernel prints them
};
// From the output of iptables-save for one table.
void read_save(Table table, std::string_view output, Present& present);

// All rules wanted, and which of them the kernel does not have yet. Its texts are input for
// `iptables-restore --noflush`: a chain that is declared is emptied first, others are left alone. In the
// shared chains single lines are inserted and deleted, so that a change costs the same however many Services
// there are.
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
  std::string edits(Table table) const;
  void edit(std::string& out, const Chain& chain, const std::string& key, const Rules& before) const;
  std::size_t first_line(const Chain& chain, const std::string& key) const;

  Facts facts_;
  std::map<std::string, ServiceRules>
      services_;  // the key "" comes first, and so do its lines in shared chains
  std::map<Chain, std::string> owners_;
  std::set<Chain> changed_, gone_;  // chains of one Service
  std::map<std::pair<Chain, std::string>, Rules>
      touched_;  // lines in shared chains as the kernel has them, by Service
};

// Removes every jump and chain found; "" when there is none.
std::string remove_all(const Present& present);

}  // namespace mk::proxy
