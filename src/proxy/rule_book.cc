#include "rule_book.h"

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::proxy {

namespace {

constexpr Table kTables[] = {Table::kNat, Table::kFilter};

void append(std::string& out, std::initializer_list<std::string_view> parts) {
  for (auto part : parts) out += part;
  out += '\n';
}

std::string_view target_of(std::string_view rule) {
  const auto at = rule.rfind(" -j ");
  if (at != std::string_view::npos)
    rule = rule.substr(at + 4);
  else if (rule.starts_with("-j "))
    rule = rule.substr(3);
  else
    return {};
  return rule.substr(0, rule.find(' '));
}

bool has_jump(const Present& present, const Jump& jump) {
  return std::any_of(present.jumps.begin(), present.jumps.end(), [&](const Jump& found) {
    return found.table == jump.table && found.from == jump.from &&
           target_of(found.rule) == target_of(jump.rule);
  });
}

// A Service's lines in a shared chain.
const Rules& lines_of(const ServiceRules& rules, const Chain& chain) {
  static const Rules kNone;
  const auto found = rules.shared.find(chain);
  return found == rules.shared.end() ? kNone : found->second;
}

}  // namespace

void read_save(Table table, std::string_view output, Present& present) {
  for (auto line : split(output, '\n')) {
    if (line.starts_with(':')) {
      const std::string name(line.substr(1, line.find(' ') - 1));
      if (is_ours(table, name)) present.chains.insert(Chain{table, name});
      continue;
    }
    if (!line.starts_with("-A ")) continue;
    line.remove_prefix(3);
    const auto space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const std::string from(line.substr(0, space));
    const auto rule = line.substr(space + 1);
    if (!is_ours(table, from) && is_ours(table, std::string(target_of(rule))))
      present.jumps.push_back(Jump{table, from, std::string(rule)});
  }
}

void RuleBook::set(const std::string& key, ServiceRules rules) {
  ServiceRules& old = services_[key];
  for (const auto& [chain, lines] : old.shared)
    if (lines_of(rules, chain) != lines) touched_.try_emplace({chain, key}, lines);
  for (const auto& [chain, lines] : rules.shared)
    if (!old.shared.contains(chain)) touched_.try_emplace({chain, key});
  for (const auto& [chain, lines] : old.own) {
    if (rules.own.contains(chain)) continue;
    changed_.erase(chain);
    gone_.insert(chain);
    owners_.erase(chain);
  }
  for (const auto& [chain, lines] : rules.own) {
    const auto before = old.own.find(chain);
    if (before != old.own.end() && before->second == lines) continue;
    gone_.erase(chain);
    changed_.insert(chain);
    owners_[chain] = key;
  }
  if (rules.own.empty() && rules.shared.empty())
    services_.erase(key);
  else
    old = std::move(rules);
}

std::string RuleBook::changes() {
  std::string out;
  for (Table table : kTables) write(out, table, changed_, gone_, edits(table));
  touched_.clear();
  changed_.clear();
  gone_.clear();
  return out;
}

std::string RuleBook::everything(const Present& present) {
  std::set<Chain> all, stale = present.chains;
  for (const auto& fixed : fixed_chains(facts_)) all.insert(fixed.chain);
  for (const auto& [chain, owner] : owners_) all.insert(chain);
  for (const auto& chain : all) stale.erase(chain);
  std::string out;
  for (Table table : kTables) {
    std::string missing;
    for (const auto& jump : jumps())
      if (jump.table == table && !has_jump(present, jump))
        append(missing, {"-I ", jump.from, " 1 ", jump.rule});
    write(out, table, all, stale, missing);
  }
  touched_.clear();
  changed_.clear();
  gone_.clear();
  return out;
}

std::string RuleBook::edits(Table table) const {
  std::string out;
  for (const auto& [where, before] : touched_)
    if (where.first.table == table) edit(out, where.first, where.second, before);
  return out;
}

// The lines of one Service anew. Among Services their order does not matter, within one it does.
void RuleBook::edit(std::string& out, const Chain& chain, const std::string& key, const Rules& before) const {
  const auto service = services_.find(key);
  const Rules now = service == services_.end() ? Rules() : lines_of(service->second, chain);
  if (now == before) return;
  for (const auto& line : before) append(out, {"-D ", chain.name, " ", line});
  const std::string at = std::to_string(first_line(chain, key));
  for (auto line = now.rbegin(); line != now.rend(); ++line)
    append(out, {"-I ", chain.name, " ", at, " ", *line});
}

std::size_t RuleBook::first_line(const Chain& chain, const std::string& key) const {
  std::size_t line = 1;
  for (const auto& fixed : fixed_chains(facts_))
    if (fixed.chain == chain) line += fixed.before.size();
  const auto first = services_.find("");
  if (!key.empty() && first != services_.end()) line += lines_of(first->second, chain).size();
  return line;
}

void RuleBook::write(std::string& out, Table table, const std::set<Chain>& changed,
                     const std::set<Chain>& gone, const std::string& extra) const {
  std::string declared, rules, removed;
  for (const auto& chain : changed) {
    if (chain.table != table) continue;
    append(declared, {":", chain.name, " - [0:0]"});
    write_rules(rules, chain);
  }
  for (const auto& chain : gone) {
    if (chain.table != table) continue;
    append(declared, {":", chain.name, " - [0:0]"});
    append(removed, {"-X ", chain.name});
  }
  if (declared.empty() && extra.empty()) return;
  append(out, {"*", table_name(table)});
  out += declared + rules + extra + removed;
  append(out, {"COMMIT"});
}

void RuleBook::write_rules(std::string& out, const Chain& chain) const {
  const auto add = [&](const Rules& rules) {
    for (const auto& rule : rules) append(out, {"-A ", chain.name, " ", rule});
  };
  if (const auto owner = owners_.find(chain); owner != owners_.end())
    return add(services_.at(owner->second).own.at(chain));
  const auto fixed_list = fixed_chains(facts_);
  const auto fixed = std::find_if(fixed_list.begin(), fixed_list.end(),
                                  [&](const FixedChain& f) { return f.chain == chain; });
  if (fixed != fixed_list.end()) add(fixed->before);
  for (const auto& [key, rules] : services_)
    if (const auto found = rules.shared.find(chain); found != rules.shared.end()) add(found->second);
  if (fixed != fixed_list.end()) add(fixed->after);
}

std::string remove_all(const Present& present) {
  std::string out;
  for (Table table : kTables) {
    std::string declared, removed;
    for (const auto& chain : present.chains) {
      if (chain.table != table) continue;
      append(declared, {":", chain.name, " - [0:0]"});
      append(removed, {"-X ", chain.name});
    }
    std::string cut;
    for (const auto& jump : present.jumps)
      if (jump.table == table) append(cut, {"-D ", jump.from, " ", jump.rule});
    if (declared.empty() && cut.empty()) continue;
    append(out, {"*", table_name(table)});
    out += declared + cut + removed;
    append(out, {"COMMIT"});
  }
  return out;
}

}  // namespace mk::proxy
