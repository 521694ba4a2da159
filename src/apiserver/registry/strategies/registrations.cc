#include <fmt/format.h>

#include "extensions/definition_strategy.h"
#include "mk/base/strings.h"
#include "registry/strategies/label_selectors.h"
#include "registry/strategies/names.h"
#include "registry/strategies/simple.h"
#include "registry/strategies/workload.h"

// What extends the API: admission webhooks and APIService; and flow
// control.
namespace mk::apiserver {

using api::Json;

namespace {

void default_rule_scopes(Json& object, std::string_view field) {
  auto* rules = edit_list(object, field);
  if (rules == nullptr) return;
  for (auto& rule : *rules) default_text(rule, "scope", "*");
}

void default_webhooks(Json& object, bool mutating) {
  auto* hooks = edit_list(object, "webhooks");
  if (hooks == nullptr) return;
  for (auto& hook : *hooks) {
    if (!hook.is_object()) continue;
    default_text(hook, "failurePolicy", "Fail");
    default_text(hook, "matchPolicy", "Equivalent");
    default_to(hook, "namespaceSelector", api::JsonObject());
    default_to(hook, "objectSelector", api::JsonObject());
    default_to(hook, "timeoutSeconds", 10);
    if (mutating) default_text(hook, "reinvocationPolicy", "Never");
    if (Json* service = edit(hook, "clientConfig.service")) default_to(*service, "port", 443);
    default_rule_scopes(hook, "rules");
  }
}

void default_mutating(Json& object) {
  default_webhooks(object, true);
}
void default_validating(Json& object) {
  default_webhooks(object, false);
}

void validate_client_config(const Json& hook, const Path& path, Report& report) {
  const Json* service = api::find(hook, "clientConfig.service");
  const Json* url = api::find(hook, "clientConfig.url");
  const Path config = path.child("clientConfig");
  if ((service != nullptr) == (url != nullptr))
    return report.required(config, "exactly one of url or service is required");
  if (url && !text_of(*url).starts_with("https://")) {
    report.invalid(config.child("url"), *url, "'https' is the only allowed URL scheme");
  }
  if (!service) return;
  const Path service_path = config.child("service");
  if (api::str(*service, "name").empty())
    report.required(service_path.child("name"), "service name is required");
  if (api::str(*service, "namespace").empty()) {
    report.required(service_path.child("namespace"), "service namespace is required");
  }
  if (const auto port = api::num(*service, "port", 443); !check_port_number(port).empty()) {
    report.invalid(service_path.child("port"), port, "port is not valid: " + std::string(kPortRange));
  }
}

void validate_hook_rules(const Json& hook, const Path& path, Report& report) {
  const auto& rules = api::list(hook, "rules");
  const Path rules_path = path.child("rules");
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Path rule = rules_path[i];
    for (const std::string_view field : {"apiGroups", "apiVersions", "resources", "operations"}) {
      if (api::list(rules[i], field).empty()) report.required(rule.child(field));
    }
    check_enum(rules[i], "scope", {"*", "Cluster", "Namespaced"}, rule, report, Presence::kOptional);
  }
}

void validate_webhooks(const Json& object, Report& report) {
  const auto& hooks = api::list(object, "webhooks");
  const Path path("webhooks");
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    const Path hook = path[i];
    const auto name = api::str(hooks[i], "name");
    if (split(name, '.').size() < 3) {
      report.invalid(hook.child("name"), name,
                     "should be a domain with at least three segments separated by dots");
    } else {
      report.check(hook.child("name"), name, api::check_dns1123_subdomain(name));
    }
    if (!names.insert(name).second) report.duplicate(hook.child("name"), name);
    check_enum(hooks[i], "sideEffects", {"None", "NoneOnDryRun"}, hook, report);
    check_enum(hooks[i], "failurePolicy", {"Fail", "Ignore"}, hook, report, Presence::kOptional);
    check_enum(hooks[i], "matchPolicy", {"Equivalent", "Exact"}, hook, report, Presence::kOptional);
    if (api::list(hooks[i], "admissionReviewVersions").empty()) {
      report.required(hook.child("admissionReviewVersions"), "must specify one of v1, v1beta1");
    }
    if (const auto seconds = api::num(hooks[i], "timeoutSeconds", 10); seconds < 1 || seconds > 30) {
      report.invalid(hook.child("timeoutSeconds"), seconds,
                     "the timeout value must be between 1 and 30 seconds");
    }
    validate_label_selector(api::find(hooks[i], "namespaceSelector"), hook.child("namespaceSelector"),
                            report);
    validate_label_selector(api::find(hooks[i], "objectSelector"), hook.child("objectSelector"), report);
    validate_hook_rules(hooks[i], hook, report);
    validate_client_config(hooks[i], hook, report);
  }
}

void default_api_service(Json& object) {
  if (Json* service = edit(object, "spec.service")) default_to(*service, "port", 443);
}

void validate_api_service(const Json& object, Report& report) {
  const Json& spec = spec_of(object);
  const Path path("spec"), name_path("metadata.name");
  const auto name = api::str(object, "metadata.name"), group = api::str(spec, "group"),
             version = api::str(spec, "version");
  if (name != fmt::format("{}.{}", version, group)) {
    report.invalid(name_path, name,
                   fmt::format("must be `spec.version+\".\"+spec.group`: \"{}.{}\"", version, group));
  }
  report.check(path.child("version"), version, api::check_dns1035_label(version));
  if (const auto priority = api::num(spec, "groupPriorityMinimum"); priority <= 0 || priority > 20000) {
    report.invalid(path.child("groupPriorityMinimum"), priority, "must be positive and less than 20000");
  }
  if (const auto priority = api::num(spec, "versionPriority"); priority <= 0 || priority > 1000) {
    report.invalid(path.child("versionPriority"), priority, "must be positive and less than 1000");
  }
}

void default_flow_schema(Json& object) {
  default_to(ensure_object(object, "spec"), "matchingPrecedence", 1000);
}

void default_priority_level(Json& object) {
  Json& spec = ensure_object(object, "spec");
  if (Json* limited = edit(spec, "limited")) {
    default_to(*limited, "nominalConcurrencyShares", 30);
    default_to(*limited, "lendablePercent", 0);
    if (Json* queuing = edit(*limited, "limitResponse.queuing")) {
      default_to(*queuing, "queues", 64);
      default_to(*queuing, "handSize", 8);
      default_to(*queuing, "queueLengthLimit", 50);
    }
  }
  if (Json* exempt = edit(spec, "exempt")) {
    default_to(*exempt, "nominalConcurrencyShares", 0);
    default_to(*exempt, "lendablePercent", 0);
  }
}

}  // namespace

void add_registrations(StrategySet& set) {
  const auto admission = [&](std::string_view resource, Rules rules) {
    set.add(std::string(resource) + ".admissionregistration.k8s.io", make_simple(std::move(rules)));
  };
  admission("mutatingwebhookconfigurations",
            {.defaults = default_mutating, .validate = validate_webhooks, .status = false});
  admission("validatingwebhookconfigurations",
            {.defaults = default_validating, .validate = validate_webhooks, .status = false});
  set.add("apiservices.apiregistration.k8s.io",
          make_simple({.defaults = default_api_service, .validate = validate_api_service}));
  set.add("customresourcedefinitions.apiextensions.k8s.io", make_definition_strategy());
  set.add("flowschemas.flowcontrol.apiserver.k8s.io", make_simple({.defaults = default_flow_schema}));
  set.add("prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
          make_simple({.defaults = default_priority_level}));
}

}  // namespace mk::apiserver
