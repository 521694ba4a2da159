#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

// The types of CEL expressions (cel-spec, langdef.md). Gradual: what is not known is `dyn` and checked when
// an expression runs.
namespace mk::cel {

struct Type;
using TypePtr = std::shared_ptr<const Type>;

struct Type {
  enum class Kind {
    kDyn,
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kString,
    kBytes,
    kTimestamp,
    kDuration,
    kList,      // parameters: element
    kMap,       // parameters: key, value
    kObject,    // name: asked of the TypeProvider
    kOpaque,    // name: "kubernetes.Quantity", "net.IP" ...
    kOptional,  // parameters: what may be inside
    kType,      // parameters: whose type it is (none: any)
    kParam,     // name: a type variable of an overload or of the checker
    kError
  };

  Kind kind = Kind::kDyn;
  std::string name;
  std::vector<TypePtr> parameters;

  // As error messages show it: "int", "list(string)", "map(string, dyn)", "optional_type(int)".
  std::string str() const;
};

bool equal(const Type& left, const Type& right);

namespace types {
const TypePtr& dyn();
const TypePtr& null();
const TypePtr& boolean();
const TypePtr& integer();
const TypePtr& uint();
const TypePtr& real();
const TypePtr& string();
const TypePtr& bytes();
const TypePtr& timestamp();
const TypePtr& duration();
const TypePtr& error();
TypePtr list(TypePtr element);
TypePtr map(TypePtr key, TypePtr value);
TypePtr object(std::string name);
TypePtr opaque(std::string name);
TypePtr optional(TypePtr inside);
TypePtr type_of(TypePtr whose);
TypePtr param(std::string name);
}  // namespace types

// What the checker knows of object types. Names of fields are those that expressions use: property names that
// are no identifiers are escaped, see schema_types.h.
class TypeProvider {
 public:
  virtual ~TypeProvider() = default;
  virtual bool has_type(std::string_view type_name) const = 0;
  // nullptr: the type has no such field.
  virtual TypePtr field(std::string_view type_name, std::string_view field_name) const = 0;
  // How the data spells that field.
  virtual std::string property(std::string_view type_name, std::string_view field_name) const {
    return std::string(field_name);
  }
  // May `Name{field: value}` make one? Fields of a type that is open take any value.
  virtual bool constructible(std::string_view type_name) const { return false; }
};

}  // namespace mk::cel
