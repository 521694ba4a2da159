#include "registry/strategies/label_selectors.h"
#include "registry/strategies/names.h"
#include "registry/strategies/simple.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

void validate_rule(const Json& rule, bool namespaced, const Path& path, Report& report) {
  if (api::list(rule, "verbs").empty())
    report.required(path.child("verbs"), "verbs must contain at least one value");
  const auto& urls = api::list(rule, "nonResourceURLs");
  const bool resources = !api::list(rule, "apiGroups").empty() || !api::list(rule, "resources").empty() ||
                         !api::list(rule, "resourceNames").empty();
  if (!urls.empty()) {
    if (namespaced) {
      report.invalid(path.child("nonResourceURLs"), Json(urls),
                     "namespaced rules cannot apply to non-resource URLs");
    }
    if (resources) {
      report.invalid(path.child("nonResourceURLs"), Json(urls),
                     "rules cannot apply to both regular resources and non-resource URLs");
    }
    return;
  }
  if (api::list(rule, "apiGroups").empty()) {
    report.required(path.child("apiGroups"), "resource rules must supply at least one api group");
  }
  if (api::list(rule, "resources").empty()) {
    report.required(path.child("resources"), "resource rules must supply at least one resource");
  }
}

void validate_rules(const Json& role, bool namespaced, Report& report) {
  const auto& rules = api::list(role, "rules");
  const Path path("rules");
  for (std::size_t i = 0; i < rules.size(); ++i) validate_rule(rules[i], namespaced, path[i], report);
}

void validate_role(const Json& role, Report& report) {
  validate_rules(role, true, report);
}

void validate_cluster_role(const Json& role, Report& report) {
  validate_rules(role, false, report);
  if (!api::find(role, "aggregationRule")) return;
  const auto& selectors = api::list(role, "aggregationRule.clusterRoleSelectors");
  const Path path("aggregationRule.clusterRoleSelectors");
  if (selectors.empty())
    report.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil");
  for (std::size_t i = 0; i < selectors.size(); ++i) validate_label_selector(&selectors[i], path[i], report);
}

void default_binding(Json& binding) {
  if (Json* ref = edit(binding, "roleRef")) default_text(*ref, "apiGroup", kGroup);
  auto* subjects = edit_list(binding, "subjects");
  if (subjects == nullptr) return;
  for (auto& subject : *subjects) {
    const auto kind = api::str(subject, "kind");
    if (kind == "User" || kind == "Group") default_text(subject, "apiGroup", kGroup);
  }
}

void validate_subject(const Json& subject, bool namespaced, const Path& path, Report& report) {
  const auto name = api::str(subject, "name"), kind = api::str(subject, "kind"),
             group = api::str(subject, "apiGroup");
  if (name.empty()) report.required(path.child("name"));
  if (kind == "ServiceAccount") {
    if (!name.empty()) report.check(path.child("name"), name, api::check_dns1123_subdomain(name));
    if (!group.empty()) report.not_supported(path.child("apiGroup"), group, {""});
    if (!namespaced && api::str(subject, "namespace").empty()) report.required(path.child("namespace"));
  } else if (kind == "User" || kind == "Group") {
    if (group != kGroup) report.not_supported(path.child("apiGroup"), group, {std::string(kGroup)});
  } else {
    report.not_supported(path.child("kind"), kind, {"Group", "ServiceAccount", "User"});
  }
}

void validate_binding_of(const Json& binding, bool namespaced, Report& report) {
  const Path ref("roleRef"), subjects_path("subjects");
  static const Json none = api::JsonObject();
  const Json* role = api::find(binding, "roleRef");
  if (role == nullptr) role = &none;
  const auto group = api::str(*role, "apiGroup"), kind = api::str(*role, "kind"),
             name = api::str(*role, "name");
  if (group != kGroup) report.not_supported(ref.child("apiGroup"), group, {std::string(kGroup)});
  if (namespaced ? kind != "Role" && kind != "ClusterRole" : kind != "ClusterRole") {
    report.not_supported(ref.child("kind"), kind,
                         namespaced ? std::vector<std::string>{"ClusterRole", "Role"}
                                    : std::vector<std::string>{"ClusterRole"});
  }
  if (name.empty()) {
    report.required(ref.child("name"));
  } else {
    report.check(ref.child("name"), name, check_path_segment_name(name));
  }
  const auto& subjects = api::list(binding, "subjects");
  for (std::size_t i = 0; i < subjects.size(); ++i)
    validate_subject(subjects[i], namespaced, subjects_path[i], report);
}

void validate_role_binding(const Json& binding, Report& report) {
  validate_binding_of(binding, true, report);
}
void validate_cluster_role_binding(const Json& binding, Report& report) {
  validate_binding_of(binding, false, report);
}

void validate_binding_update(const Json& binding, const Json& old, Report& report) {
  if (!same(binding, old, "roleRef")) {
    const Json* ref = api::find(binding, "roleRef");
    report.invalid(Path("roleRef"), ref ? *ref : Json(), "cannot change roleRef");
  }
}

}  // namespace

void add_rbac(StrategySet& set) {
  const auto add = [&](std::string_view resource, Rules rules) {
    rules.status = false;
    rules.create_on_update = true;
    set.add(std::string(resource) + "." + std::string(kGroup), make_simple(std::move(rules)));
  };
  add("roles", {.validate = validate_role});
  add("clusterroles", {.validate = validate_cluster_role});
  add("rolebindings", {.defaults = default_binding,
                       .validate = validate_role_binding,
                       .validate_update = validate_binding_update});
  add("clusterrolebindings", {.defaults = default_binding,
                              .validate = validate_cluster_role_binding,
                              .validate_update = validate_binding_update});
}

}  // namespace mk::apiserver
