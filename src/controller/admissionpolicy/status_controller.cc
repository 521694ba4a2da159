#include "admissionpolicy/status_controller.h"

#include "admissionpolicy/policy_types.h"
#include "mk/cel/admission.h"

namespace mk::controller {

using api::Json;

namespace {

const api::Gvr kPolicies{"admissionregistration.k8s.io", "v1", "validatingadmissionpolicies"};
const api::Gvr kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};

}  // namespace

AdmissionPolicyStatusController::AdmissionPolicyStatusController(Context& context_)
    : Controller(context_, "validatingadmissionpolicy-status-controller", 1),
      policies_(watch(kPolicies, self)),
      definitions_(cache(kDefinitions)) {}

Json type_check_policy(const Json& policy, const std::vector<api::Object>& definitions) {
  static const Json empty = api::JsonObject();
  const Json* found = api::find(policy, "spec");
  const Json& spec = found != nullptr ? *found : empty;
  // By field, in the order of the policy; a field's complaints about several kinds are one warning.
  std::vector<std::pair<std::string, std::string>> warnings;
  for (const auto& gvk : kinds_of_rules(spec, definitions)) {
    const PolicyTypes provider(spec, gvk, definitions);
    cel::AdmissionTypes types(&provider, provider.object(), provider.params());
    cel::compile_policy(spec, types, [&](const cel::PolicyExpression& source, Result<cel::Program> program) {
      if (program.ok()) return;
      std::string_view message = program.error().message();
      constexpr std::string_view kHead = "compilation failed: ";
      if (message.starts_with(kHead)) message.remove_prefix(kHead.size());
      auto text = gvk.api_version() + ", Kind=" + gvk.kind + ": " + std::string(message);
      for (auto& [field, known] : warnings) {
        if (field == source.path) return void(known.append("\n").append(text));
      }
      warnings.emplace_back(source.path, std::move(text));
    });
  }
  api::JsonObject out;
  api::JsonArray list;
  for (auto& [field, text] : warnings)
    list.push_back(api::JsonObject{{"fieldRef", std::move(field)}, {"warning", std::move(text)}});
  if (!list.empty()) out["expressionWarnings"] = std::move(list);
  return out;
}

rt::Task<Result<void>> AdmissionPolicyStatusController::reconcile(api::Key key) {
  const api::Object policy = policies_.get(key);
  if (!policy || policy.deleting()) co_return ok();
  if (api::num(policy.json(), "status.observedGeneration", -1) == policy.generation()) co_return ok();
  Json updated = policy.json();
  api::set(updated, "status.observedGeneration", policy.generation());
  api::set(updated, "status.typeChecking", type_check_policy(policy.json(), definitions_.all()));
  api::Object object(std::move(updated));
  auto written = co_await client().update(kPolicies, std::move(object), "status", client::WriteOptions());
  if (!written.ok() && !written.error().is(Reason::kNotFound)) co_return std::move(written).error();
  co_return ok();
}

}  // namespace mk::controller
