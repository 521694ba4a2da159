#include <algorithm>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <deque>

#include "mk/api/schema.h"
#include "schema/embedded.h"

namespace mk::api {
namespace {

// Makes Types of schema definitions. The definitions may die afterwards.
class Loaded final : public Schema {
 public:
  Loaded(const JsonObject& definitions, const Schema* base, bool skip_prerelease) : base_(base) {
    for (const auto& definition : definitions) {
      if (skip_prerelease && is_prerelease(definition.key())) continue;
      named_.emplace(definition.key(), &types_.emplace_back());
    }
    for (const auto& definition : definitions) {
      const auto found = named_.find(std::string_view(definition.key()));
      if (found == named_.end()) continue;
      auto& type = *found->second;
      type.name = definition.key();
      fill(type, definition.value());
      special(type);
      index_kinds(type, definition.value());
    }
    scalars_.clear();
  }

  const Type* type(std::string_view name) const override {
    if (const auto found = named_.find(name); found != named_.end()) return found->second;
    return base_ ? base_->type(name) : nullptr;
  }

  const Type* type(const Gvk& gvk) const override {
    if (const auto found = kinds_.find(gvk); found != kinds_.end()) return found->second;
    return base_ ? base_->type(gvk) : nullptr;
  }

 private:
  const Type* resolve(const Json& node);
  void fill(Type& type, const Json& node);
  void fill_field(Type::Field& field, const Json& node);
  static void special(Type& type);
  void index_kinds(const Type& type, const Json& node);
  const Json* keep_default(const Json& value);

  const Schema* base_;
  std::deque<Type> types_;
  std::map<std::string, Type*, std::less<>> named_;
  std::map<Gvk, const Type*> kinds_;
  std::map<std::string, const Type*> scalars_;  // while loading: one Type for each (type, format)
  std::map<std::string, Json> defaults_;        // by JSON text: most are "", {} and 0
};

const Json* Loaded::keep_default(const Json& value) {
  // A plain copy would keep using the arena of `value`, which does not live as long.
  return &defaults_.try_emplace(boost::json::serialize(value), value, boost::json::storage_ptr())
              .first->second;
}

bool plain_scalar(const Json& node, std::string_view type) {
  return type != "object" && type != "array" && !flag(node, "nullable") &&
         !flag(node, "x-kubernetes-preserve-unknown-fields") && !flag(node, "x-kubernetes-int-or-string");
}

const Type* Loaded::resolve(const Json& node) {
  if (const auto name = str(node, "$ref"); !name.empty()) {
    if (const auto* known = type(name)) return known;
  }
  const auto name = str(node, "type");
  if (!plain_scalar(node, name)) {
    auto& made = types_.emplace_back();
    fill(made, node);
    return &made;
  }
  auto& known = scalars_[std::string(name) + "/" + std::string(str(node, "format"))];
  if (!known) {
    auto& made = types_.emplace_back();
    fill(made, node);
    known = &made;
  }
  return known;
}

Type::Kind kind_of(const Json& node) {
  const auto type = str(node, "type");
  if (flag(node, "x-kubernetes-int-or-string") || str(node, "format") == "int-or-string") {
    return Type::Kind::kIntOrString;
  }
  if (type == "object") {
    return find(node, "additionalProperties") && !find(node, "properties") ? Type::Kind::kMap
                                                                           : Type::Kind::kObject;
  }
  if (type == "array") return Type::Kind::kArray;
  if (type == "string") return Type::Kind::kString;
  if (type == "integer") return Type::Kind::kInteger;
  if (type == "number") return Type::Kind::kNumber;
  if (type == "boolean") return Type::Kind::kBoolean;
  return Type::Kind::kAny;
}

Type::ListType list_type_of(const Json& node) {
  const auto text = str(node, "x-kubernetes-list-type");
  if (text == "atomic") return Type::ListType::kAtomic;
  if (text == "set") return Type::ListType::kSet;
  return text == "map" ? Type::ListType::kMap : Type::ListType::kUnset;
}

void Loaded::fill_field(Type::Field& field, const Json& node) {
  field.type = resolve(node);
  if (const auto* fallback = find(node, "default")) field.default_value = keep_default(*fallback);
  const auto strategy = str(node, "x-kubernetes-patch-strategy");
  field.patch_merge = strategy.find("merge") != std::string_view::npos;
  field.patch_replace = strategy.find("replace") != std::string_view::npos;
  field.patch_retain_keys = strategy.find("retainKeys") != std::string_view::npos;
  field.patch_merge_key = str(node, "x-kubernetes-patch-merge-key");
}

void Loaded::fill(Type& type, const Json& node) {
  type.kind = kind_of(node);
  type.format = str(node, "format");
  type.list_type = list_type_of(node);
  for (const auto& key : list(node, "x-kubernetes-list-map-keys")) {
    if (const auto* text = key.if_string()) type.list_map_keys.emplace_back(*text);
  }
  type.map_atomic = str(node, "x-kubernetes-map-type") == "atomic";
  type.preserve_unknown = flag(node, "x-kubernetes-preserve-unknown-fields");
  type.nullable = flag(node, "nullable");
  if (type.kind == Type::Kind::kArray) {
    static const Json any = JsonObject();
    const auto* items = find(node, "items");
    type.element = resolve(items ? *items : any);
  }
  if (type.kind == Type::Kind::kMap) {
    static const Json any = JsonObject{{"x-kubernetes-preserve-unknown-fields", true}};
    const auto* element = find(node, "additionalProperties");
    type.element = resolve(element->is_object() ? *element : any);
  }
  if (type.kind != Type::Kind::kObject) return;
  const auto& properties = object(node, "properties");
  type.fields.resize(properties.size());
  std::size_t at = 0;
  for (const auto& property : properties) {
    auto& field = type.fields[at++];
    field.name = property.key();
    fill_field(field, property.value());
  }
  if (flag(node, "x-kubernetes-embedded-resource")) {
    // apiVersion, kind and metadata belong to every embedded object, listed or not.
    for (const std::string_view name : {"apiVersion", "kind", "metadata"}) {
      if (properties.contains(name)) continue;
      static const Json text = JsonObject{{"type", "string"}};
      static const Json meta = JsonObject{{"$ref", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}};
      auto& field = type.fields.emplace_back();
      field.name = name;
      fill_field(field, name == "metadata" ? meta : text);
    }
  }
  std::sort(type.fields.begin(), type.fields.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const auto& name : list(node, "required")) {
    for (auto& field : type.fields) {
      if (name.is_string() && field.name == std::string_view(name.get_string())) field.required = true;
    }
  }
}

// Types whose wire form the published schema does not tell.
void Loaded::special(Type& type) {
  const auto is = [&](std::string_view suffix) { return std::string_view(type.name).ends_with(suffix); };
  if (!type.name.starts_with("io.k8s.")) return;
  if (is(".api.resource.Quantity")) type.kind = Type::Kind::kQuantity;
  if (is(".util.intstr.IntOrString")) type.kind = Type::Kind::kIntOrString;
  if (is(".runtime.RawExtension") || is(".meta.v1.FieldsV1")) {
    type.kind = Type::Kind::kAny;
    type.preserve_unknown = true;
  }
}

void Loaded::index_kinds(const Type& type, const Json& node) {
  for (const auto& entry : list(node, "x-kubernetes-group-version-kind")) {
    kinds_.try_emplace(Gvk{std::string(str(entry, "group")), std::string(str(entry, "version")),
                           std::string(str(entry, "kind"))},
                       &type);
  }
}

}  // namespace

const Type::Field* Type::field(std::string_view field_name) const {
  const auto found =
      std::lower_bound(fields.begin(), fields.end(), field_name,
                       [](const Field& field, std::string_view wanted) { return field.name < wanted; });
  return found != fields.end() && found->name == field_name ? &*found : nullptr;
}

std::string_view builtin_definitions_json() {
  return embedded_schema();
}

const Schema& builtin_schema() {
  static const auto* schema = [] {
    // The parsed document is several times the size of what is kept: one arena, freed at once.
    boost::json::monotonic_resource arena(1 << 20);
    boost::json::error_code error;
    const auto document = boost::json::parse(embedded_schema(), error, &arena);
    MK_ASSERT(!error && document.is_object());
    return new Loaded(document.get_object(), nullptr, true);
  }();
  return *schema;
}

std::unique_ptr<Schema> make_schema(const Json& definitions, const Schema* base) {
  static const JsonObject none;
  const auto* fields = definitions.if_object();
  return std::make_unique<Loaded>(fields ? *fields : none, base, false);
}

}  // namespace mk::api
