#include <algorithm>

#include "eval/evaluator.h"

namespace mk::cel {

namespace {

std::uint64_t times(std::uint64_t left, std::uint64_t right) {
  std::uint64_t out = 0;
  return __builtin_mul_overflow(left, right, &out) ? UINT64_MAX / 4 : std::min(out, UINT64_MAX / 4);
}

std::uint64_t size_at(Arguments arguments, std::size_t index) {
  return index < arguments.size() ? size_of(arguments[index]) : 1;
}

bool is_text(const Value& value) {
  return value.is(Value::Kind::kString) || value.is(Value::Kind::kBytes);
}

}  // namespace

std::uint64_t size_of(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kString:
      return value.as_string().size();
    case Value::Kind::kBytes:
      return value.as_bytes().size();
    case Value::Kind::kList:
    case Value::Kind::kMap:
      return value.size();
    default:
      return 1;
  }
}

std::uint64_t equality_cost(const Value& left, const Value& right) {
  const auto smaller = std::min(size_of(left), size_of(right));
  // Of lists and maps the elements are compared in turn; what they hold is not looked into beforehand.
  return std::max<std::uint64_t>(1, is_text(left) ? traversal_cost(smaller) : smaller);
}

std::uint64_t call_cost(Cost cost, std::uint64_t first, std::uint64_t second, bool text) {
  const std::uint64_t both = first + second < first ? UINT64_MAX / 4 : first + second;
  switch (cost) {
    case Cost::kOne:
      return 1;
    case Cost::kTraverse:
      return std::max<std::uint64_t>(1, traversal_cost(first));
    case Cost::kTraverseTwo:
      return std::max<std::uint64_t>(1, traversal_cost(both));
    case Cost::kCompare:
      return std::max<std::uint64_t>(1, traversal_cost(std::min(first, second)));
    case Cost::kSearch:
      return std::max<std::uint64_t>(1, times(traversal_cost(first), traversal_cost(second)));
    case Cost::kMatch:
      return std::max<std::uint64_t>(1, times(traversal_cost(first + 1), second / 4 + 1));
    case Cost::kElements:
      return first + 1;
    case Cost::kElementsTwo:
      return times(first, second) + 1;
    case Cost::kConcatenate:
      return 1 + (text ? traversal_cost(both) : both);
    case Cost::kAuthorize:
      return 350'000;
  }
  return 1;
}

std::uint64_t call_cost(Cost cost, Arguments arguments) {
  return call_cost(cost, size_at(arguments, 0), size_at(arguments, 1),
                   !arguments.empty() && is_text(arguments[0]));
}

}  // namespace mk::cel
