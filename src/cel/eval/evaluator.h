#pragma once

#include "check/functions.h"
#include "eval/body.h"

namespace mk::cel {

// One evaluation of a program.
class Evaluator {
 public:
  Evaluator(const Program::Body& body, const Bindings& bindings, std::uint64_t cost_max)
      : bindings_(bindings), cost_max_(cost_max), slots_(body.slots) {}

  Value evaluate(const Expr& expr);
  std::uint64_t cost() const { return cost_; }
  bool stopped() const { return stopped_; }

 private:
  bool charge(std::uint64_t cost) {
    cost_ += cost;
    if (cost_ > cost_max_) stopped_ = true;
    return !stopped_;
  }
  static Value stop_error();

  Value ident(const Expr& expr);
  Value select(const Expr& expr);
  Value call(const Expr& expr);
  Value logical(const Expr& expr, bool absorbing);
  Value conditional(const Expr& expr);
  Value equality(const Expr& expr, bool equal);
  Value index(const Expr& expr, bool optional);
  Value optional_select(const Expr& expr);
  Value optional_or(const Expr& expr, bool value);
  Value append(const Expr& expr);
  Value put(const Expr& expr);
  Value invoke(const Expr& expr);
  Value list(const Expr& expr);
  Value map(const Expr& expr);
  Value structure(const Expr& expr);
  Value comprehension(const Expr& expr);
  Value loop(const Expr& expr, const Value& range);
  // One round; false when the loop ends.
  bool step(const Expr& expr);

  const Bindings& bindings_;
  const std::uint64_t cost_max_;
  std::uint64_t cost_ = 0;
  bool stopped_ = false;
  std::vector<Value> slots_;
};

// Of the call of an overload, by the sizes of its first two arguments; `text`: the first is characters or
// bytes. Saturates.
std::uint64_t call_cost(Cost cost, std::uint64_t first, std::uint64_t second, bool text);
std::uint64_t call_cost(Cost cost, Arguments arguments);
// Characters, bytes, elements or entries; 1 for all else.
std::uint64_t size_of(const Value& value);
// Characters and bytes are read ten to a unit.
constexpr std::uint64_t traversal_cost(std::uint64_t size) {
  return size / 10 + (size % 10 != 0 ? 1 : 0);
}
// The cost of comparing for equality.
std::uint64_t equality_cost(const Value& left, const Value& right);

namespace costs {
inline constexpr std::uint64_t kRead = 1;   // of a variable or a field
inline constexpr std::uint64_t kList = 10;  // making one
inline constexpr std::uint64_t kMap = 30;
inline constexpr std::uint64_t kStruct = 40;
}  // namespace costs

}  // namespace mk::cel
