#include "check/functions.h"

// Kubernetes' list library, and the sets extension.
namespace mk::cel {

namespace {

Value is_sorted(Arguments a) {
  for (std::size_t i = 1; i < a[0].size(); ++i) {
    const auto order = compare(a[0].at(i - 1), a[0].at(i));
    if (!order) return Value::error("no such overload");
    if (*order > 0) return Value::of(false);
  }
  return Value::of(true);
}

template <class T, bool (*kAdd)(T, T, T*)>
Value sum_of(const Value& list, T (Value::*as)() const, Value::Kind kind) {
  T total{};
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Value each = list.at(i);
    if (!each.is(kind)) return Value::error("no such overload");
    if (kAdd(total, (each.*as)(), &total)) return Value::error("integer overflow");
  }
  return Value::of(total);
}

template <class T>
bool add_exact(T left, T right, T* out) {
  return __builtin_add_overflow(left, right, out);
}
bool add_real(double left, double right, double* out) {
  *out = left + right;
  return false;
}

Value sum(Arguments a) {
  if (a[0].size() == 0) return Value::integer(0);
  switch (const auto kind = a[0].at(0).kind(); kind) {
    case Value::Kind::kInt:
      return sum_of<std::int64_t, add_exact<std::int64_t>>(a[0], &Value::as_int, kind);
    case Value::Kind::kUint:
      return sum_of<std::uint64_t, add_exact<std::uint64_t>>(a[0], &Value::as_uint, kind);
    case Value::Kind::kDouble:
      return sum_of<double, add_real>(a[0], &Value::as_double, kind);
    case Value::Kind::kDuration: {
      std::int64_t nanos = 0;
      for (std::size_t i = 0; i < a[0].size(); ++i) {
        const Value each = a[0].at(i);
        if (!each.is(kind)) return Value::error("no such overload");
        if (__builtin_add_overflow(nanos, each.as_duration().nanos, &nanos))
          return Value::error("duration overflow");
      }
      return Value::of(Duration{nanos});
    }
    default:
      return Value::error("no such overload");
  }
}

Value extreme(const Value& list, int sign, const char* name) {
  if (list.size() == 0) return Value::error(std::string(name) + " called on empty list");
  Value best = list.at(0);
  for (std::size_t i = 1; i < list.size(); ++i) {
    Value each = list.at(i);
    const auto order = compare(each, best);
    if (!order) return Value::error("no such overload");
    if (*order * sign > 0) best = std::move(each);
  }
  return best;
}
Value least(Arguments a) {
  return extreme(a[0], -1, "min");
}
Value greatest(Arguments a) {
  return extreme(a[0], 1, "max");
}

Value index_of(Arguments a) {
  for (std::size_t i = 0; i < a[0].size(); ++i) {
    if (a[0].at(i) == a[1]) return Value::integer(static_cast<std::int64_t>(i));
  }
  return Value::integer(-1);
}
Value last_index_of(Arguments a) {
  for (std::size_t i = a[0].size(); i-- > 0;) {
    if (a[0].at(i) == a[1]) return Value::integer(static_cast<std::int64_t>(i));
  }
  return Value::integer(-1);
}

bool has(const Value& list, const Value& element) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list.at(i) == element) return true;
  }
  return false;
}
bool has_all(const Value& list, const Value& elements) {
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (!has(list, elements.at(i))) return false;
  }
  return true;
}
Value contains(Arguments a) {
  return Value::of(has_all(a[0], a[1]));
}
Value equivalent(Arguments a) {
  return Value::of(has_all(a[0], a[1]) && has_all(a[1], a[0]));
}
Value intersects(Arguments a) {
  for (std::size_t i = 0; i < a[0].size(); ++i) {
    if (has(a[1], a[0].at(i))) return Value::of(true);
  }
  return Value::of(false);
}

constexpr FunctionRow kLists[] = {{"list<int>::isSorted(): bool", is_sorted, Cost::kElements},
                                  {"list<uint>::isSorted(): bool", is_sorted, Cost::kElements},
                                  {"list<double>::isSorted(): bool", is_sorted, Cost::kElements},
                                  {"list<bool>::isSorted(): bool", is_sorted, Cost::kElements},
                                  {"list<string>::isSorted(): bool", is_sorted, Cost::kElements},
                                  {"list<bytes>::isSorted(): bool", is_sorted, Cost::kElements},
                                  {"list<timestamp>::isSorted(): bool", is_sorted, Cost::kElements},
                                  {"list<duration>::isSorted(): bool", is_sorted, Cost::kElements},
                                  {"list<int>::sum(): int", sum, Cost::kElements},
                                  {"list<uint>::sum(): uint", sum, Cost::kElements},
                                  {"list<double>::sum(): double", sum, Cost::kElements},
                                  {"list<duration>::sum(): duration", sum, Cost::kElements},
                                  {"list<int>::min(): int", least, Cost::kElements},
                                  {"list<uint>::min(): uint", least, Cost::kElements},
                                  {"list<double>::min(): double", least, Cost::kElements},
                                  {"list<bool>::min(): bool", least, Cost::kElements},
                                  {"list<string>::min(): string", least, Cost::kElements},
                                  {"list<bytes>::min(): bytes", least, Cost::kElements},
                                  {"list<timestamp>::min(): timestamp", least, Cost::kElements},
                                  {"list<duration>::min(): duration", least, Cost::kElements},
                                  {"list<int>::max(): int", greatest, Cost::kElements},
                                  {"list<uint>::max(): uint", greatest, Cost::kElements},
                                  {"list<double>::max(): double", greatest, Cost::kElements},
                                  {"list<bool>::max(): bool", greatest, Cost::kElements},
                                  {"list<string>::max(): string", greatest, Cost::kElements},
                                  {"list<bytes>::max(): bytes", greatest, Cost::kElements},
                                  {"list<timestamp>::max(): timestamp", greatest, Cost::kElements},
                                  {"list<duration>::max(): duration", greatest, Cost::kElements},
                                  {"list<A>::indexOf(A): int", index_of, Cost::kElements},
                                  {"list<A>::lastIndexOf(A): int", last_index_of, Cost::kElements}};

constexpr FunctionRow kSets[] = {{"sets.contains(list<A>, list<A>): bool", contains, Cost::kElementsTwo},
                                 {"sets.equivalent(list<A>, list<A>): bool", equivalent, Cost::kElementsTwo},
                                 {"sets.intersects(list<A>, list<A>): bool", intersects, Cost::kElementsTwo}};

}  // namespace

std::span<const FunctionRow> list_functions() {
  return kLists;
}
std::span<const FunctionRow> set_functions() {
  return kSets;
}

}  // namespace mk::cel
