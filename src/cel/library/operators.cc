#include <algorithm>

#include "check/functions.h"
#include "mk/cel/schema_types.h"

// Arithmetic, comparison, membership: the operators of the language.
namespace mk::cel {

namespace {

Value overflow() {
  return Value::error("integer overflow");
}

template <class T, bool (*kOperate)(T, T, T*)>
Value checked(T left, T right) {
  T out{};
  return kOperate(left, right, &out) ? overflow() : Value::of(out);
}

template <class T>
bool add(T left, T right, T* out) {
  return __builtin_add_overflow(left, right, out);
}
template <class T>
bool subtract(T left, T right, T* out) {
  return __builtin_sub_overflow(left, right, out);
}
template <class T>
bool multiply(T left, T right, T* out) {
  return __builtin_mul_overflow(left, right, out);
}

using I = std::int64_t;
using U = std::uint64_t;

template <bool (*kOperate)(I, I, I*)>
Value on_ints(Arguments a) {
  return checked<I, kOperate>(a[0].as_int(), a[1].as_int());
}
template <bool (*kOperate)(U, U, U*)>
Value on_uints(Arguments a) {
  return checked<U, kOperate>(a[0].as_uint(), a[1].as_uint());
}

Value divide_ints(Arguments a) {
  const I left = a[0].as_int(), right = a[1].as_int();
  if (right == 0) return Value::error("division by zero");
  return left == INT64_MIN && right == -1 ? overflow() : Value::of(left / right);
}
Value remainder_ints(Arguments a) {
  const I left = a[0].as_int(), right = a[1].as_int();
  if (right == 0) return Value::error("modulus by zero");
  return left == INT64_MIN && right == -1 ? overflow() : Value::of(left % right);
}
Value divide_uints(Arguments a) {
  return a[1].as_uint() == 0 ? Value::error("division by zero") : Value::of(a[0].as_uint() / a[1].as_uint());
}
Value remainder_uints(Arguments a) {
  return a[1].as_uint() == 0 ? Value::error("modulus by zero") : Value::of(a[0].as_uint() % a[1].as_uint());
}
Value negate_int(Arguments a) {
  return a[0].as_int() == INT64_MIN ? overflow() : Value::of(-a[0].as_int());
}

Value add_doubles(Arguments a) {
  return Value::of(a[0].as_double() + a[1].as_double());
}
Value subtract_doubles(Arguments a) {
  return Value::of(a[0].as_double() - a[1].as_double());
}
Value multiply_doubles(Arguments a) {
  return Value::of(a[0].as_double() * a[1].as_double());
}
Value divide_doubles(Arguments a) {
  return Value::of(a[0].as_double() / a[1].as_double());
}
Value negate_double(Arguments a) {
  return Value::of(-a[0].as_double());
}

Value join_strings(Arguments a) {
  return Value::string(std::string(a[0].as_string()).append(a[1].as_string()));
}
Value join_bytes(Arguments a) {
  return Value::bytes(std::string(a[0].as_bytes()).append(a[1].as_bytes()));
}
// The element of a keyed list that has the same keys; the list's size where there is none.
std::size_t same_keys(const std::vector<Value>& list, const Value& element, const SchemaNode& schema) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const bool same =
        std::all_of(schema.list_map_keys.begin(), schema.list_map_keys.end(), [&](const std::string& key) {
          return list[i].is(Value::Kind::kMap) && element.is(Value::Kind::kMap) &&
                 list[i].find(std::string_view(key)) == element.find(std::string_view(key));
        });
    if (same) return i;
  }
  return list.size();
}

// Lists of a schema that are sets or maps stay so: what is there already is not added, an element with the
// same keys takes the place of the other (Kubernetes' documentation of x-kubernetes-list-type in CEL).
Value join_associative(Arguments a, const SchemaNode& schema) {
  std::vector<Value> out;
  for (std::size_t i = 0; i < a[0].size(); ++i) out.push_back(a[0].at(i));
  for (std::size_t i = 0; i < a[1].size(); ++i) {
    Value each = a[1].at(i);
    const bool keyed = schema.list_type == SchemaNode::ListType::kMap;
    const auto at = keyed ? same_keys(out, each, schema)
                          : static_cast<std::size_t>(std::find(out.begin(), out.end(), each) - out.begin());
    if (at == out.size()) {
      out.push_back(std::move(each));
    } else if (keyed) {
      out[at] = std::move(each);
    }
  }
  return Value::list(std::move(out));
}

Value join_lists(Arguments a) {
  const SchemaNode* schema = a[0].schema();
  if (schema != nullptr && schema->list_type != SchemaNode::ListType::kAtomic)
    return join_associative(a, *schema);
  std::vector<Value> out;
  out.reserve(a[0].size() + a[1].size());
  for (const Value& list : a) {
    for (std::size_t i = 0; i < list.size(); ++i) out.push_back(list.at(i));
  }
  return Value::list(std::move(out));
}

constexpr I kSecond = 1'000'000'000;

Value moved(Timestamp time, __int128 nanos) {
  const __int128 total = static_cast<__int128>(time.seconds) * kSecond + time.nanos + nanos;
  __int128 seconds = total / kSecond, rest = total % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --seconds;
  }
  if (seconds < -62135596800 || seconds > 253402300799) return Value::error("timestamp overflow");
  return Value::of(Timestamp{static_cast<I>(seconds), static_cast<std::int32_t>(rest)});
}
Value add_to_time(Arguments a) {
  return moved(a[0].as_timestamp(), a[1].as_duration().nanos);
}
Value add_time_to(Arguments a) {
  return moved(a[1].as_timestamp(), a[0].as_duration().nanos);
}
Value subtract_from_time(Arguments a) {
  return moved(a[0].as_timestamp(), -static_cast<__int128>(a[1].as_duration().nanos));
}
Value between_times(Arguments a) {
  const auto left = a[0].as_timestamp(), right = a[1].as_timestamp();
  const __int128 nanos =
      static_cast<__int128>(left.seconds - right.seconds) * kSecond + (left.nanos - right.nanos);
  if (nanos > INT64_MAX || nanos < INT64_MIN) return Value::error("duration overflow");
  return Value::of(Duration{static_cast<I>(nanos)});
}
template <bool (*kOperate)(I, I, I*)>
Value on_durations(Arguments a) {
  I out = 0;
  if (kOperate(a[0].as_duration().nanos, a[1].as_duration().nanos, &out))
    return Value::error("duration overflow");
  return Value::of(Duration{out});
}

Value invert(Arguments a) {
  return Value::of(!a[0].as_bool());
}

template <class Holds>
Value ordered(Arguments a, Holds holds) {
  const auto order = compare(a[0], a[1]);
  // NaN is neither less nor greater than anything.
  return Value::of(order && holds(*order));
}
Value less(Arguments a) {
  return ordered(a, [](int order) { return order < 0; });
}
Value less_equal(Arguments a) {
  return ordered(a, [](int order) { return order <= 0; });
}
Value greater(Arguments a) {
  return ordered(a, [](int order) { return order > 0; });
}
Value greater_equal(Arguments a) {
  return ordered(a, [](int order) { return order >= 0; });
}

Value in_list(Arguments a) {
  for (std::size_t i = 0; i < a[1].size(); ++i) {
    if (a[1].at(i) == a[0]) return Value::of(true);
  }
  return Value::of(false);
}
Value in_map(Arguments a) {
  const Value found = a[1].find(a[0]);
  return found.is_error() ? found : Value::of(!found.is_absent());
}

// The overloads of a comparison: each type with itself, numbers with each other.
std::vector<FunctionRow> comparisons() {
  static std::vector<std::string> signatures;  // rows point into it
  static constexpr std::pair<const char*, Implementation> kOperators[] = {
      {"_<_", less}, {"_<=_", less_equal}, {"_>_", greater}, {"_>=_", greater_equal}};
  static constexpr const char* kSame[] = {"bool", "string", "bytes", "timestamp", "duration"};
  static constexpr const char* kNumbers[] = {"int", "uint", "double"};
  signatures.reserve(64);
  std::vector<FunctionRow> rows;
  const auto add_row = [&](const char* name, Implementation run, const char* left, const char* right) {
    signatures.push_back(std::string(name) + "(" + left + ", " + right + "): bool");
    rows.push_back({signatures.back().c_str(), run, Cost::kCompare});
  };
  for (const auto& [name, run] : kOperators) {
    for (const char* type : kSame) add_row(name, run, type, type);
    for (const char* left : kNumbers) {
      for (const char* right : kNumbers) add_row(name, run, left, right);
    }
  }
  return rows;
}

std::vector<FunctionRow> all_operators() {
  std::vector<FunctionRow> rows = comparisons();
  const FunctionRow others[] = {{"_&&_(bool, bool): bool", nullptr},
                                {"_||_(bool, bool): bool", nullptr},
                                {"_?_:_(bool, A, A): A", nullptr},
                                {"_==_(A, A): bool", nullptr},
                                {"_!=_(A, A): bool", nullptr},
                                {"_[_](list<A>, int): A", nullptr},
                                {"_[_](map<A, B>, A): B", nullptr},
                                {"_[_](optional<list<A>>, int): optional<A>", nullptr},
                                {"_[_](optional<map<A, B>>, A): optional<B>", nullptr},
                                {"_[?_](list<A>, int): optional<A>", nullptr},
                                {"_[?_](map<A, B>, A): optional<B>", nullptr},
                                {"_[?_](optional<list<A>>, int): optional<A>", nullptr},
                                {"_[?_](optional<map<A, B>>, A): optional<B>", nullptr},
                                {"@not_strictly_false(bool): bool", nullptr},
                                {"@append(list<A>, A): list<A>", nullptr},
                                {"@put(map<A, B>, A, B): map<A, B>", nullptr},
                                {"@merge(map<A, B>, map<A, B>): map<A, B>", nullptr},
                                {"!_(bool): bool", invert},
                                {"-_(int): int", negate_int},
                                {"-_(double): double", negate_double},
                                {"_+_(int, int): int", on_ints<add<I>>},
                                {"_+_(uint, uint): uint", on_uints<add<U>>},
                                {"_+_(double, double): double", add_doubles},
                                {"_+_(string, string): string", join_strings, Cost::kConcatenate},
                                {"_+_(bytes, bytes): bytes", join_bytes, Cost::kConcatenate},
                                {"_+_(list<A>, list<A>): list<A>", join_lists, Cost::kConcatenate},
                                {"_+_(timestamp, duration): timestamp", add_to_time},
                                {"_+_(duration, timestamp): timestamp", add_time_to},
                                {"_+_(duration, duration): duration", on_durations<add<I>>},
                                {"_-_(int, int): int", on_ints<subtract<I>>},
                                {"_-_(uint, uint): uint", on_uints<subtract<U>>},
                                {"_-_(double, double): double", subtract_doubles},
                                {"_-_(timestamp, duration): timestamp", subtract_from_time},
                                {"_-_(timestamp, timestamp): duration", between_times},
                                {"_-_(duration, duration): duration", on_durations<subtract<I>>},
                                {"_*_(int, int): int", on_ints<multiply<I>>},
                                {"_*_(uint, uint): uint", on_uints<multiply<U>>},
                                {"_*_(double, double): double", multiply_doubles},
                                {"_/_(int, int): int", divide_ints},
                                {"_/_(uint, uint): uint", divide_uints},
                                {"_/_(double, double): double", divide_doubles},
                                {"_%_(int, int): int", remainder_ints},
                                {"_%_(uint, uint): uint", remainder_uints},
                                {"@in(A, list<A>): bool", in_list, Cost::kElementsTwo},
                                {"@in(A, map<A, B>): bool", in_map}};
  rows.insert(rows.end(), std::begin(others), std::end(others));
  return rows;
}

}  // namespace

std::span<const FunctionRow> standard_operators() {
  static const std::vector<FunctionRow> rows = all_operators();
  return rows;
}

}  // namespace mk::cel
