#include "check/functions.h"

// optional_type: optional.of, optional.none, hasValue, value; or and orValue are the evaluator's.
namespace mk::cel {

namespace {

bool zero(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return true;
    case Value::Kind::kBool:
      return !value.as_bool();
    case Value::Kind::kInt:
      return value.as_int() == 0;
    case Value::Kind::kUint:
      return value.as_uint() == 0;
    case Value::Kind::kDouble:
      return value.as_double() == 0;
    case Value::Kind::kString:
      return value.as_string().empty();
    case Value::Kind::kBytes:
      return value.as_bytes().empty();
    case Value::Kind::kDuration:
      return value.as_duration().nanos == 0;
    case Value::Kind::kTimestamp:
      return value.as_timestamp() == Timestamp{-62135596800, 0};
    case Value::Kind::kList:
    case Value::Kind::kMap:
      return value.size() == 0;
    case Value::Kind::kOptional:
      return value.as_optional() == nullptr;
    default:
      return false;
  }
}

Value of(Arguments a) {
  return Value::optional(a[0]);
}
Value of_non_zero(Arguments a) {
  return zero(a[0]) ? Value::none() : Value::optional(a[0]);
}
Value none(Arguments) {
  return Value::none();
}
Value has_value(Arguments a) {
  return Value::of(a[0].as_optional() != nullptr);
}
Value value_of(Arguments a) {
  return a[0].as_optional() != nullptr ? *a[0].as_optional() : Value::error("optional.none() dereference");
}
Value unwrap(Arguments a) {
  std::vector<Value> out;
  for (std::size_t i = 0; i < a[0].size(); ++i) {
    const Value each = a[0].at(i);
    if (!each.is(Value::Kind::kOptional)) return Value::error("no such overload");
    if (each.as_optional() != nullptr) out.push_back(*each.as_optional());
  }
  return Value::list(std::move(out));
}

constexpr FunctionRow kRows[] = {{"optional.of(A): optional<A>", of},
                                 {"optional.ofNonZeroValue(A): optional<A>", of_non_zero},
                                 {"optional.none(): optional<A>", none},
                                 {"optional<A>::hasValue(): bool", has_value},
                                 {"optional<A>::value(): A", value_of},
                                 {"optional<A>::or(optional<A>): optional<A>", nullptr},
                                 {"optional<A>::orValue(A): A", nullptr},
                                 {"optional.unwrap(list<optional<A>>): list<A>", unwrap, Cost::kElements},
                                 {"list<optional<A>>::unwrapOpt(): list<A>", unwrap, Cost::kElements}};

}  // namespace

std::span<const FunctionRow> optional_functions() {
  return kRows;
}

}  // namespace mk::cel
