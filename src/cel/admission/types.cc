#include <fmt/format.h>

#include "mk/base/strings.h"
#include "mk/cel/admission.h"
#include "mk/cel/authorizer.h"
#include "mk/cel/schema_types.h"

namespace mk::cel {

namespace {

constexpr std::string_view kVariablesType = "kubernetes.variables";
constexpr std::string_view kObjectType = "Object";
constexpr std::string_view kPatchType = "JSONPatch";

// admission.k8s.io/v1 AdmissionRequest, without the objects; and what policies see of a namespace.
constexpr const char* kSchemas = R"(
request:
  type: object
  properties:
    kind: &kind {type: object, properties: {group: {type: string}, version: {type: string}, kind: {type: string}}}
    resource: &resource {type: object, properties: {group: {type: string}, version: {type: string}, resource: {type: string}}}
    subResource: {type: string}
    requestKind: *kind
    requestResource: *resource
    requestSubResource: {type: string}
    name: {type: string}
    namespace: {type: string}
    operation: {type: string}
    userInfo:
      type: object
      properties:
        username: {type: string}
        uid: {type: string}
        groups: {type: array, items: {type: string}}
        extra: {type: object, additionalProperties: {type: array, items: {type: string}}}
    dryRun: {type: boolean}
    options: {x-kubernetes-preserve-unknown-fields: true}
namespace:
  type: object
  properties:
    metadata:
      type: object
      properties:
        name: {type: string}
        generateName: {type: string}
        namespace: {type: string}
        labels: {type: object, additionalProperties: {type: string}}
        annotations: {type: object, additionalProperties: {type: string}}
        UID: {type: string}
        uid: {type: string}
        creationTimestamp: {x-kubernetes-preserve-unknown-fields: true}
        deletionGracePeriodSeconds: {type: integer}
        deletionTimestamp: {x-kubernetes-preserve-unknown-fields: true}
        generation: {type: integer}
        resourceVersion: {type: string}
        finalizers: {type: array, items: {type: string}}
    spec: {type: object, properties: {finalizers: {type: array, items: {type: string}}}}
    status:
      type: object
      properties:
        phase: {type: string}
        conditions:
          type: array
          items:
            type: object
            properties:
              status: {type: string}
              type: {type: string}
              lastTransitionTime: {x-kubernetes-preserve-unknown-fields: true}
              message: {type: string}
              reason: {type: string}
)";

struct FixedTypes {
  FixedTypes()
      : schemas(api::parse_yaml(kSchemas).value()),
        request(schemas.at("request"), "kubernetes.AdmissionRequest", false),
        ns(schemas.at("namespace"), "kubernetes.Namespace", false) {}
  api::Json schemas;
  SchemaTypes request, ns;
};

const FixedTypes& fixed() {
  static const FixedTypes types;
  return types;
}

bool object_type(std::string_view name) {
  return name == kObjectType || name.starts_with("Object.");
}

TypePtr patch_field(std::string_view field_name) {
  if (field_name == "op" || field_name == "path" || field_name == "from") return types::string();
  return field_name == "value" ? types::dyn() : nullptr;
}

bool fits(const Type& type, Expected expected) {
  using Kind = Type::Kind;
  switch (expected) {
    case Expected::kBool:
      return type.kind == Kind::kBool || type.kind == Kind::kDyn;
    case Expected::kString:
      return type.kind == Kind::kString || type.kind == Kind::kDyn;
    case Expected::kStringOrNull:
      return type.kind == Kind::kString || type.kind == Kind::kNull || type.kind == Kind::kDyn;
    case Expected::kAny:
      return true;
    case Expected::kApplyConfiguration:
      return type.kind == Kind::kDyn || (type.kind == Kind::kObject && type.name == kObjectType);
    case Expected::kJsonPatch: {
      if (type.kind == Kind::kDyn) return true;
      if (type.kind != Kind::kList) return false;
      const Type& element = *type.parameters[0];
      return element.kind == Kind::kDyn || (element.kind == Kind::kObject && element.name == kPatchType);
    }
  }
  return false;
}

std::string_view wanted(Expected expected) {
  switch (expected) {
    case Expected::kBool:
      return "must evaluate to bool";
    case Expected::kString:
      return "must evaluate to string";
    case Expected::kStringOrNull:
      return "must evaluate to one of [string null_type]";
    case Expected::kApplyConfiguration:
      return "must evaluate to Object";
    case Expected::kJsonPatch:
      return "must evaluate to list(JSONPatch)";
    case Expected::kAny:
      break;
  }
  return "";
}

Error wrong_name(std::string_view found, std::string_view path) {
  return Error(Reason::kInvalid,
               fmt::format("unexpected type name \"{}\", expected \"{}\", which matches field name "
                           "path from root Object type",
                           found, path));
}

// Nested constructed types must be those of the path at which they stand.
Result<void> check_names(const Value& value, const std::string& path) {
  if (value.is(Value::Kind::kList)) {
    for (std::size_t i = 0; i < value.size(); ++i) MK_TRY(check_names(value.at(i), path));
    return ok();
  }
  if (!value.is(Value::Kind::kMap)) return ok();
  const std::string_view name = value.type_name();
  if (!name.empty() && name != path) return wrong_name(name, path);
  Result<void> out;
  value.for_each_key([&](const Value& key) {
    if (key.is(Value::Kind::kString))
      out = check_names(value.find(key), path + "." + std::string(key.as_string()));
    return out.ok();
  });
  return out;
}

}  // namespace

AdmissionTypes::AdmissionTypes(const TypeProvider* objects, TypePtr object, TypePtr params)
    : objects_(objects), object_(std::move(object)), params_(std::move(params)) {}

AdmissionTypes::~AdmissionTypes() = default;

Env AdmissionTypes::env(Names names) const {
  // A variable without a name cannot be spoken of.
  std::vector<Variable> variables;
  variables.emplace_back("object", object_);
  variables.emplace_back("oldObject", object_);
  variables.emplace_back("request", fixed().request.root().type);
  variables.emplace_back(params_ ? "params" : "", params_ ? params_ : types::dyn());
  variables.emplace_back("namespaceObject", types::object("kubernetes.Namespace"));
  variables.emplace_back(names.variables ? "variables" : "", types::object(std::string(kVariablesType)));
  variables.emplace_back(names.authorizer ? "authorizer" : "", authorizer_type());
  return Env(std::move(variables), this);
}

bool AdmissionTypes::has_type(std::string_view type_name) const {
  return type_name == kVariablesType || constructible(type_name) || fixed().request.has_type(type_name) ||
         fixed().ns.has_type(type_name) || (objects_ != nullptr && objects_->has_type(type_name));
}

TypePtr AdmissionTypes::field(std::string_view type_name, std::string_view field_name) const {
  if (type_name == kVariablesType) {
    const auto found = variables_.find(field_name);
    return found == variables_.end() ? nullptr : found->second;
  }
  if (object_type(type_name)) return types::dyn();
  if (type_name == kPatchType) return patch_field(field_name);
  if (fixed().request.has_type(type_name)) return fixed().request.field(type_name, field_name);
  if (fixed().ns.has_type(type_name)) return fixed().ns.field(type_name, field_name);
  return objects_ != nullptr ? objects_->field(type_name, field_name) : nullptr;
}

std::string AdmissionTypes::property(std::string_view type_name, std::string_view field_name) const {
  if (object_type(type_name)) return unescape_property(field_name).value_or(std::string(field_name));
  if (fixed().request.has_type(type_name)) return fixed().request.property(type_name, field_name);
  // Values of policies are plain JSON: only the request's own type is declared when they run.
  return objects_ != nullptr ? objects_->property(type_name, field_name) : std::string(field_name);
}

bool AdmissionTypes::constructible(std::string_view type_name) const {
  return object_type(type_name) || type_name == kPatchType;
}

Result<Program> compile_expression(const Env& env, std::string_view expression, Expected expected) {
  auto program = env.compile(expression);
  if (!program.ok()) return Error(Reason::kInvalid, "compilation failed: " + program.error().message());
  if (!fits(*program->type(), expected)) return Error(Reason::kInvalid, std::string(wanted(expected)));
  return program;
}

Result<api::Json> apply_configuration_json(const Value& value) {
  if (!value.is(Value::Kind::kMap)) return Error(Reason::kInvalid, "must evaluate to Object");
  MK_TRY(check_names(value, std::string(kObjectType)));
  return to_json(value);
}

Result<api::Json> json_patch_json(const Value& value) {
  if (!value.is(Value::Kind::kList)) return Error(Reason::kInvalid, "must evaluate to list(JSONPatch)");
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Value operation = value.at(i);
    if (!operation.is(Value::Kind::kMap) || operation.type_name() != kPatchType)
      return Error(Reason::kInvalid, "must evaluate to list(JSONPatch)");
  }
  return to_json(value);
}

}  // namespace mk::cel
