#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/types.h"

namespace mk::api {

// One type of the schema: what JSON Schema and Kubernetes' x- keywords say about a value. Owned by its
// Schema; pointers are stable. Built-in kinds and (later) CRDs are both made of these.
struct Type {
  enum class Kind {
    kObject,
    kMap,
    kArray,
    kString,
    kInteger,
    kNumber,
    kBoolean,
    kIntOrString,
    kQuantity,
    kAny
  };
  enum class ListType { kUnset, kAtomic, kSet, kMap };

  struct Field {
    std::string name;
    const Type* type = nullptr;
    const Json* default_value = nullptr;  // nullptr: none
    bool required = false;
    // Strategic merge patch; x-kubernetes-patch-strategy may be "merge", "replace", "retainKeys" or both.
    bool patch_merge = false, patch_replace = false, patch_retain_keys = false;
    std::string patch_merge_key;
  };

  Kind kind = Kind::kAny;
  std::string name;               // "io.k8s.api.core.v1.Pod"; "" when anonymous
  std::string format;             // "int32", "date-time", "byte" ...
  std::vector<Field> fields;      // kObject, sorted by name
  const Type* element = nullptr;  // kMap and kArray
  ListType list_type = ListType::kUnset;
  std::vector<std::string> list_map_keys;
  bool map_atomic = false;  // x-kubernetes-map-type: atomic
  // Fields the type does not know stay (RawExtension; x-kubernetes-preserve-unknown-fields of a CRD).
  bool preserve_unknown = false;
  bool nullable = false;  // null is a value of its own, not "absent" (CRDs)

  const Field* field(std::string_view field_name) const;
};

class Schema {
 public:
  virtual ~Schema() = default;
  // nullptr when unknown.
  virtual const Type* type(std::string_view name) const = 0;
  virtual const Type* type(const Gvk& gvk) const = 0;
};

// Kubernetes 1.36, packed into the binary; built on first use, lives as long as the program.
const Schema& builtin_schema();

// Types made from definitions in the same form (type name -> JSON schema; "$ref" is a bare type name): what a
// CRD's versions become. References that `definitions` does not have are looked up in `base` (may be
// nullptr), which must outlive the result. x-kubernetes-preserve-unknown-fields, -int-or-string,
// -embedded-resource and nullable are understood.
std::unique_ptr<Schema> make_schema(const Json& definitions, const Schema* base);

// The facts as JSON text, for those that publish them (OpenAPI): definitions without alpha and beta versions
// are the reader's job.
std::string_view builtin_definitions_json();

// What strict decoding found: "unknown field \"spec.replica\"", "duplicate field \"spec.replicas\"".
using FieldProblems = std::vector<std::string>;

// Checks `value` against `type`, in place:
//  - wrong types are an error whose text names the path, as Kubernetes' decoder says it (kBadRequest);
//  - fields the type does not have are removed and reported in `unknown` ("spec.foo",
//  "spec.containers[0].x");
//  - null fields are removed, so that "absent" has one spelling;
//  - numbers are normalised (1.0 for an integer field becomes 1), bytes checked to be base64, times to parse.
Result<void> decode(const Type& type, Json& value, FieldProblems& unknown);

// Repeated object keys anywhere in a JSON text, as paths ("spec.replicas"); for fieldValidation=Strict|Warn.
FieldProblems find_duplicate_keys(std::string_view json_text);
// Both kinds of problems of one JSON text in the order in which the text has the fields.
FieldProblems in_document_order(std::string_view json_text, FieldProblems unknown, FieldProblems repeated);

// One YAML document; `repeated` gets what the text says twice: `line 9: key "foo" already set in map`.
Result<Json> parse_yaml(std::string_view text, FieldProblems& repeated);

// Fills in the schema's defaults, in place. A default of {} creates an object only where it has defaults of
// its own below or Kubernetes always writes it (metadata, spec, status stay absent when empty).
void apply_defaults(const Type& type, Json& value);

}  // namespace mk::api
