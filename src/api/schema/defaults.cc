#include <algorithm>

#include "mk/api/schema.h"

namespace mk::api {
namespace {

// These stay absent when nothing is in them; other objects with a default of {} (resources, state,
// loadBalancer ...) are struct values that Kubernetes always writes.
bool absent_when_empty(std::string_view name) {
  static constexpr std::string_view kNames[] = {"metadata", "spec", "status", "strategy", "updateStrategy"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

void default_field(const Type::Field& field, JsonObject& object) {
  auto* value = object.if_contains(field.name);
  if (value) {
    apply_defaults(*field.type, *value);
    return;
  }
  if (!field.default_value) return;
  Json made = *field.default_value;
  apply_defaults(*field.type, made);
  const auto* fields = made.if_object();
  if (fields && fields->empty() && absent_when_empty(field.name)) return;
  object.emplace(field.name, std::move(made));
}

}  // namespace

void apply_defaults(const Type& type, Json& value) {
  if (auto* fields = value.if_object()) {
    if (type.kind == Type::Kind::kObject) {
      for (const auto& field : type.fields) default_field(field, *fields);
    } else if (type.kind == Type::Kind::kMap) {
      for (auto& field : *fields) apply_defaults(*type.element, field.value());
    }
  } else if (auto* elements = value.if_array(); elements && type.kind == Type::Kind::kArray) {
    for (auto& element : *elements) apply_defaults(*type.element, element);
  }
}

}  // namespace mk::api
