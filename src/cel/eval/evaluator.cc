#include "eval/evaluator.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "eval/accumulators.h"

namespace mk::cel {

namespace {

Value no_overload() {
  return Value::error("no such overload");
}

std::string key_text(const Value& key) {
  return key.is(Value::Kind::kString) ? std::string(key.as_string()) : key.debug();
}

// The element of a list at a number, which may be of any numeric type with a whole value.
std::optional<std::int64_t> whole_number(const Value& value) {
  if (value.is(Value::Kind::kInt)) return value.as_int();
  if (value.is(Value::Kind::kUint))
    return value.as_uint() <= INT64_MAX ? std::optional<std::int64_t>(value.as_uint()) : std::nullopt;
  if (!value.is(Value::Kind::kDouble)) return std::nullopt;
  const double real = value.as_double();
  if (!(std::abs(real) < 0x1p62) || real != std::floor(real)) return std::nullopt;
  return static_cast<std::int64_t>(real);
}

// Absent where there is none.
Value element_of(const Value& container, const Value& key) {
  if (container.is(Value::Kind::kMap)) return container.find(key);
  if (!container.is(Value::Kind::kList)) return no_overload();
  const auto index = whole_number(key);
  if (!index) return no_overload();
  if (*index < 0 || static_cast<std::uint64_t>(*index) >= container.size()) return Value::absent();
  return container.at(static_cast<std::size_t>(*index));
}

Value missing(const Value& container, const Value& key) {
  if (container.is(Value::Kind::kList)) return Value::error("index out of bounds: " + key_text(key));
  return Value::error("no such key: " + key_text(key));
}

Value as_optional(Value found) {
  if (found.is_error()) return found;
  return found.is_absent() ? Value::none() : Value::optional(std::move(found));
}

Value field_of(const Value& operand, const std::string& name) {
  if (!operand.is(Value::Kind::kMap)) return no_overload();
  return operand.find(std::string_view(name));
}

}  // namespace

Value Evaluator::stop_error() {
  return Value::error("operation cancelled: actual cost limit exceeded");
}

Value Evaluator::evaluate(const Expr& expr) {
  if (stopped_) return stop_error();
  switch (expr.kind) {
    case Expr::Kind::kConstant:
      return expr.constant;
    case Expr::Kind::kIdent:
      return ident(expr);
    case Expr::Kind::kSelect:
      return select(expr);
    case Expr::Kind::kCall:
      return call(expr);
    case Expr::Kind::kList:
      return list(expr);
    case Expr::Kind::kMap:
      return map(expr);
    case Expr::Kind::kStruct:
      return structure(expr);
    case Expr::Kind::kComprehension:
      return comprehension(expr);
  }
  return no_overload();
}

Value Evaluator::ident(const Expr& expr) {
  if (!charge(costs::kRead)) return stop_error();
  return expr.slot >= 0 ? slots_[static_cast<std::size_t>(expr.slot)]
                        : bindings_.get(static_cast<std::size_t>(expr.global));
}

Value Evaluator::select(const Expr& expr) {
  Value operand = evaluate(*expr.arguments[0]);
  if (operand.is_error()) return operand;
  if (!charge(costs::kRead)) return stop_error();
  const bool optional = operand.is(Value::Kind::kOptional);
  if (optional) {
    if (operand.as_optional() == nullptr) return expr.test_only ? Value::of(false) : operand;
    operand = Value(*operand.as_optional());
  }
  Value found = field_of(operand, expr.property);
  if (expr.test_only) return found.is_error() ? found : Value::of(!found.is_absent());
  if (optional) return as_optional(std::move(found));
  return found.is_absent() ? Value::error("no such key: " + expr.property) : found;
}

Value Evaluator::call(const Expr& expr) {
  switch (expr.operation) {
    case Operation::kInvoke:
      return invoke(expr);
    case Operation::kAnd:
      return logical(expr, false);
    case Operation::kOr:
      return logical(expr, true);
    case Operation::kConditional:
      return conditional(expr);
    case Operation::kEqual:
      return equality(expr, true);
    case Operation::kNotEqual:
      return equality(expr, false);
    case Operation::kIndex:
      return index(expr, false);
    case Operation::kOptionalIndex:
      return index(expr, true);
    case Operation::kOptionalSelect:
      return optional_select(expr);
    case Operation::kOptionalOr:
      return optional_or(expr, false);
    case Operation::kOptionalOrValue:
      return optional_or(expr, true);
    case Operation::kNotStrictlyFalse:
      return Value::of(!evaluate(*expr.arguments[0]).is_false());
    case Operation::kAppend:
      return append(expr);
    case Operation::kPut:
    case Operation::kMerge:
      return put(expr);
  }
  return no_overload();
}

// && and ||: `absorbing` decides whatever the other side is, an error included.
Value Evaluator::logical(const Expr& expr, bool absorbing) {
  const auto decides = [&](const Value& value) { return absorbing ? value.is_true() : value.is_false(); };
  Value left = evaluate(*expr.arguments[0]);
  if (stopped_ || decides(left)) return left;
  Value right = evaluate(*expr.arguments[1]);
  if (stopped_ || decides(right)) return right;
  if (!charge(1)) return stop_error();
  if (left.is_error()) return left;
  if (right.is_error()) return right;
  if (!left.is(Value::Kind::kBool) || !right.is(Value::Kind::kBool)) return no_overload();
  return Value::of(!absorbing);
}

Value Evaluator::conditional(const Expr& expr) {
  const Value condition = evaluate(*expr.arguments[0]);
  if (condition.is_error()) return condition;
  if (!condition.is(Value::Kind::kBool)) return no_overload();
  return evaluate(*expr.arguments[condition.as_bool() ? 1 : 2]);
}

Value Evaluator::equality(const Expr& expr, bool equal) {
  const Value left = evaluate(*expr.arguments[0]);
  if (left.is_error()) return left;
  const Value right = evaluate(*expr.arguments[1]);
  if (right.is_error()) return right;
  if (!charge(equality_cost(left, right))) return stop_error();
  return Value::of((left == right) == equal);
}

Value Evaluator::index(const Expr& expr, bool optional) {
  Value container = evaluate(*expr.arguments[0]);
  if (container.is_error()) return container;
  const Value key = evaluate(*expr.arguments[1]);
  if (key.is_error()) return key;
  if (!charge(costs::kRead)) return stop_error();
  if (container.is(Value::Kind::kOptional)) {
    if (container.as_optional() == nullptr) return container;
    container = Value(*container.as_optional());
    optional = true;
  }
  Value found = element_of(container, key);
  if (optional) return as_optional(std::move(found));
  return found.is_absent() ? missing(container, key) : found;
}

Value Evaluator::optional_select(const Expr& expr) {
  Value operand = evaluate(*expr.arguments[0]);
  if (operand.is_error()) return operand;
  if (!charge(costs::kRead)) return stop_error();
  if (operand.is(Value::Kind::kOptional)) {
    if (operand.as_optional() == nullptr) return operand;
    operand = Value(*operand.as_optional());
  }
  return as_optional(field_of(operand, expr.property));
}

Value Evaluator::optional_or(const Expr& expr, bool value) {
  const Value left = evaluate(*expr.arguments[0]);
  if (left.is_error()) return left;
  if (!left.is(Value::Kind::kOptional)) return no_overload();
  if (!charge(1)) return stop_error();
  if (left.as_optional() == nullptr) return evaluate(*expr.arguments[1]);
  return value ? *left.as_optional() : left;
}

// accumulator + [element], without copying where nobody else holds the accumulator.
Value Evaluator::append(const Expr& expr) {
  Value element = evaluate(*expr.arguments[1]);
  Value& slot = slots_[static_cast<std::size_t>(expr.arguments[0]->slot)];
  if (stopped_ || slot.is_error()) return stopped_ ? stop_error() : slot;
  if (element.is_error()) return element;
  if (!charge(1)) return stop_error();
  const auto* shared = slot.shared_list();
  if (shared != nullptr && shared->use_count() == 1) {
    if (const auto* growing = dynamic_cast<const GrowingList*>(shared->get())) {
      // Made by append() below and held by the slot alone.
      const_cast<GrowingList*>(growing)->elements.push_back(std::move(element));
      return std::move(slot);
    }
  }
  auto grown = std::make_shared<GrowingList>();
  for (std::size_t i = 0; i < slot.size(); ++i) grown->elements.push_back(slot.at(i));
  grown->elements.push_back(std::move(element));
  return Value::list(std::shared_ptr<const List>(std::move(grown)));
}

// @put(accumulator, key, value) and @merge(accumulator, map).
Value Evaluator::put(const Expr& expr) {
  Value first = evaluate(*expr.arguments[1]);
  Value value = expr.operation == Operation::kPut ? evaluate(*expr.arguments[2]) : Value::null();
  Value& slot = slots_[static_cast<std::size_t>(expr.arguments[0]->slot)];
  if (stopped_ || slot.is_error()) return stopped_ ? stop_error() : slot;
  if (first.is_error()) return first;
  if (value.is_error()) return value;
  if (!charge(1)) return stop_error();
  const auto* shared = slot.shared_map();
  const GrowingMap* own = shared != nullptr && shared->use_count() == 1
                              ? dynamic_cast<const GrowingMap*>(shared->get())
                              : nullptr;
  std::shared_ptr<GrowingMap> copied;
  if (own == nullptr) {
    copied = std::make_shared<GrowingMap>();
    slot.for_each_key([&](const Value& key) { return copied->insert(key, slot.find(key)); });
  }
  GrowingMap& grown = own != nullptr ? *const_cast<GrowingMap*>(own) : *copied;
  std::string duplicate;
  if (expr.operation == Operation::kPut) {
    if (!grown.insert(first, std::move(value))) duplicate = key_text(first);
  } else {
    if (!first.is(Value::Kind::kMap)) return no_overload();
    first.for_each_key([&](const Value& key) {
      if (!grown.insert(key, first.find(key))) duplicate = key_text(key);
      return duplicate.empty();
    });
  }
  if (!duplicate.empty()) return Value::error("insert failed: key " + duplicate + " already exists");
  return own != nullptr ? Value(std::move(slot)) : Value::map(std::shared_ptr<const Map>(std::move(copied)));
}

Value Evaluator::invoke(const Expr& expr) {
  std::array<Value, 4> few;
  std::vector<Value> many;
  const std::size_t count = expr.arguments.size();
  if (count > few.size()) many.resize(count);
  const std::span<Value> arguments =
      count > few.size() ? std::span<Value>(many) : std::span<Value>(few.data(), count);
  for (std::size_t i = 0; i < count; ++i) {
    arguments[i] = evaluate(*expr.arguments[i]);
    if (arguments[i].is_error()) return arguments[i];
  }
  for (const Overload* overload : expr.overloads) {
    bool matches = overload->run != nullptr;
    for (std::size_t i = 0; i < count && matches; ++i) matches = fits(*overload->parameters[i], arguments[i]);
    if (!matches) continue;
    if (!charge(call_cost(overload->cost, arguments))) return stop_error();
    return overload->run(arguments);
  }
  return no_overload();
}

Value Evaluator::list(const Expr& expr) {
  if (!charge(costs::kList)) return stop_error();
  std::vector<Value> elements;
  elements.reserve(expr.arguments.size());
  for (std::size_t i = 0; i < expr.arguments.size(); ++i) {
    Value element = evaluate(*expr.arguments[i]);
    if (element.is_error()) return element;
    if (expr.optional_entries[i]) {
      if (!element.is(Value::Kind::kOptional)) return no_overload();
      if (element.as_optional() == nullptr) continue;
      element = Value(*element.as_optional());
    }
    elements.push_back(std::move(element));
  }
  return Value::list(std::move(elements));
}

Value Evaluator::map(const Expr& expr) {
  if (!charge(costs::kMap)) return stop_error();
  auto out = std::make_shared<GrowingMap>();
  for (std::size_t i = 0; i + 1 < expr.arguments.size(); i += 2) {
    Value key = evaluate(*expr.arguments[i]);
    if (key.is_error()) return key;
    Value value = evaluate(*expr.arguments[i + 1]);
    if (value.is_error()) return value;
    if (expr.optional_entries[i / 2]) {
      if (!value.is(Value::Kind::kOptional)) return no_overload();
      if (value.as_optional() == nullptr) continue;
      value = Value(*value.as_optional());
    }
    if (key.is(Value::Kind::kDouble) || key.is(Value::Kind::kNull) || key.is(Value::Kind::kList) ||
        key.is(Value::Kind::kMap))
      return Value::error("unsupported key type: " + key.runtime_type()->str());
    if (!out->insert(key, std::move(value)))
      return Value::error("Failed with repeated key: " + key_text(key));
  }
  return Value::map(std::shared_ptr<const Map>(std::move(out)));
}

Value Evaluator::structure(const Expr& expr) {
  if (!charge(costs::kStruct)) return stop_error();
  std::vector<std::pair<Value, Value>> fields;
  for (std::size_t i = 0; i < expr.arguments.size(); ++i) {
    Value value = evaluate(*expr.arguments[i]);
    if (value.is_error()) return value;
    if (expr.optional_entries[i]) {
      if (!value.is(Value::Kind::kOptional)) return no_overload();
      if (value.as_optional() == nullptr) continue;
      value = Value(*value.as_optional());
    }
    fields.emplace_back(Value::string(expr.fields[i]), std::move(value));
  }
  return Value::map(std::move(fields), expr.name);
}

Value Evaluator::comprehension(const Expr& expr) {
  Value range = evaluate(*expr.arguments[0]);
  if (range.is_error()) return range;
  if (!range.is(Value::Kind::kList) && !range.is(Value::Kind::kMap)) return no_overload();
  const auto accumulator = static_cast<std::size_t>(expr.slot) + 2;
  slots_[accumulator] = evaluate(*expr.arguments[1]);
  if (Value stopped = loop(expr, range); stopped.is_error()) return stopped;
  Value out = evaluate(*expr.arguments[4]);
  slots_[accumulator] = Value();
  return out;
}

Value Evaluator::loop(const Expr& expr, const Value& range) {
  const auto first = static_cast<std::size_t>(expr.slot);
  const bool two = !expr.second_variable.empty();
  if (range.is(Value::Kind::kList)) {
    for (std::size_t i = 0; i < range.size(); ++i) {
      if (two) slots_[first] = Value::integer(static_cast<std::int64_t>(i));
      slots_[first + (two ? 1 : 0)] = range.at(i);
      if (!step(expr)) break;
    }
  } else {
    range.for_each_key([&](const Value& key) {
      slots_[first] = key;
      if (two) slots_[first + 1] = range.find(key);
      return step(expr);
    });
  }
  return stopped_ ? stop_error() : Value::null();
}

bool Evaluator::step(const Expr& expr) {
  const Value go_on = evaluate(*expr.arguments[2]);
  if (stopped_ || go_on.is_false()) return false;
  Value next = evaluate(*expr.arguments[3]);
  slots_[static_cast<std::size_t>(expr.slot) + 2] = std::move(next);
  return !stopped_;
}

}  // namespace mk::cel
