#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/api/schema.h"
#include "mk/base/result.h"

namespace mk::api {

// What is wrong with spec.versions[*].schema.openAPIV3Schema of a CRD, in Kubernetes' words: structural
// schemas (Kubernetes' documentation, "Specifying a structural schema"), x-kubernetes-* extensions, patterns,
// defaults that their own schema refuses. `path` is the schema's field path.
void check_structural(const Json& schema, const std::string& path, std::vector<Cause>& causes);

// One version's schema of a CRD, compiled once: types for everything that also works on built-in kinds
// (patches, apply, ownership), and the value rules that only CRDs have. Immutable.
class StructuralSchema {
 public:
  // `open_api_v3` has passed check_structural().
  StructuralSchema(const Json& open_api_v3, const Gvk& kind);
  ~StructuralSchema();

  const Type& type() const { return *type_; }

  // In place: metadata gets its types (kBadRequest), fields nobody declared go and are reported in `unknown`
  // ("unknown field \"spec.x\""), nulls go where null is no value. Values of wrong types stay: validate()
  // tells them.
  Result<void> prune(Json& object, FieldProblems& unknown) const;
  // Idempotent; metadata is left alone.
  void apply_defaults(Json& object) const;
  // Values against their rules. `old` is null for creates; what an update leaves as it is is not looked at
  // again (ratcheting, KEP-4008).
  void validate(const Json& object, const Json* old, std::vector<Cause>& causes) const;

 private:
  std::unique_ptr<Schema> types_;
  const Type* type_ = nullptr;
  std::unique_ptr<const struct ValueRules> rules_;
};

// "io.example.v1.Foo" of {"example.io", "v1", "Foo"}: how the definition of a kind is called.
std::string definition_name(const Gvk& kind);

}  // namespace mk::api
