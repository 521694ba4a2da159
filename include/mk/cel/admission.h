#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "mk/cel/env.h"

// What expressions of admission policies may name (KEP-3488, KEP-3962), for compiling them: values are the
// admission's business.
namespace mk::cel {

// Positions of the variables in every Env of AdmissionTypes.
enum class AdmissionVariable : std::size_t {
  kObject,
  kOldObject,
  kRequest,
  kParams,
  kNamespaceObject,
  kVariables,
  kAuthorizer,
  kCount
};

// Types of those variables, plus the types that mutations construct: Object, Object.spec ..., JSONPatch.
class AdmissionTypes : public TypeProvider {
 public:
  // `objects` knows the types `object` and `params`; nullptr where both are dyn. A null `params`: the policy
  // has none.
  AdmissionTypes(const TypeProvider* objects, TypePtr object, TypePtr params);
  ~AdmissionTypes() override;

  struct Names {
    Names(bool authorizer_, bool variables_) : authorizer(authorizer_), variables(variables_) {}
    bool authorizer, variables;
  };
  // Refers to this object.
  Env env(Names names) const;
  // From now on `variables.name` is of this type.
  void declare(const std::string& name, TypePtr type) { variables_[name] = std::move(type); }

  bool has_type(std::string_view type_name) const override;
  TypePtr field(std::string_view type_name, std::string_view field_name) const override;
  std::string property(std::string_view type_name, std::string_view field_name) const override;
  bool constructible(std::string_view type_name) const override;

 private:
  const TypeProvider* objects_;
  const TypePtr object_, params_;
  std::map<std::string, TypePtr, std::less<>> variables_;
};

// What an expression of a policy must be.
enum class Expected { kBool, kString, kStringOrNull, kAny, kApplyConfiguration, kJsonPatch };

// Compiles, and checks the type of the result: kInvalid, "compilation failed: ERROR: ..." or "must evaluate
// to bool".
Result<Program> compile_expression(const Env& env, std::string_view expression, Expected expected);

// One expression of the spec of a ValidatingAdmissionPolicy or MutatingAdmissionPolicy.
struct PolicyExpression {
  enum class Place { kCondition, kVariable, kValidation, kMessage, kAnnotation, kMutation };
  Place place;
  std::size_t index;  // in its list
  std::string path;   // "spec.validations[0].expression"
  std::string name;   // of conditions, variables and annotations
  std::string text;
  Expected expected;
};
// Compiles every expression that is there, in the order in which they may refer to each other; `types` learns
// the variables. Conditions see no variables, messages no authorizer.
void compile_policy(const api::Json& spec, AdmissionTypes& types,
                    const std::function<void(const PolicyExpression& source, Result<Program> program)>& done);

// JSON of Object{...}: each nested type must be named by its path (Object.spec.template). kInvalid.
Result<api::Json> apply_configuration_json(const Value& value);
// JSON of a list of JSONPatch{...}. kInvalid.
Result<api::Json> json_patch_json(const Value& value);

}  // namespace mk::cel
