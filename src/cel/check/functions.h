#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mk/cel/type.h"
#include "mk/cel/value.h"

namespace mk::cel {

using Arguments = std::span<const Value>;
// Gets arguments of the overload's kinds, none of them an error. Answers a value or Value::error.
using Implementation = Value (*)(Arguments arguments);

// What a call costs, in CEL's units, by the sizes of its arguments before it runs. A traversal of n
// characters or bytes costs n / 10, rounded up.
enum class Cost {
  kOne,
  kTraverse,     // of the first argument
  kTraverseTwo,  // of the first two
  kCompare,      // the smaller of the first two
  kSearch,       // first times second (contains, indexOf)
  kMatch,        // text times pattern
  kElements,     // elements of the first argument
  kElementsTwo,  // the first times the second
  kConcatenate,  // characters, or elements, of both
  kAuthorize,    // asks the authorizer
};

struct Overload {
  std::string name;
  bool member = false;  // receiver.name(...); the receiver is the first parameter
  std::vector<TypePtr> parameters;
  TypePtr result;
  Implementation run = nullptr;  // nullptr: the evaluator's own
  Cost cost = Cost::kOne;
};

// One row of a library: "string::charAt(int): string" for a method, "sets.contains(list<A>, list<A>): bool"
// for a function. Types are int, uint, double, bool, string, bytes, null, dyn, timestamp, duration, list<>,
// map<,>, optional<>, type<>, a capital letter for a type variable, and else the name of an opaque type.
struct FunctionRow {
  const char* signature;
  Implementation run;
  Cost cost = Cost::kOne;
};

// All overloads of a name (methods and functions together), nullptr when there are none. Built on first use.
const std::vector<Overload>* find_functions(std::string_view name);

// The libraries, one file each in library/.
std::span<const FunctionRow> standard_operators();
std::span<const FunctionRow> standard_functions();
std::span<const FunctionRow> conversion_functions();
std::span<const FunctionRow> time_functions();
std::span<const FunctionRow> optional_functions();
std::span<const FunctionRow> string_functions();
std::span<const FunctionRow> format_functions();
std::span<const FunctionRow> list_functions();
std::span<const FunctionRow> set_functions();
std::span<const FunctionRow> regex_functions();
std::span<const FunctionRow> url_functions();
std::span<const FunctionRow> ip_functions();
std::span<const FunctionRow> quantity_functions();
std::span<const FunctionRow> semver_functions();
std::span<const FunctionRow> named_format_functions();
std::span<const FunctionRow> authorizer_functions();
std::span<const FunctionRow> json_patch_functions();

// Does a value fit a parameter when it comes to running?
bool fits(const Type& parameter, const Value& value);

}  // namespace mk::cel
