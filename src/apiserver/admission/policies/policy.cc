#include "admission/policies/policy.h"

#include <fmt/format.h>

namespace mk::apiserver {

using api::Json;
using Source = cel::PolicyExpression;

namespace {

std::string text_at(const Json& object, std::string_view field) {
  return std::string(api::str(object, field));
}

cel::TypePtr params_of(const Json& spec) {
  return api::find(spec, "paramKind") != nullptr ? cel::types::dyn() : nullptr;
}

const Json& spec_json(const api::Object& object) {
  static const Json empty = api::JsonObject();
  const Json* spec = api::find(object.json(), "spec");
  return spec != nullptr ? *spec : empty;
}

}  // namespace

Policy::Policy(const api::Object& object)
    : name(object.name()),
      generation(object.generation()),
      uid(object.uid()),
      match(api::find(object.json(), "spec.matchConstraints")),
      fails_closed(api::str(object.json(), "spec.failurePolicy", "Fail") != "Ignore"),
      reinvoked(api::str(object.json(), "spec.reinvocationPolicy") == "IfNeeded") {
  const Json& spec = spec_json(object);
  if (const Json* params = api::find(spec, "paramKind"))
    param_kind = api::parse_gvk(api::str(*params, "apiVersion"), api::str(*params, "kind"));
  if (auto compiled = compile(spec); !compiled.ok()) broken = compiled.error().message();
}

Result<void> Policy::compile(const Json& spec) {
  cel::AdmissionTypes types(nullptr, cel::types::dyn(), params_of(spec));
  Result<void> out;
  const auto& validation_specs = api::list(spec, "validations");
  cel::compile_policy(spec, types, [&](const Source& source, Result<cel::Program> program) {
    if (!program.ok()) {
      if (out.ok()) out = Error(Reason::kInvalid, source.path + ": " + program.error().message());
      return;
    }
    Expression expression{source.name, source.text, std::move(*program)};
    switch (source.place) {
      case Source::Place::kCondition:
        conditions.push_back(std::move(expression));
        break;
      case Source::Place::kVariable:
        variables.push_back(std::move(expression));
        break;
      case Source::Place::kAnnotation:
        annotations.push_back(std::move(expression));
        break;
      case Source::Place::kMutation:
        mutations.push_back({std::move(expression), source.expected == cel::Expected::kJsonPatch});
        break;
      case Source::Place::kValidation: {
        const Json& of = validation_specs[source.index];
        validations.push_back({std::move(expression), text_at(of, "message"),
                               std::string(api::str(of, "reason", "Invalid")), std::nullopt});
        break;
      }
      case Source::Place::kMessage:
        if (!validations.empty()) validations.back().message_expression = std::move(expression.program);
        break;
    }
  });
  return out;
}

PolicyBinding::PolicyBinding(const api::Object& object)
    : name(object.name()),
      policy(api::str(object.json(), "spec.policyName")),
      match(api::find(object.json(), "spec.matchResources")) {
  if (const Json* ref = api::find(object.json(), "spec.paramRef")) param_ref = *ref;
  for (const auto& action : api::list(object.json(), "spec.validationActions")) {
    if (action.is_string()) actions.emplace(action.get_string());
  }
}

}  // namespace mk::apiserver
