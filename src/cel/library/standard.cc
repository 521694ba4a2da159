#include "check/functions.h"
#include "library/regex.h"
#include "syntax/lexer.h"

// size, text predicates, type(), dyn().
namespace mk::cel {

namespace {

Value size(Arguments a) {
  if (a[0].is(Value::Kind::kString))
    return Value::integer(static_cast<std::int64_t>(count_code_points(a[0].as_string())));
  if (a[0].is(Value::Kind::kBytes)) return Value::integer(static_cast<std::int64_t>(a[0].as_bytes().size()));
  return Value::integer(static_cast<std::int64_t>(a[0].size()));
}

Value contains(Arguments a) {
  return Value::of(a[0].as_string().find(a[1].as_string()) != std::string_view::npos);
}
Value starts_with(Arguments a) {
  return Value::of(a[0].as_string().starts_with(a[1].as_string()));
}
Value ends_with(Arguments a) {
  return Value::of(a[0].as_string().ends_with(a[1].as_string()));
}
Value matches(Arguments a) {
  return regex_matches(a[0].as_string(), a[1].as_string());
}

Value type_of(Arguments a) {
  return Value::type(a[0].runtime_type());
}
Value as_dyn(Arguments a) {
  return a[0];
}

constexpr FunctionRow kRows[] = {{"size(string): int", size, Cost::kTraverse},
                                 {"size(bytes): int", size},
                                 {"size(list<A>): int", size},
                                 {"size(map<A, B>): int", size},
                                 {"string::size(): int", size, Cost::kTraverse},
                                 {"bytes::size(): int", size},
                                 {"list<A>::size(): int", size},
                                 {"map<A, B>::size(): int", size},
                                 {"string::contains(string): bool", contains, Cost::kSearch},
                                 {"string::startsWith(string): bool", starts_with, Cost::kCompare},
                                 {"string::endsWith(string): bool", ends_with, Cost::kCompare},
                                 {"string::matches(string): bool", matches, Cost::kMatch},
                                 {"matches(string, string): bool", matches, Cost::kMatch},
                                 {"type(A): type<A>", type_of},
                                 {"dyn(A): dyn", as_dyn}};

}  // namespace

std::span<const FunctionRow> standard_functions() {
  return kRows;
}

}  // namespace mk::cel
