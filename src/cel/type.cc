#include "mk/cel/type.h"

namespace mk::cel {

std::string Type::str() const {
  const auto with_parameters = [&](std::string text) {
    if (parameters.empty()) return text;
    text += "(";
    for (std::size_t i = 0; i < parameters.size(); ++i)
      text.append(i == 0 ? "" : ", ").append(parameters[i]->str());
    return text + ")";
  };
  switch (kind) {
    case Kind::kDyn:
      return "dyn";
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kUint:
      return "uint";
    case Kind::kDouble:
      return "double";
    case Kind::kString:
      return "string";
    case Kind::kBytes:
      return "bytes";
    case Kind::kTimestamp:
      return "timestamp";
    case Kind::kDuration:
      return "duration";
    case Kind::kList:
      return with_parameters("list");
    case Kind::kMap:
      return with_parameters("map");
    case Kind::kOptional:
      return with_parameters("optional_type");
    case Kind::kType:
      return with_parameters("type");
    case Kind::kObject:
    case Kind::kOpaque:
    case Kind::kParam:
      return name;
    case Kind::kError:
      return "!error!";
  }
  return "";
}

bool equal(const Type& left, const Type& right) {
  if (left.kind != right.kind || left.name != right.name || left.parameters.size() != right.parameters.size())
    return false;
  for (std::size_t i = 0; i < left.parameters.size(); ++i) {
    if (!equal(*left.parameters[i], *right.parameters[i])) return false;
  }
  return true;
}

namespace types {

namespace {
TypePtr make(Type::Kind kind, std::string name = "", std::vector<TypePtr> parameters = {}) {
  auto type = std::make_shared<Type>();
  type->kind = kind;
  type->name = std::move(name);
  type->parameters = std::move(parameters);
  return type;
}

template <Type::Kind kKind>
const TypePtr& simple() {
  static const TypePtr type = make(kKind);
  return type;
}
}  // namespace

const TypePtr& dyn() {
  return simple<Type::Kind::kDyn>();
}
const TypePtr& null() {
  return simple<Type::Kind::kNull>();
}
const TypePtr& boolean() {
  return simple<Type::Kind::kBool>();
}
const TypePtr& integer() {
  return simple<Type::Kind::kInt>();
}
const TypePtr& uint() {
  return simple<Type::Kind::kUint>();
}
const TypePtr& real() {
  return simple<Type::Kind::kDouble>();
}
const TypePtr& string() {
  return simple<Type::Kind::kString>();
}
const TypePtr& bytes() {
  return simple<Type::Kind::kBytes>();
}
const TypePtr& timestamp() {
  return simple<Type::Kind::kTimestamp>();
}
const TypePtr& duration() {
  return simple<Type::Kind::kDuration>();
}
const TypePtr& error() {
  return simple<Type::Kind::kError>();
}
TypePtr list(TypePtr element) {
  return make(Type::Kind::kList, "", {std::move(element)});
}
TypePtr map(TypePtr key, TypePtr value) {
  return make(Type::Kind::kMap, "", {std::move(key), std::move(value)});
}
TypePtr object(std::string name) {
  return make(Type::Kind::kObject, std::move(name));
}
TypePtr opaque(std::string name) {
  return make(Type::Kind::kOpaque, std::move(name));
}
TypePtr optional(TypePtr inside) {
  return make(Type::Kind::kOptional, "", {std::move(inside)});
}
TypePtr type_of(TypePtr whose) {
  return whose ? make(Type::Kind::kType, "", {std::move(whose)}) : make(Type::Kind::kType);
}
TypePtr param(std::string name) {
  return make(Type::Kind::kParam, std::move(name));
}

}  // namespace types
}  // namespace mk::cel
