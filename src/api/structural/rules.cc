#include "structural/rules.h"

#include <algorithm>

namespace mk::api {
namespace {

std::optional<std::int64_t> limit(const Json& node, std::string_view key) {
  const auto* value = member(node, key);
  if (!value || !value->is_number()) return std::nullopt;
  return value->to_number<std::int64_t>();
}

std::optional<Json> number(const Json& node, std::string_view key) {
  const auto* value = member(node, key);
  if (!value || !value->is_number()) return std::nullopt;
  return *value;
}

std::vector<std::string> texts(const Json& node, std::string_view key) {
  std::vector<std::string> out;
  for (const auto& entry : list(node, key)) {
    if (const auto* text = entry.if_string()) out.emplace_back(*text);
  }
  return out;
}

ValueRules::Child child(const Json& node, std::string_view key) {
  const auto* value = member(node, key);
  return value && value->is_object() ? compile_rules(*value) : nullptr;
}

ValueRules::Children children(const Json& node, std::string_view key) {
  ValueRules::Children out;
  for (const auto& entry : list(node, key)) out.push_back(compile_rules(entry));
  return out;
}

void compile_object(const Json& node, ValueRules& rules) {
  for (const auto& property : object(node, "properties"))
    rules.properties.push_back({std::string(property.key()), compile_rules(property.value())});
  std::sort(rules.properties.begin(), rules.properties.end(),
            [](const auto& left, const auto& right) { return left.name < right.name; });
  rules.additional = child(node, "additionalProperties");
  rules.required = texts(node, "required");
  rules.min_properties = limit(node, "minProperties");
  rules.max_properties = limit(node, "maxProperties");
  rules.embedded = flag(node, "x-kubernetes-embedded-resource");
}

void compile_list(const Json& node, ValueRules& rules) {
  rules.items = child(node, "items");
  rules.min_items = limit(node, "minItems");
  rules.max_items = limit(node, "maxItems");
  rules.unique_items = flag(node, "uniqueItems");
  rules.is_set = str(node, "x-kubernetes-list-type") == "set";
  if (str(node, "x-kubernetes-list-type") == "map")
    rules.map_keys = texts(node, "x-kubernetes-list-map-keys");
}

void compile_scalar(const Json& node, ValueRules& rules) {
  rules.minimum = number(node, "minimum");
  rules.maximum = number(node, "maximum");
  rules.exclusive_minimum = flag(node, "exclusiveMinimum");
  rules.exclusive_maximum = flag(node, "exclusiveMaximum");
  rules.multiple_of = number(node, "multipleOf");
  rules.min_length = limit(node, "minLength");
  rules.max_length = limit(node, "maxLength");
  rules.pattern_source = str(node, "pattern");
  if (rules.pattern_source.empty()) return;
  // One that does not compile was refused with the definition.
  if (auto pattern = Pattern::compile(rules.pattern_source); pattern.ok()) rules.pattern = *pattern;
}

}  // namespace

const ValueRules* ValueRules::property(std::string_view name) const {
  const auto found = std::lower_bound(
      properties.begin(), properties.end(), name,
      [](const Property& property, std::string_view wanted) { return property.name < wanted; });
  return found != properties.end() && found->name == name ? found->rules.get() : nullptr;
}

std::unique_ptr<const ValueRules> compile_rules(const Json& node) {
  auto rules = std::make_unique<ValueRules>();
  rules->type = str(node, "type");
  rules->format = str(node, "format");
  rules->nullable = flag(node, "nullable");
  rules->int_or_string = flag(node, "x-kubernetes-int-or-string");
  for (const auto& value : list(node, "enum")) rules->allowed.push_back(value);
  compile_object(node, *rules);
  compile_list(node, *rules);
  compile_scalar(node, *rules);
  rules->all_of = children(node, "allOf");
  rules->any_of = children(node, "anyOf");
  rules->one_of = children(node, "oneOf");
  rules->never = child(node, "not");
  return rules;
}

}  // namespace mk::api
