#include <fmt/format.h>

#include "registry/strategies/resources.h"
#include "registry/strategies/simple.h"
#include "registry/strategies/workload.h"

// LimitRange, ResourceQuota.
namespace mk::apiserver {

using api::Json;

namespace {

void fill_from(Json& item, std::string_view to, std::string_view from) {
  const Json source(api::object(item, from));
  for (const auto& entry : source.get_object()) {
    auto& target = ensure_object(item, to).as_object();
    if (!target.contains(entry.key())) target[entry.key()] = entry.value();
  }
}

void default_limit_range(Json& range) {
  auto* limits = edit_list(range, "spec.limits");
  if (limits == nullptr) return;
  for (auto& item : *limits) {
    if (!item.is_object() || api::str(item, "type") != "Container") continue;
    fill_from(item, "default", "max");
    fill_from(item, "defaultRequest", "default");
    fill_from(item, "defaultRequest", "min");
  }
}

// One pair that must be in order: {"min", "min value"} before {"max", "max value"}.
struct Order {
  std::string_view low, low_text, high, high_text, at;
};

constexpr Order kOrders[] = {
    {"min", "min value", "max", "max value", "min"},
    {"min", "min value", "defaultRequest", "default request value", "defaultRequest"},
    {"defaultRequest", "default request value", "max", "max value", "defaultRequest"},
    {"defaultRequest", "default request value", "default", "default limit value", "defaultRequest"},
    {"min", "min value", "default", "default value", "min"},
    {"default", "default value", "max", "max value", "default"},
};

void validate_order(const Json& item, const Order& order, const Path& path, Report& report) {
  const auto high = read_resources(api::object(item, order.high));
  for (const auto& [name, low] : read_resources(api::object(item, order.low))) {
    const auto found = high.find(name);
    if (found == high.end() || low <= found->second) continue;
    const Path part = path.child(order.at);
    const auto& bad = order.at == order.low ? low : found->second;
    report.invalid(part.key(name), bad.str(),
                   fmt::format("{} {} is greater than {} {}", order.low_text, low.str(), order.high_text,
                               found->second.str()));
  }
}

void validate_limit_range(const Json& range, Report& report) {
  const auto& limits = api::list(range, "spec.limits");
  const Path path("spec.limits");
  std::set<std::string_view> types;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const Path item = path[i];
    const auto type = api::str(limits[i], "type");
    if (type.empty()) {
      report.required(item.child("type"));
    } else if (!types.insert(type).second) {
      report.duplicate(item.child("type"), type);
    }
    for (const std::string_view part : {"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"}) {
      const Path part_path = item.child(part);
      const auto& values = api::object(limits[i], part);
      if (type == "Pod" && !values.empty() && part.starts_with("default")) {
        report.forbidden(part_path, "may not be specified when `type` is 'Pod'");
      }
      for (const auto& entry : values)
        validate_quantity_of(entry.key(), entry.value(), part_path.key(entry.key()), report);
    }
    if (type == "PersistentVolumeClaim" && !api::find(limits[i], "min.storage") &&
        !api::find(limits[i], "max.storage")) {
      report.required(item, "either minimum or maximum storage value is required, but neither was provided");
    }
    for (const auto& order : kOrders) validate_order(limits[i], order, item, report);
    const Path ratio_path = item.child("maxLimitRequestRatio");
    for (const auto& [name, ratio] : read_resources(api::object(limits[i], "maxLimitRequestRatio"))) {
      if (ratio < api::Quantity::of(1)) {
        report.invalid(ratio_path.key(name), ratio.str(),
                       fmt::format("ratio {} is less than 1", ratio.str()));
      }
    }
  }
}

bool is_object_count(std::string_view name) {
  static const std::set<std::string_view> known{"pods",
                                                "services",
                                                "replicationcontrollers",
                                                "resourcequotas",
                                                "secrets",
                                                "configmaps",
                                                "persistentvolumeclaims",
                                                "services.nodeports",
                                                "services.loadbalancers"};
  return known.contains(name) || name.starts_with("count/");
}

const std::vector<std::string> kScopes{
    "BestEffort",  "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass",
    "Terminating", "VolumeAttributesClass"};

bool is_scope(std::string_view name) {
  return std::find(kScopes.begin(), kScopes.end(), name) != kScopes.end();
}

// Can objects that this limit counts be in this scope? Asked of the limits that every cluster knows.
bool scope_fits(std::string_view scope, std::string_view limit) {
  static const std::set<std::string_view> claims{"persistentvolumeclaims", "requests.storage"},
      amounts{"cpu",
              "memory",
              "ephemeral-storage",
              "requests.cpu",
              "requests.memory",
              "limits.cpu",
              "limits.memory",
              "requests.ephemeral-storage",
              "limits.ephemeral-storage"},
      others{"services",   "replicationcontrollers", "resourcequotas",        "secrets",
             "configmaps", "services.nodeports",     "services.loadbalancers"};
  if (scope == "VolumeAttributesClass") return !amounts.contains(limit) && !others.contains(limit);
  if (claims.contains(limit) || others.contains(limit)) return false;
  return scope != "BestEffort" || !amounts.contains(limit);
}

void validate_scope_selector(const Json& spec, const Path& path, Report& report) {
  const auto& terms = api::list(spec, "scopeSelector.matchExpressions");
  const Path selector = path.child("scopeSelector");
  const Path terms_path = selector.child("matchExpressions");
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const Path term = terms_path[i];
    const auto scope = api::str(terms[i], "scopeName"), op = api::str(terms[i], "operator");
    if (!is_scope(scope)) report.invalid(term.child("scopeName"), scope, "unsupported scope");
    const bool has_values = !api::list(terms[i], "values").empty();
    if (op == "In" || op == "NotIn") {
      if (!has_values)
        report.required(term.child("values"),
                        "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (has_values)
        report.invalid(term.child("values"), Json(api::list(terms[i], "values")),
                       "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
    } else {
      report.invalid(term.child("operator"), op, "not a valid selector operator");
    }
    if (scope != "PriorityClass" && scope != "VolumeAttributesClass" && op != "Exists")
      report.invalid(term.child("operator"), op,
                     "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
                     "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                     "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
  }
}

void validate_scopes(const Json& spec, const Path& path, Report& report) {
  const auto& scopes = api::list(spec, "scopes");
  const Path scopes_path = path.child("scopes");
  std::set<std::string_view> seen;
  for (const auto& scope : scopes) {
    const auto name = text_of(scope);
    if (!is_scope(name)) report.invalid(scopes_path, Json(scopes), "unsupported scope");
    for (const auto& limit : api::object(spec, "hard")) {
      if (is_scope(name) && !scope_fits(name, limit.key()))
        report.invalid(scopes_path, Json(scopes), "unsupported scope applied to resource");
    }
    seen.insert(name);
  }
  const auto conflict = [&](std::string_view a, std::string_view b) {
    return seen.contains(a) && seen.contains(b);
  };
  if (conflict("BestEffort", "NotBestEffort") || conflict("Terminating", "NotTerminating")) {
    report.invalid(scopes_path, Json(scopes), "conflicting scopes");
  }
  validate_scope_selector(spec, path, report);
}

void validate_quota(const Json& quota, Report& report) {
  const Path path("spec");
  const Path hard = path.child("hard");
  for (const auto& entry : api::object(quota, "spec.hard")) {
    const Path at = hard.key(entry.key());
    report.check(at, entry.key(), api::check_qualified_name(entry.key()));
    validate_quantity_of(entry.key(), entry.value(), at, report);
    if (is_object_count(entry.key()) && read_quantity(&entry.value()).milli_value() % 1000 != 0) {
      report.invalid(at, entry.value(), "must be an integer");
    }
  }
  validate_scopes(spec_of(quota), path, report);
}

}  // namespace

void add_quota(StrategySet& set) {
  set.add("limitranges", make_simple({.defaults = default_limit_range,
                                      .validate = validate_limit_range,
                                      .status = false,
                                      .create_on_update = true}));
  set.add("resourcequotas",
          make_simple({.validate = validate_quota, .immutable = {"spec.scopes", "spec.scopeSelector"}}));
}

}  // namespace mk::apiserver
