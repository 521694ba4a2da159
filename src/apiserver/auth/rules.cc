#include "auth/rules.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

namespace mk::apiserver {
namespace {

bool has(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool has_or_all(const std::vector<std::string>& list, std::string_view item) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& own) { return own == "*" || own == item; });
}

// "*" is every resource with its subresources, "*/scale" that subresource of every resource. There is no
// "pods/*": Kubernetes gives it no meaning, and neither may we.
bool resource_covers(std::string_view rule, std::string_view resource, std::string_view subresource) {
  if (rule == "*") return true;
  if (subresource.empty()) return rule == resource;
  if (rule.size() == resource.size() + 1 + subresource.size() &&
      rule.substr(0, resource.size()) == resource && rule[resource.size()] == '/' &&
      rule.substr(resource.size() + 1) == subresource)
    return true;
  return rule.size() == subresource.size() + 2 && rule.substr(0, 2) == "*/" && rule.substr(2) == subresource;
}

bool path_covers(std::string_view rule, std::string_view path) {
  if (rule == "*" || rule == path) return true;
  if (rule.empty() || rule.back() != '*') return false;
  rule.remove_suffix(1);
  return path.substr(0, rule.size()) == rule;
}

std::vector<std::string> strings(const api::Json& rule, std::string_view key) {
  std::vector<std::string> out;
  for (const auto& item : api::list(rule, key)) {
    if (const auto* text = item.if_string()) out.emplace_back(*text);
  }
  return out;
}

void put_strings(api::JsonObject& rule, std::string_view key, const std::vector<std::string>& items) {
  if (items.empty()) return;
  api::JsonArray array;
  for (const auto& item : items) array.emplace_back(item);
  rule[key] = std::move(array);
}

// One verb on one resource (or path), of one name if names are given.
struct Grain {
  bool on_path = false;
  std::string verb, group, resource, name;
  bool named = false;
};

std::vector<Grain> grains(const PolicyRule& rule) {
  std::vector<Grain> out;
  for (const auto& verb : rule.verbs) {
    for (const auto& path : rule.paths) out.push_back({true, verb, "", path, "", false});
    for (const auto& group : rule.groups) {
      for (const auto& resource : rule.resources) {
        if (rule.names.empty()) out.push_back({false, verb, group, resource, "", false});
        for (const auto& name : rule.names) out.push_back({false, verb, group, resource, name, true});
      }
    }
  }
  return out;
}

bool covers(const PolicyRule& held, const Grain& grain) {
  if (!has_or_all(held.verbs, grain.verb)) return false;
  if (grain.on_path) {
    return std::any_of(held.paths.begin(), held.paths.end(),
                       [&](const std::string& path) { return path_covers(path, grain.resource); });
  }
  if (!has_or_all(held.groups, grain.group)) return false;
  if (!held.names.empty() && !(grain.named && has(held.names, grain.name))) return false;
  const auto slash = grain.resource.find('/');
  const std::string_view resource = std::string_view(grain.resource).substr(0, slash);
  const std::string_view sub =
      slash == std::string::npos ? std::string_view() : std::string_view(grain.resource).substr(slash + 1);
  return std::any_of(held.resources.begin(), held.resources.end(), [&](const std::string& own) {
    return own == grain.resource || resource_covers(own, resource, sub);
  });
}

}  // namespace

Match match_rule(const PolicyRule& rule, const Attributes& attributes) {
  if (!has_or_all(rule.verbs, attributes.verb)) return Match::kNo;
  if (!attributes.resource_request) {
    const bool covered = std::any_of(rule.paths.begin(), rule.paths.end(), [&](const std::string& path) {
      return path_covers(path, attributes.path);
    });
    return covered ? Match::kYes : Match::kNo;
  }
  if (!has_or_all(rule.groups, attributes.group)) return Match::kNo;
  const bool covered =
      std::any_of(rule.resources.begin(), rule.resources.end(), [&](const std::string& resource) {
        return resource_covers(resource, attributes.resource, attributes.subresource);
      });
  if (!covered) return Match::kNo;
  return rule.names.empty() ? Match::kYes : Match::kIfNamed;
}

bool rule_allows(const PolicyRule& rule, const Attributes& attributes) {
  const Match match = match_rule(rule, attributes);
  return match == Match::kYes || (match == Match::kIfNamed && has(rule.names, attributes.name));
}

std::vector<PolicyRule> read_rules(const api::Json& role) {
  std::vector<PolicyRule> out;
  for (const auto& item : api::list(role, "rules")) {
    PolicyRule rule;
    rule.verbs = strings(item, "verbs");
    rule.groups = strings(item, "apiGroups");
    rule.resources = strings(item, "resources");
    rule.names = strings(item, "resourceNames");
    rule.paths = strings(item, "nonResourceURLs");
    out.push_back(std::move(rule));
  }
  return out;
}

api::JsonArray rules_json(const std::vector<PolicyRule>& rules) {
  api::JsonArray out;
  for (const auto& rule : rules) {
    api::JsonObject item;
    put_strings(item, "apiGroups", rule.groups);
    put_strings(item, "resources", rule.resources);
    put_strings(item, "resourceNames", rule.names);
    put_strings(item, "nonResourceURLs", rule.paths);
    put_strings(item, "verbs", rule.verbs);
    out.emplace_back(std::move(item));
  }
  return out;
}

std::vector<PolicyRule> uncovered_rules(const std::vector<PolicyRule>& held,
                                        const std::vector<PolicyRule>& wanted) {
  using Place = std::tuple<bool, std::string, std::string, bool, std::string>;
  std::map<Place, std::vector<std::string>> missing;
  for (const auto& rule : wanted) {
    for (const auto& grain : grains(rule)) {
      if (std::any_of(held.begin(), held.end(), [&](const PolicyRule& own) { return covers(own, grain); }))
        continue;
      auto& verbs = missing[Place(grain.on_path, grain.group, grain.resource, grain.named, grain.name)];
      if (!has(verbs, grain.verb)) verbs.push_back(grain.verb);
    }
  }
  std::vector<PolicyRule> out;
  for (auto& [place, verbs] : missing) {
    const auto& [on_path, group, resource, named, name] = place;
    PolicyRule rule;
    std::sort(verbs.begin(), verbs.end());
    rule.verbs = std::move(verbs);
    if (on_path) {
      rule.paths = {resource};
    } else {
      rule.groups = {group};
      rule.resources = {resource};
      if (named) rule.names = {name};
    }
    out.push_back(std::move(rule));
  }
  return out;
}

std::string quoted_list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const auto& item : items) out += fmt::format("{}\"{}\"", out.size() > 1 ? " " : "", item);
  return out + "]";
}

std::string rule_text(const PolicyRule& rule) {
  std::string out;
  const auto add = [&](std::string_view key, const std::vector<std::string>& items) {
    if (!items.empty()) out += fmt::format("{}{}:{}", out.empty() ? "" : ", ", key, quoted_list(items));
  };
  add("APIGroups", rule.groups);
  add("Resources", rule.resources);
  add("NonResourceURLs", rule.paths);
  add("ResourceNames", rule.names);
  add("Verbs", rule.verbs);
  return "{" + out + "}";
}

}  // namespace mk::apiserver
