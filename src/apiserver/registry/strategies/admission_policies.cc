#include <fmt/format.h>

#include <set>

#include "mk/base/strings.h"
#include "mk/cel/admission.h"
#include "registry/strategies/label_selectors.h"
#include "registry/strategies/simple.h"
#include "registry/strategies/workload.h"

// ValidatingAdmissionPolicy, MutatingAdmissionPolicy and their bindings.
namespace mk::apiserver {

using api::Json;

namespace {

void default_rule_scopes(Json& object, std::string_view field) {
  auto* rules = edit_list(object, field);
  if (rules == nullptr) return;
  for (auto& rule : *rules) default_text(rule, "scope", "*");
}

void default_match(Json* match) {
  if (match == nullptr || !match->is_object()) return;
  default_text(*match, "matchPolicy", "Equivalent");
  default_to(*match, "namespaceSelector", api::JsonObject());
  default_to(*match, "objectSelector", api::JsonObject());
  default_rule_scopes(*match, "resourceRules");
  default_rule_scopes(*match, "excludeResourceRules");
}

void default_policy(Json& object) {
  Json& spec = ensure_object(object, "spec");
  default_text(spec, "failurePolicy", "Fail");
  default_match(edit(spec, "matchConstraints"));
}

void default_binding(Json& object) {
  default_match(edit(object, "spec.matchResources"));
  if (Json* ref = edit(object, "spec.paramRef")) default_text(*ref, "parameterNotFoundAction", "Deny");
}

void validate_rules(const Json& match, std::string_view field, const Path& path, Report& report) {
  const auto& rules = api::list(match, field);
  const Path rules_path = path.child(field);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Path rule = rules_path[i];
    for (const std::string_view part : {"operations", "apiGroups", "apiVersions", "resources"}) {
      const auto& values = api::list(rules[i], part);
      const Path part_path = rule.child(part);
      if (values.empty()) report.required(part_path);
      const bool all = std::find(values.begin(), values.end(), Json("*")) != values.end();
      if (all && values.size() > 1 && part != "resources")
        report.invalid(part_path, Json(values),
                       fmt::format("if '*' is present, must not specify other {}",
                                   part == "operations"  ? "operations"
                                   : part == "apiGroups" ? "API groups"
                                                         : "API versions"));
    }
    const Path operations = rule.child("operations");
    const auto& list = api::list(rules[i], "operations");
    for (std::size_t j = 0; j < list.size(); ++j) {
      static const std::set<std::string_view> kOperations{"*", "CREATE", "UPDATE", "DELETE", "CONNECT"};
      if (!kOperations.contains(text_of(list[j])))
        report.not_supported(operations[j], text_of(list[j]), {"*", "CONNECT", "CREATE", "DELETE", "UPDATE"});
    }
    check_enum(rules[i], "scope", {"*", "Cluster", "Namespaced"}, rule, report, Presence::kOptional);
  }
}

void validate_match(const Json& match, const Path& path, Report& report) {
  check_enum(match, "matchPolicy", {"Equivalent", "Exact"}, path, report, Presence::kOptional);
  validate_label_selector(api::find(match, "namespaceSelector"), path.child("namespaceSelector"), report);
  validate_label_selector(api::find(match, "objectSelector"), path.child("objectSelector"), report);
  validate_rules(match, "resourceRules", path, report);
  validate_rules(match, "excludeResourceRules", path, report);
}

bool identifier(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (text.empty() || !letter(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// Entries of a list, each with a name of its own and an expression.
void validate_named(const Json& spec, std::string_view list, std::string_view key,
                    std::string_view expression, const Path& path, Report& report) {
  const auto& entries = api::list(spec, list);
  const Path list_path = path.child(list);
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Path entry = list_path[i];
    const auto name = api::str(entries[i], key);
    if (name.empty()) {
      report.required(entry.child(key));
    } else if (list == "variables") {
      if (!identifier(name)) report.invalid(entry.child(key), name, "name is not a valid CEL identifier");
    } else {
      report.check(entry.child(key), name, api::check_qualified_name(name));
    }
    if (!name.empty() && !names.insert(name).second) report.duplicate(entry.child(key), name);
    if (trim(api::str(entries[i], expression)).empty()) report.required(entry.child(expression));
  }
}

void validate_common(const Json& spec, const Path& path, Report& report) {
  check_enum(spec, "failurePolicy", {"Fail", "Ignore"}, path, report, Presence::kOptional);
  if (const Json* params = api::find(spec, "paramKind")) {
    const Path params_path = path.child("paramKind");
    for (const std::string_view field : {"apiVersion", "kind"}) {
      if (api::str(*params, field).empty()) report.required(params_path.child(field));
    }
  }
  const Path constraints = path.child("matchConstraints");
  if (const Json* match = api::find(spec, "matchConstraints")) {
    validate_match(*match, constraints, report);
    if (api::list(*match, "resourceRules").empty()) report.required(constraints.child("resourceRules"));
  } else {
    report.required(constraints);
  }
  if (api::list(spec, "matchConditions").size() > 64)
    report.too_many(path.child("matchConditions"), api::list(spec, "matchConditions").size(), 64);
  validate_named(spec, "matchConditions", "name", "expression", path, report);
  validate_named(spec, "variables", "name", "expression", path, report);
}

// Expressions are compiled when the rest is right: they refer to it.
void validate_expressions(const Json& spec, Report& report) {
  if (report.count() > 0) return;
  cel::AdmissionTypes types(nullptr, cel::types::dyn(),
                            api::find(spec, "paramKind") != nullptr ? cel::types::dyn() : nullptr);
  cel::compile_policy(spec, types, [&](const cel::PolicyExpression& source, Result<cel::Program> program) {
    if (program.ok()) return;
    report.causes().push_back(
        api::invalid(source.path, api::to_json(api::text(source.text)), program.error().message()));
  });
}

void validate_validations(const Json& spec, const Path& path, Report& report) {
  const auto& validations = api::list(spec, "validations");
  const Path list = path.child("validations");
  for (std::size_t i = 0; i < validations.size(); ++i) {
    const Path entry = list[i];
    if (trim(api::str(validations[i], "expression")).empty())
      report.required(entry.child("expression"), "expression is not specified");
    const auto message = api::str(validations[i], "message");
    if (api::find(validations[i], "message") && trim(message).empty()) {
      report.invalid(entry.child("message"), message, "message must be non-empty if specified");
    } else if (trim(message).find_first_of("\r\n") != std::string_view::npos) {
      report.invalid(entry.child("message"), message, "message must not contain line breaks");
    }
    check_enum(validations[i], "reason", {"Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"},
               entry, report, Presence::kOptional);
  }
}

void validate_validating(const Json& object, Report& report) {
  const Json& spec = spec_of(object);
  const Path path("spec");
  validate_common(spec, path, report);
  const bool nothing = api::list(spec, "validations").empty() && api::list(spec, "auditAnnotations").empty();
  static constexpr std::string_view kEither =
      "validations or auditAnnotations must be non-empty: neither validations nor auditAnnotations are set";
  if (nothing) {
    report.required(path.child("validations"), kEither);
    report.required(path.child("auditAnnotations"), kEither);
  }
  validate_validations(spec, path, report);
  validate_named(spec, "auditAnnotations", "key", "valueExpression", path, report);
  validate_expressions(spec, report);
}

void validate_mutating(const Json& object, Report& report) {
  const Json& spec = spec_of(object);
  const Path path("spec");
  validate_common(spec, path, report);
  check_enum(spec, "reinvocationPolicy", {"IfNeeded", "Never"}, path, report);
  const auto& mutations = api::list(spec, "mutations");
  const Path list = path.child("mutations");
  if (mutations.empty()) report.required(list, "mutations must contain at least one item");
  for (std::size_t i = 0; i < mutations.size(); ++i) {
    const Path entry = list[i];
    check_enum(mutations[i], "patchType", {"ApplyConfiguration", "JSONPatch"}, entry, report);
    const bool patch = api::str(mutations[i], "patchType") == "JSONPatch";
    const Path wanted = entry.child(patch ? "jsonPatch" : "applyConfiguration");
    const Path other = entry.child(patch ? "applyConfiguration" : "jsonPatch");
    const Json* body = api::find(mutations[i], patch ? "jsonPatch" : "applyConfiguration");
    if (api::find(mutations[i], patch ? "applyConfiguration" : "jsonPatch"))
      report.invalid(
          other, api::str(mutations[i], "patchType"),
          fmt::format("{} must be omitted when patchType is {}", patch ? "applyConfiguration" : "jsonPatch",
                      api::str(mutations[i], "patchType")));
    if (body == nullptr) {
      report.required(wanted, fmt::format("must be specified when patchType is {}",
                                          patch ? "JSONPatch" : "ApplyConfiguration"));
    } else if (trim(api::str(*body, "expression")).empty()) {
      report.required(wanted.child("expression"), "expression is not specified");
    }
  }
  validate_expressions(spec, report);
}

void validate_param_ref(const Json& ref, const Path& path, Report& report) {
  const bool name = !api::str(ref, "name").empty(), selector = api::find(ref, "selector") != nullptr;
  if (name && selector) {
    report.forbidden(path.child("name"), "name and selector are mutually exclusive");
  } else if (!name && !selector) {
    report.required(path, "one of name or selector must be specified");
  }
  validate_label_selector(api::find(ref, "selector"), path.child("selector"), report);
  check_enum(ref, "parameterNotFoundAction", {"Allow", "Deny"}, path, report);
}

void validate_binding(const Json& object, Report& report) {
  const Json& spec = spec_of(object);
  const Path path("spec");
  const auto policy = api::str(spec, "policyName");
  if (policy.empty()) {
    report.required(path.child("policyName"));
  } else {
    report.check(path.child("policyName"), policy, api::check_dns1123_subdomain(policy));
  }
  if (const Json* ref = api::find(spec, "paramRef")) validate_param_ref(*ref, path.child("paramRef"), report);
  if (const Json* match = api::find(spec, "matchResources"))
    validate_match(*match, path.child("matchResources"), report);
}

void validate_validating_binding(const Json& object, Report& report) {
  validate_binding(object, report);
  const Json& spec = spec_of(object);
  const Path path("spec");
  const Path list = path.child("validationActions");
  const auto& actions = api::list(spec, "validationActions");
  if (actions.empty()) report.required(list, "at least one validation action is required");
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < actions.size(); ++i) {
    const auto action = text_of(actions[i]);
    if (action != "Deny" && action != "Warn" && action != "Audit") {
      report.not_supported(list[i], action, {"Audit", "Deny", "Warn"});
    } else if (!seen.insert(action).second) {
      report.duplicate(list[i], action);
    }
  }
  if (seen.contains("Deny") && seen.contains("Warn"))
    report.invalid(list, Json(actions),
                   "must not contain both Deny and Warn (repeating the same validation failure "
                   "information in the API response and headers serves no purpose)");
}

}  // namespace

void add_admission_policies(StrategySet& set) {
  const auto add = [&](std::string_view resource, Rules rules) {
    set.add(std::string(resource) + ".admissionregistration.k8s.io", make_simple(std::move(rules)));
  };
  add("validatingadmissionpolicies", {.defaults = default_policy, .validate = validate_validating});
  add("mutatingadmissionpolicies",
      {.defaults = default_policy, .validate = validate_mutating, .status = false});
  add("validatingadmissionpolicybindings",
      {.defaults = default_binding, .validate = validate_validating_binding, .status = false});
  add("mutatingadmissionpolicybindings",
      {.defaults = default_binding, .validate = validate_binding, .status = false});
}

}  // namespace mk::apiserver
