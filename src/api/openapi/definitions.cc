#include "mk/base/assert.h"
#include "openapi/document.h"
#include "schema/embedded.h"

namespace mk::api {

Definitions::Definitions(const OpenApiExtra& extra) {
  auto parsed = parse_json(embedded_schema());
  MK_ASSERT(parsed.ok() && parsed->is_object());
  builtin_ = std::move(parsed).value();
  describe_metadata(builtin_);
  for (const auto& definition : builtin_.get_object()) {
    if (!is_prerelease(definition.key())) add(definition.key(), definition.value());
  }
  for (const auto& [name, definition] : extra.definitions) add(name, definition);
}

void Definitions::add(std::string_view name, const Json& definition) {
  const auto [at, fresh] = all_.emplace(name, &definition);
  if (!fresh) return;
  const auto& kinds = list(definition, "x-kubernetes-group-version-kind");
  // DeleteOptions and WatchEvent claim every group; they are nobody's kind.
  if (kinds.size() > 2) return;
  for (const auto& kind : kinds) {
    kinds_.try_emplace(Gvk{std::string(str(kind, "group")), std::string(str(kind, "version")),
                           std::string(str(kind, "kind"))},
                       at->first);
  }
}

const Json* Definitions::find(std::string_view name) const {
  const auto found = all_.find(name);
  return found == all_.end() ? nullptr : found->second;
}

std::string_view Definitions::name_of(const Gvk& gvk) const {
  const auto found = kinds_.find(gvk);
  return found == kinds_.end() ? std::string_view() : found->second;
}

namespace {

Json reference(std::string_view name, Dialect dialect) {
  return JsonObject{
      {"$ref", std::string(dialect == Dialect::kSwagger2 ? "#/definitions/" : "#/components/schemas/") +
                   std::string(name)}};
}

bool dropped_in_v2(std::string_view key) {
  return key == "default" || key == "oneOf" || key == "anyOf" || key == "allOf" || key == "not" ||
         key == "nullable";
}

// Old clients check what they send by this document, and would refuse what CRDs allow beyond Swagger 2:
// fields nobody declared, null, and values of two types. So nothing is said of such values.
bool says_nothing_in_v2(const Json& node) {
  return flag(node, "x-kubernetes-preserve-unknown-fields") || flag(node, "nullable");
}
bool unsaid_in_v2(std::string_view key) {
  return key == "type" || key == "items" || key == "properties" || key == "additionalProperties" ||
         key == "required";
}

// A Quantity or IntOrString is "string" to Swagger 2, which has no alternatives.
bool needs_plain_type(const Json& node, Dialect dialect) {
  return dialect == Dialect::kSwagger2 && !find(node, "type") && find(node, "oneOf") &&
         find(node, "oneOf")->is_array();
}

Json render_child(std::string_view key, const Json& value, Dialect dialect) {
  if (key == "properties" && value.is_object()) {
    JsonObject out;
    for (const auto& property : value.get_object())
      out.emplace(property.key(), render_definition(property.value(), dialect));
    return out;
  }
  const bool schema = key == "items" || key == "additionalProperties" || key == "not";
  if (schema && value.is_object()) return render_definition(value, dialect);
  const bool schemas = key == "allOf" || key == "oneOf" || key == "anyOf";
  if (!schemas || !value.is_array()) return value;
  JsonArray out;
  for (const auto& element : value.get_array()) out.push_back(render_definition(element, dialect));
  return out;
}

}  // namespace

Json render_definition(const Json& node, Dialect dialect) {
  const auto* fields = node.if_object();
  if (!fields) return node;
  JsonObject out;
  const bool v2 = dialect == Dialect::kSwagger2;
  const bool silent = v2 && says_nothing_in_v2(node);
  const bool two_types = v2 && flag(node, "x-kubernetes-int-or-string");
  for (const auto& field : *fields) {
    const std::string_view key = field.key();
    if (key == "$ref" || (v2 && dropped_in_v2(key))) continue;
    if ((silent && unsaid_in_v2(key)) || (two_types && key == "type")) continue;
    out.emplace(key, render_child(key, field.value(), dialect));
  }
  if (needs_plain_type(node, dialect)) out.emplace("type", "string");
  if (silent && out.contains("x-kubernetes-group-version-kind")) {
    // A whole kind is an object, whatever it holds.
    out.emplace("type", "object");
    out.erase("x-kubernetes-preserve-unknown-fields");
  }
  const auto* target = member(node, "$ref");
  const auto* name = target ? target->if_string() : nullptr;
  if (!name) return out;
  if (dialect == Dialect::kSwagger2 || out.empty()) {
    out.emplace("$ref", reference(*name, dialect).get_object().at("$ref"));
  } else {
    // OpenAPI 3.0 ignores what stands beside a $ref.
    out.emplace("allOf", JsonArray{reference(*name, dialect)});
  }
  return out;
}

namespace {

void references(const Json& node, std::vector<std::string_view>& out) {
  const auto* fields = node.if_object();
  if (!fields) return;
  for (const auto& field : *fields) {
    const std::string_view key = field.key();
    if (key == "$ref" && field.value().is_string()) out.push_back(field.value().get_string());
    if (key == "properties" && field.value().is_object()) {
      for (const auto& property : field.value().get_object()) references(property.value(), out);
    }
    if (key == "items" || key == "additionalProperties" || key == "not") references(field.value(), out);
    if ((key == "allOf" || key == "oneOf" || key == "anyOf") && field.value().is_array()) {
      for (const auto& element : field.value().get_array()) references(element, out);
    }
  }
}

}  // namespace

void add_closure(const Definitions& definitions, std::string_view name,
                 std::map<std::string, const Json*, std::less<>>& out) {
  std::vector<std::string_view> todo{name};
  while (!todo.empty()) {
    const auto next = todo.back();
    todo.pop_back();
    const auto* node = definitions.find(next);
    if (!node || !out.emplace(next, node).second) continue;
    references(*node, todo);
  }
}

}  // namespace mk::api
