#include "mk/base/assert.h"
#include "openapi/document.h"
#include "schema/embedded.h"

namespace mk::api {

Definitions::Definitions(const OpenApiExtra& extra) {
  auto parsed = parse_json(embedded_schema());
  MK_ASSERT(parsed.ok() && parsed->is_object());
  builtin_ = std::move(parsed).value();
  add(builtin_.get_object(), true);
  if (extra.definitions) add(*extra.definitions, false);
}

void Definitions::add(const JsonObject& definitions, bool skip_prerelease) {
  for (const auto& definition : definitions) {
    if (skip_prerelease && is_prerelease(definition.key())) continue;
    const auto [at, fresh] = all_.emplace(definition.key(), &definition.value());
    if (!fresh) continue;
    const auto& kinds = list(definition.value(), "x-kubernetes-group-version-kind");
    // DeleteOptions and WatchEvent claim every group; they are nobody's kind.
    if (kinds.size() > 2) continue;
    for (const auto& kind : kinds) {
      kinds_.try_emplace(Gvk{std::string(str(kind, "group")), std::string(str(kind, "version")),
                             std::string(str(kind, "kind"))},
                         at->first);
    }
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
  return key == "default" || key == "oneOf" || key == "anyOf" || key == "not" || key == "nullable";
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
  for (const auto& field : *fields) {
    const std::string_view key = field.key();
    if (key == "$ref" || (dialect == Dialect::kSwagger2 && dropped_in_v2(key))) continue;
    out.emplace(key, render_child(key, field.value(), dialect));
  }
  if (needs_plain_type(node, dialect)) out.emplace("type", "string");
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
