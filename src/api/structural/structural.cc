#include "mk/api/structural.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/assert.h"
#include "mk/base/strings.h"
#include "structural/rules.h"

namespace mk::api {
namespace {

constexpr std::string_view kObjectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

void set_member(Json& object, std::string_view key, Json value) {
  object.as_object()[key] = std::move(value);
}

// Every object with an identity has these, listed or not, and its metadata is Kubernetes' own.
void add_identity(Json& node) {
  if (!member(node, "properties")) set_member(node, "properties", JsonObject());
  auto& properties = node.as_object()["properties"].as_object();
  const Json text = JsonObject{{"type", "string"}};
  for (const std::string_view name : {"apiVersion", "kind"}) properties.emplace(name, text);
  properties["metadata"] = JsonObject{{"$ref", kObjectMeta}};
}

// Makes the schema what make_schema() reads: metadata by name, wherever an object is embedded.
void prepare(Json& node) {
  auto* fields = node.if_object();
  if (!fields) return;
  if (auto* properties = fields->if_contains("properties"); properties && properties->is_object()) {
    for (auto& property : properties->get_object()) prepare(property.value());
  }
  for (const std::string_view below : {"items", "additionalProperties"}) {
    if (auto* child = fields->if_contains(below)) prepare(*child);
  }
  if (flag(node, "x-kubernetes-embedded-resource")) add_identity(node);
}

// Where the pruner is: a chain on the stack, rendered only for what is reported.
struct Place {
  const Place* up = nullptr;
  std::string_view name;
  std::int64_t index = -1;

  std::string path() const {
    std::string text = up ? up->path() : "";
    if (index >= 0) return text + fmt::format("[{}]", index);
    if (name.empty()) return text;
    return text.empty() ? std::string(name) : text + "." + std::string(name);
  }
};

void prune_value(const Type& type, Json& value, const Place& place, FieldProblems& unknown);

void prune_object(const Type& type, JsonObject& fields, const Place& place, FieldProblems& unknown) {
  for (auto at = fields.begin(); at != fields.end();) {
    const auto* field = type.field(at->key());
    const Place here{&place, at->key()};
    if (!field && !type.preserve_unknown) unknown.push_back(fmt::format("unknown field \"{}\"", here.path()));
    const bool drop = field ? at->value().is_null() && !field->type->nullable : !type.preserve_unknown;
    if (drop) {
      at = fields.stable_erase(at);
      continue;
    }
    if (field) prune_value(*field->type, at->value(), here, unknown);
    ++at;
  }
}

void prune_value(const Type& type, Json& value, const Place& place, FieldProblems& unknown) {
  if (auto* fields = value.if_object()) {
    if (type.kind == Type::Kind::kObject) {
      prune_object(type, *fields, place, unknown);
    } else if (type.kind == Type::Kind::kMap) {
      for (auto at = fields->begin(); at != fields->end();) {
        if (at->value().is_null() && !type.element->nullable) {
          at = fields->stable_erase(at);
          continue;
        }
        prune_value(*type.element, at->value(), Place{&place, at->key()}, unknown);
        ++at;
      }
    }
  } else if (auto* elements = value.if_array(); elements && type.kind == Type::Kind::kArray) {
    std::int64_t index = 0;
    for (auto& element : *elements) prune_value(*type.element, element, Place{&place, {}, index++}, unknown);
  }
}

void default_value(const Type& type, Json& value) {
  if (type.name == kObjectMeta) return;
  if (auto* fields = value.if_object()) {
    if (type.kind == Type::Kind::kMap) {
      for (auto& field : *fields) default_value(*type.element, field.value());
    }
    if (type.kind != Type::Kind::kObject) return;
    for (const auto& field : type.fields) {
      auto* present = fields->if_contains(field.name);
      if (!present && field.default_value)
        present = &fields->emplace(field.name, *field.default_value).first->value();
      if (present) default_value(*field.type, *present);
    }
  } else if (auto* elements = value.if_array(); elements && type.kind == Type::Kind::kArray) {
    for (auto& element : *elements) default_value(*type.element, element);
  }
}

// An object of which only metadata is known: gives it the types of every other object's.
const Type& metadata_only() {
  static const auto* type = [] {
    auto* made = new Type;
    made->kind = Type::Kind::kObject;
    made->preserve_unknown = true;
    auto& field = made->fields.emplace_back();
    field.name = "metadata";
    field.type = builtin_schema().type(kObjectMeta);
    return made;
  }();
  return *type;
}

}  // namespace

std::string definition_name(const Gvk& kind) {
  auto parts = split(kind.group, '.');
  std::reverse(parts.begin(), parts.end());
  std::string out;
  for (const auto part : parts) out.append(part).append(".");
  return out + kind.version + "." + kind.kind;
}

StructuralSchema::StructuralSchema(const Json& open_api_v3, const Gvk& kind) {
  Json root = open_api_v3.is_object() ? open_api_v3 : Json(JsonObject());
  rules_ = compile_rules(root);
  prepare(root);
  add_identity(root);
  set_member(root, "type", "object");
  const auto name = definition_name(kind);
  JsonObject definitions;
  definitions.emplace(name, std::move(root));
  types_ = make_schema(Json(std::move(definitions)), &builtin_schema());
  type_ = types_->type(name);
  MK_ASSERT(type_ != nullptr);
}

StructuralSchema::~StructuralSchema() = default;

Result<void> StructuralSchema::prune(Json& object, FieldProblems& unknown) const {
  MK_TRY(decode(metadata_only(), object, unknown));
  prune_value(*type_, object, Place(), unknown);
  return ok();
}

void StructuralSchema::apply_defaults(Json& object) const {
  default_value(*type_, object);
}

void StructuralSchema::validate(const Json& object, const Json* old, std::vector<Cause>& causes) const {
  // metadata is the registry's to validate; what a CRD says of its name is a rule like any other.
  check_value(*rules_, object, old, "", causes);
}

}  // namespace mk::api
