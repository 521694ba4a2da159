#include "admission/policies/policy.h"

#include <fmt/format.h>

#include <functional>

namespace mk::apiserver {

using api::Json;
using cel::Expected;

namespace {

// One expression of a spec, in the order in which a policy's expressions may refer to each other.
struct Source {
  enum class Place { kCondition, kVariable, kValidation, kMessage, kAnnotation, kMutation };
  Place place;
  std::size_t index;
  std::string path, name, text;
  Expected expected;
};

std::string text_at(const Json& object, std::string_view field) {
  return std::string(api::str(object, field));
}

void add_validations(const Json& spec, std::vector<Source>& out) {
  const auto& validations = api::list(spec, "validations");
  for (std::size_t i = 0; i < validations.size(); ++i) {
    const std::string path = fmt::format("spec.validations[{}].", i);
    out.push_back({Source::Place::kValidation, i, path + "expression", "",
                   text_at(validations[i], "expression"), Expected::kBool});
    if (auto message = text_at(validations[i], "messageExpression"); !message.empty())
      out.push_back({Source::Place::kMessage, i, path + "messageExpression", "", std::move(message),
                     Expected::kString});
  }
}

void add_mutations(const Json& spec, std::vector<Source>& out) {
  const auto& mutations = api::list(spec, "mutations");
  for (std::size_t i = 0; i < mutations.size(); ++i) {
    const bool patch = api::str(mutations[i], "patchType") == "JSONPatch";
    const std::string field = patch ? "jsonPatch.expression" : "applyConfiguration.expression";
    out.push_back({Source::Place::kMutation, i, fmt::format("spec.mutations[{}].{}", i, field), "",
                   text_at(mutations[i], field),
                   patch ? Expected::kJsonPatch : Expected::kApplyConfiguration});
  }
}

std::vector<Source> sources_of(const Json& spec) {
  std::vector<Source> out;
  const auto add_named = [&](Source::Place place, std::string_view list, std::string_view key,
                             std::string_view field, Expected expected) {
    const auto& entries = api::list(spec, list);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      out.push_back({place, i, fmt::format("spec.{}[{}].{}", list, i, field), text_at(entries[i], key),
                     text_at(entries[i], field), expected});
    }
  };
  add_named(Source::Place::kCondition, "matchConditions", "name", "expression", Expected::kBool);
  add_named(Source::Place::kVariable, "variables", "name", "expression", Expected::kAny);
  add_validations(spec, out);
  add_mutations(spec, out);
  add_named(Source::Place::kAnnotation, "auditAnnotations", "key", "valueExpression",
            Expected::kStringOrNull);
  return out;
}

using Compiled = std::function<void(const Source& source, Result<cel::Program> program)>;

// Conditions come before variables are there; messages do not ask the authorizer.
void compile_all(const Json& spec, cel::AdmissionTypes& types, const Compiled& done) {
  for (const auto& source : sources_of(spec)) {
    if (source.text.empty()) continue;  // reported as missing by the strategy
    const cel::AdmissionTypes::Names names(source.place != Source::Place::kMessage,
                                           source.place != Source::Place::kCondition);
    auto program = cel::compile_expression(types.env(names), source.text, source.expected);
    // A broken variable is reported once, not again wherever it is used.
    if (source.place == Source::Place::kVariable)
      types.declare(source.name, program.ok() ? program->type() : cel::types::dyn());
    done(source, std::move(program));
  }
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

std::vector<ExpressionProblem> check_expressions(const Json& spec, cel::AdmissionTypes& types) {
  std::vector<ExpressionProblem> out;
  compile_all(spec, types, [&](const Source& source, Result<cel::Program> program) {
    if (!program.ok()) out.push_back({source.path, source.text, program.error().message()});
  });
  return out;
}

Policy::Policy(const api::Object& object)
    : name(object.name()),
      kind(object.kind()),
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
  compile_all(spec, types, [&](const Source& source, Result<cel::Program> program) {
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
        mutations.push_back({std::move(expression), source.expected == Expected::kJsonPatch});
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
