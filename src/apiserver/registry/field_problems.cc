#include "registry/field_problems.h"

#include "mk/base/strings.h"

namespace mk::apiserver {
namespace {

// What the YAML parser found tells its line; it is one problem to the reader of an error.
bool from_yaml(const std::string& problem) {
  return problem.starts_with("line ");
}

std::string joined(const api::FieldProblems& problems) {
  std::vector<std::string> texts;
  std::string yaml;
  for (const auto& problem : problems) {
    if (from_yaml(problem)) {
      yaml.append(yaml.empty() ? "yaml: unmarshal errors:\n  " : "\n  ").append(problem);
    } else {
      texts.push_back(problem);
    }
  }
  if (!yaml.empty()) texts.insert(texts.begin(), std::move(yaml));
  return join(texts, ", ");
}

void warn(WriteContext& context, api::FieldProblems problems) {
  for (auto& problem : problems) context.warnings.push_back(std::move(problem));
}

// "unknown field \"spec.x\"" in the words of an apply.
std::string undeclared(const std::string& problem) {
  const auto first = problem.find('"'), last = problem.rfind('"');
  return "." + problem.substr(first + 1, last - first - 1) + ": field not declared in schema";
}

}  // namespace

std::string cannot_be_handled(const WriteContext& context) {
  const std::string& kind = context.resource->kind;
  return kind + " in version \"" + context.resource->gvr.version + "\" cannot be handled as a " + kind;
}

Result<void> report_problems(WriteContext& context, api::FieldProblems problems) {
  if (problems.empty() || context.validation == FieldValidation::kIgnore) return ok();
  if (context.validation == FieldValidation::kStrict)
    return Error(Reason::kBadRequest,
                 cannot_be_handled(context) + ": strict decoding error: " + joined(problems));
  warn(context, std::move(problems));
  return ok();
}

Result<void> report_applied_twice(WriteContext& context) {
  if (context.repeated.empty() || context.validation == FieldValidation::kIgnore) return ok();
  if (context.validation == FieldValidation::kStrict)
    return Error(Reason::kBadRequest, "error strict decoding YAML: " + joined(context.repeated));
  warn(context, context.repeated);
  return ok();
}

Error undeclared_fields(const WriteContext& context, const api::FieldProblems& unknown) {
  std::vector<std::string> texts;
  for (const auto& problem : unknown) texts.push_back(undeclared(problem));
  const std::string listed = texts.size() == 1 ? texts[0] : "errors:\n  " + join(texts, "\n  ");
  const api::Gvk kind = context.resource->gvk();
  return Error(Reason::kBadRequest, "failed to create typed patch object (" + context.ns + "/" +
                                        context.name + "; " + kind.api_version() + ", Kind=" + kind.kind +
                                        "): " + listed);
}

}  // namespace mk::apiserver
