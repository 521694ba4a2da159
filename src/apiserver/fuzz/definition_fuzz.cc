#include "extensions/definition_strategy.h"

#include "extensions/custom_resource.h"
#include "fuzz/target.h"
#include "mk/base/assert.h"
#include "mk/base/strings.h"

namespace {

using namespace mk;
using namespace mk::apiserver;

std::vector<api::Json> lines_of(std::string_view input) {
  std::vector<api::Json> out;
  for (const auto line : split(input, '\n')) {
    auto parsed = api::parse_json(line);
    if (parsed.ok()) out.push_back(std::move(*parsed));
  }
  return out;
}

}  // namespace

// Three lines: a definition, an object of its first version and what it was before. What is not refused can
// be served: shown, printed, and judged by its rules in CEL.
MK_FUZZ_TARGET(definition, input) {
  static const api::Type& type =
      *api::builtin_schema().type(api::Gvk{"apiextensions.k8s.io", "v1", "CustomResourceDefinition"});
  auto lines = lines_of(input);
  api::FieldProblems unknown;
  if (lines.size() < 3 || !lines[0].is_object() || !api::decode(type, lines[0], unknown).ok()) return;
  api::Json& definition = lines[0];
  api::apply_defaults(type, definition);
  std::vector<Cause> causes;
  validate_definition(definition, causes);
  if (!causes.empty()) return;
  const api::Json& version = api::list(definition, "spec.versions")[0];
  const std::string name(api::str(version, "name"));
  const auto schema = std::make_shared<const api::StructuralSchema>(
      *api::find(version, "schema.openAPIV3Schema"),
      api::Gvk{std::string(api::str(definition, "spec.group")), name, "Foo"});
  const CustomResource resource(definition, version, schema, {name, schema});
  if (!lines[1].is_object()) return;
  const auto shown = resource.show(api::Object(lines[1]));
  MK_ASSERT(resource.cells(shown.json(), 1'800'000'000).size() == resource.columns().size());
  if (resource.rules() == nullptr) return;
  resource.rules()->check(shown.json(), nullptr, causes);
  resource.rules()->check(shown.json(), &lines[2], causes);
}
