#include <fmt/format.h>

#include "mk/cel/admission.h"

// The expressions of a policy, in order.
namespace mk::cel {

using api::Json;
using Source = PolicyExpression;

namespace {

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

}  // namespace

void compile_policy(
    const Json& spec, AdmissionTypes& types,
    const std::function<void(const PolicyExpression& source, Result<Program> program)>& done) {
  for (const auto& source : sources_of(spec)) {
    if (source.text.empty()) continue;  // reported as missing by the strategy
    const AdmissionTypes::Names names(source.place != Source::Place::kMessage,
                                      source.place != Source::Place::kCondition);
    auto program = compile_expression(types.env(names), source.text, source.expected);
    // A broken variable is reported once, not again wherever it is used.
    if (source.place == Source::Place::kVariable)
      types.declare(source.name, program.ok() ? program->type() : types::dyn());
    done(source, std::move(program));
  }
}

}  // namespace mk::cel
