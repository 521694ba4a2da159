#include "mk/api/quantity.h"

#include <cmath>
#include <cstdlib>

#include "check/functions.h"
#include "library/opaque.h"

// quantity(), isQuantity() and what can be done with one.
namespace mk::cel {

namespace {

struct QuantityKind {
  static constexpr const char* kName = "kubernetes.Quantity";
};
using Box = Boxed<QuantityKind, api::Quantity>;

Value is_quantity(Arguments a) {
  return Value::of(api::Quantity::parse(a[0].as_string()).ok());
}
Value quantity(Arguments a) {
  auto parsed = api::Quantity::parse(a[0].as_string());
  return parsed.ok() ? Box::box(*parsed) : Value::error(parsed.error().message());
}

int compared(const api::Quantity& left, const api::Quantity& right) {
  return left < right ? -1 : right < left ? 1 : 0;
}
Value compare_to(Arguments a) {
  return Value::integer(compared(Box::of(a[0]), Box::of(a[1])));
}
Value less(Arguments a) {
  return Value::of(compared(Box::of(a[0]), Box::of(a[1])) < 0);
}
Value greater(Arguments a) {
  return Value::of(compared(Box::of(a[0]), Box::of(a[1])) > 0);
}
Value sign(Arguments a) {
  return Value::integer(compared(Box::of(a[0]), api::Quantity()));
}

// value() rounds up and saturates: equal to what it came from exactly when that is a whole number in range.
bool whole(const api::Quantity& quantity) {
  return compared(api::Quantity::of(quantity.value()), quantity) == 0;
}
Value is_integer(Arguments a) {
  return Value::of(whole(Box::of(a[0])));
}
Value as_integer(Arguments a) {
  const auto& content = Box::of(a[0]);
  return whole(content) ? Value::integer(content.value()) : Value::error("cannot convert value to integer");
}

// The canonical text is a decimal number and a suffix.
double approximate(const api::Quantity& quantity) {
  static constexpr std::pair<std::string_view, double> kSuffixes[] = {
      {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},    {"k", 1e3},     {"M", 1e6},
      {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18},    {"Ki", 0x1p10},
      {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60}};
  const std::string text = quantity.str();
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  for (const auto& [suffix, factor] : kSuffixes) {
    if (suffix == end) return number * factor;
  }
  return number;
}
Value as_double(Arguments a) {
  return Value::of(approximate(Box::of(a[0])));
}

api::Quantity operand(const Value& value) {
  return value.is(Value::Kind::kInt) ? api::Quantity::of(value.as_int()) : Box::of(value);
}
Value add(Arguments a) {
  return Box::box(Box::of(a[0]) + operand(a[1]));
}
Value subtract(Arguments a) {
  return Box::box(Box::of(a[0]) - operand(a[1]));
}

constexpr FunctionRow kRows[] = {
    {"isQuantity(string): bool", is_quantity, Cost::kTraverse},
    {"quantity(string): kubernetes.Quantity", quantity, Cost::kTraverse},
    {"kubernetes.Quantity::compareTo(kubernetes.Quantity): int", compare_to},
    {"kubernetes.Quantity::isLessThan(kubernetes.Quantity): bool", less},
    {"kubernetes.Quantity::isGreaterThan(kubernetes.Quantity): bool", greater},
    {"kubernetes.Quantity::sign(): int", sign},
    {"sign(kubernetes.Quantity): int", sign},
    {"kubernetes.Quantity::isInteger(): bool", is_integer},
    {"kubernetes.Quantity::asInteger(): int", as_integer},
    {"kubernetes.Quantity::asApproximateFloat(): double", as_double},
    {"kubernetes.Quantity::add(kubernetes.Quantity): kubernetes.Quantity", add},
    {"kubernetes.Quantity::add(int): kubernetes.Quantity", add},
    {"kubernetes.Quantity::sub(kubernetes.Quantity): kubernetes.Quantity", subtract},
    {"kubernetes.Quantity::sub(int): kubernetes.Quantity", subtract}};

}  // namespace

std::span<const FunctionRow> quantity_functions() {
  return kRows;
}

}  // namespace mk::cel
