#include <fmt/format.h>

#include "admission/plugins.h"
#include "admission/policies/evaluation.h"
#include "admission/policies/kinds.h"
#include "admission/policies/policies.h"
#include "admission/policies/policy_set.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr Log kLog("admission");
constexpr std::size_t kMessageMax = 5 * 1024;

const api::Gvr kPolicies{"admissionregistration.k8s.io", "v1", "validatingadmissionpolicies"};
const api::Gvr kBindings{"admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings"};

// Why one validation is not content.
struct Complaint {
  std::string message;
  Reason reason = Reason::kInvalid;
};

// What the author says, or the expression itself.
std::string message_of(const Policy::Validation& validation, const PolicyEvaluation& evaluation) {
  if (validation.message_expression) {
    const auto said = evaluation.run(*validation.message_expression);
    if (said.ok() && said->is(cel::Value::Kind::kString)) {
      const std::string text(trim(said->as_string()));
      if (!text.empty() && text.size() <= kMessageMax && text.find('\n') == std::string::npos) return text;
    }
  }
  if (!validation.message.empty()) return std::string(trim(validation.message));
  return fmt::format("failed expression: {}", trim(validation.expression.text));
}

std::vector<Complaint> failed_as(const Policy& policy, std::string message) {
  if (!policy.fails_closed) return {};
  return {Complaint{std::move(message), Reason::kInvalid}};
}

std::vector<Complaint> validate_with(const Policy& policy, const PolicyRequest& request,
                                     const api::Object& params) {
  const PolicyEvaluation evaluation(policy, request, params);
  const auto applies = evaluation.conditions_hold();
  if (!applies.ok()) return failed_as(policy, applies.error().message());
  if (!*applies) return {};
  std::vector<Complaint> out;
  for (const auto& validation : policy.validations) {
    const auto verdict = evaluation.run(validation.expression.program);
    if (verdict.ok() && verdict->is_true()) continue;
    if (!verdict.ok() && evaluation.out_of_budget())
      return failed_as(policy,
                       "validation failed due to running out of cost budget, no further validation rules "
                       "will be run");
    if (verdict.ok()) {
      out.push_back({message_of(validation, evaluation), reason_from_string(validation.reason)});
    } else if (policy.fails_closed) {
      out.push_back({fmt::format("expression '{}' resulted in error: {}", validation.expression.text,
                                 verdict.error().message())});
    }
  }
  for (const auto& annotation : policy.annotations) {
    const auto value = evaluation.run(annotation.program);
    if (!value.ok()) {
      for (auto& each : failed_as(policy, fmt::format("expression '{}' resulted in error: {}",
                                                      annotation.text, value.error().message())))
        out.push_back(std::move(each));
    } else if (value->is(cel::Value::Kind::kString) && !trim(value->as_string()).empty()) {
      kLog.info("audit annotation", "key", policy.name + "/" + annotation.name, "value",
                std::string(value->as_string()));
    }
  }
  return out;
}

std::vector<Complaint> validate_binding(const Policy& policy, const PolicyBinding& binding,
                                        const PolicyRequest& request) {
  if (!policy.broken.empty()) return failed_as(policy, "failed to configure policy: " + policy.broken);
  const auto params = find_params(policy, binding, request);
  if (!params.ok()) return failed_as(policy, "failed to configure binding: " + params.error().message());
  std::vector<Complaint> out;
  for (const auto& object : *params) {
    for (auto& each : validate_with(policy, request, object)) out.push_back(std::move(each));
  }
  return out;
}

Error denied(const WriteContext& context, const Json* object, const Complaint& complaint,
             const std::string& who) {
  const std::string message = fmt::format("{} denied request: {}", who, complaint.message);
  const Error forbidden = forbidden_by(context, object, message);
  Error out(complaint.reason, forbidden.message());
  out.group = forbidden.group;
  out.kind = forbidden.kind;
  out.name = forbidden.name;
  out.causes.emplace_back("", "", message);
  return out;
}

class ValidatingPolicies : public AdmissionPlugin {
 public:
  explicit ValidatingPolicies(const PolicyWorld& world)
      : world_(world), policies_(world.cacher, world.table, kPolicies, kBindings) {}
  std::string_view name() const override { return "ValidatingAdmissionPolicy"; }

  Result<void> validate(const WriteContext& context, const Json* object, const Json* old) override {
    if (exempt_from_policies(context)) return ok();
    const auto& candidates = policies_.about(*context.resource, context.subresource);
    if (candidates.empty()) return ok();
    const MatchInput input{context, object, old, world_.cacher, world_.table};
    std::map<std::string, View> views;  // by version: most policies ask for the same one
    std::optional<Error> refusal;
    for (const auto* bound : candidates) {
      const ResourceRef seen = bound->policy->match.matching(input);
      if (!seen) continue;
      for (const auto& binding : bound->bindings) {
        if (!binding.match.matches(input)) continue;
        const auto& view = views.try_emplace(seen->gvr.version, input, seen, world_).first->second;
        enforce(*bound->policy, binding, view.request, object, refusal);
      }
    }
    if (refusal) return std::move(*refusal);
    return ok();
  }

 private:
  // The request in one version of its resource.
  struct View {
    View(const MatchInput& input, const ResourceRef& seen, const PolicyWorld& world)
        : object(converted(input, *seen, input.object)),
          old(converted(input, *seen, input.old)),
          request(input.context, object ? &*object : input.object, old ? &*old : input.old, world, seen) {}
    View(const View&) = delete;

    // Nothing where the request's own object will do.
    static std::optional<Json> converted(const MatchInput& input, const api::ResourceInfo& seen,
                                         const Json* from) {
      if (from == nullptr || seen.gvr == input.context.resource->gvr) return std::nullopt;
      return in_version(seen, *from);
    }

    std::optional<Json> object, old;
    PolicyRequest request;
  };

  // Warnings are sent with whatever answer; of several refusals the first is it.
  void enforce(const Policy& policy, const PolicyBinding& binding, const PolicyRequest& request,
               const Json* object, std::optional<Error>& refusal) {
    const WriteContext& context = request.context();
    const auto who =
        fmt::format("ValidatingAdmissionPolicy '{}' with binding '{}'", policy.name, binding.name);
    for (const auto& complaint : validate_binding(policy, binding, request)) {
      if (binding.actions.contains("Warn"))
        context.warnings.push_back(fmt::format("Validation failed for {}: {}", who, complaint.message));
      if (binding.actions.contains("Audit"))
        kLog.info("validation failed", "policy", policy.name, "binding", binding.name, "message",
                  complaint.message);
      if (binding.actions.contains("Deny") && !refusal) refusal = denied(context, object, complaint, who);
    }
  }

  const PolicyWorld world_;
  PolicySet policies_;
};

}  // namespace

bool exempt_from_policies(const WriteContext& context) {
  const auto& gvr = context.resource->gvr;
  return gvr.group == "admissionregistration.k8s.io" &&
         (gvr.resource.starts_with("validatingadmission") || gvr.resource.starts_with("mutatingadmission"));
}

std::unique_ptr<AdmissionPlugin> make_validating_policies(PolicyWorld world) {
  return std::make_unique<ValidatingPolicies>(world);
}

}  // namespace mk::apiserver
