#include "mk/api/schema.h"

#include "mk/cel/schema_types.h"

// Built-in kinds as types of expressions.
namespace mk::cel {

namespace {

TypePtr type_of(const api::Type& type) {
  using Kind = api::Type::Kind;
  switch (type.kind) {
    case Kind::kObject:
      if (type.name.empty() || type.preserve_unknown) return types::dyn();
      return type.fields.empty() ? types::dyn() : types::object(type.name);
    case Kind::kMap:
      return types::map(types::string(), type.element != nullptr ? type_of(*type.element) : types::dyn());
    case Kind::kArray:
      return types::list(type.element != nullptr ? type_of(*type.element) : types::dyn());
    case Kind::kString:
      if (type.format == "date-time") return types::timestamp();
      return type.format == "byte" ? types::bytes() : types::string();
    case Kind::kInteger:
      return types::integer();
    case Kind::kNumber:
      return types::real();
    case Kind::kBoolean:
      return types::boolean();
    case Kind::kQuantity:
    case Kind::kIntOrString:
    case Kind::kAny:
      return types::dyn();
  }
  return types::dyn();
}

}  // namespace

TypePtr ApiTypes::of(const api::Gvk& gvk) const {
  const api::Type* type = schema_.type(gvk);
  return type != nullptr ? type_of(*type) : types::dyn();
}

bool ApiTypes::has_type(std::string_view type_name) const {
  return schema_.type(type_name) != nullptr;
}

std::string ApiTypes::property(std::string_view type_name, std::string_view field_name) const {
  const api::Type* type = schema_.type(type_name);
  if (type == nullptr || type->field(field_name) != nullptr) return std::string(field_name);
  return unescape_property(field_name).value_or(std::string(field_name));
}

TypePtr ApiTypes::field(std::string_view type_name, std::string_view field_name) const {
  const api::Type* type = schema_.type(type_name);
  if (type == nullptr) return nullptr;
  const auto* found = type->field(property(type_name, field_name));
  return found != nullptr && found->type != nullptr ? type_of(*found->type) : nullptr;
}

}  // namespace mk::cel
