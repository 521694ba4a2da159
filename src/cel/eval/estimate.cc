#include <algorithm>

#include "eval/evaluator.h"
#include "mk/cel/cost.h"

namespace mk::cel {

namespace {

constexpr std::uint64_t kMost = UINT64_MAX / 4;
constexpr std::uint64_t kUnknownSize = 3 * 1024 * 1024;  // what fits into a request

std::uint64_t plus(std::uint64_t left, std::uint64_t right) {
  return std::min(kMost, std::min(left, kMost) + std::min(right, kMost));
}
std::uint64_t times(std::uint64_t left, std::uint64_t right) {
  std::uint64_t out = 0;
  return __builtin_mul_overflow(left, right, &out) ? kMost : std::min(out, kMost);
}
CostEstimate operator+(const CostEstimate& left, const CostEstimate& right) {
  return {plus(left.min, right.min), plus(left.max, right.max)};
}
CostEstimate exactly(std::uint64_t cost) {
  return {cost, cost};
}

// What is known of a value: at most how large, and what it holds.
struct Shape {
  std::uint64_t size_max = 1;
  const SchemaNode* schema = nullptr;
  std::shared_ptr<const Shape> element;  // of computed lists
};
struct Estimated {
  CostEstimate cost;
  Shape shape;
};

bool has_size(const Type& type) {
  using Kind = Type::Kind;
  switch (type.kind) {
    case Kind::kDyn:
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kList:
    case Kind::kMap:
    case Kind::kObject:
    case Kind::kOptional:
      return true;
    default:
      return false;
  }
}

Shape shape_of(const SchemaNode* schema) {
  return {schema != nullptr ? schema->size_max : kUnknownSize, schema, nullptr};
}

Shape element_of(const Shape& container) {
  if (container.element) return *container.element;
  return shape_of(container.schema != nullptr ? container.schema->element.get() : nullptr);
}

Shape field_of(const Shape& object, const std::string& property) {
  if (object.schema == nullptr) return shape_of(nullptr);
  const auto found = object.schema->properties.find(property);
  return found == object.schema->properties.end() ? element_of(object) : shape_of(found->second.get());
}

Shape wider(const Shape& left, const Shape& right) {
  return left.size_max >= right.size_max ? left : right;
}

class Estimator {
 public:
  Estimator(const Program::Body& body, const std::vector<const SchemaNode*>& schemas)
      : schemas_(schemas), slots_(body.slots) {}

  Estimated estimate(const Expr& expr) {
    Estimated out = by_kind(expr);
    if (expr.type && !has_size(*expr.type)) out.shape = Shape();
    return out;
  }

 private:
  Estimated by_kind(const Expr& expr) {
    switch (expr.kind) {
      case Expr::Kind::kConstant:
        return {CostEstimate(), Shape{size_of(expr.constant), nullptr, nullptr}};
      case Expr::Kind::kIdent:
        return {exactly(costs::kRead), named(expr)};
      case Expr::Kind::kSelect:
        return select(expr);
      case Expr::Kind::kCall:
        return call(expr);
      case Expr::Kind::kList:
        return literal(expr, costs::kList, 1);
      case Expr::Kind::kMap:
        return literal(expr, costs::kMap, 2);
      case Expr::Kind::kStruct:
        return literal(expr, costs::kStruct, 1);
      case Expr::Kind::kComprehension:
        return comprehension(expr);
    }
    return {};
  }

  Shape named(const Expr& expr) const {
    if (expr.slot >= 0) return slots_[static_cast<std::size_t>(expr.slot)];
    const auto index = static_cast<std::size_t>(expr.global);
    return shape_of(index < schemas_.size() ? schemas_[index] : nullptr);
  }

  Estimated select(const Expr& expr) {
    const Estimated operand = estimate(*expr.arguments[0]);
    return {operand.cost + exactly(costs::kRead),
            expr.test_only ? Shape() : field_of(operand.shape, expr.property)};
  }

  // Of a list, elements; of a map, values.
  Estimated literal(const Expr& expr, std::uint64_t base, std::size_t stride) {
    Estimated out{exactly(base), Shape{expr.arguments.size() / stride, nullptr, nullptr}};
    Shape element;
    for (std::size_t i = 0; i < expr.arguments.size(); ++i) {
      const Estimated entry = estimate(*expr.arguments[i]);
      out.cost = out.cost + entry.cost;
      if (i % stride == stride - 1) element = wider(element, entry.shape);
    }
    out.shape.element = std::make_shared<const Shape>(std::move(element));
    return out;
  }

  Estimated call(const Expr& expr) {
    std::vector<Estimated> arguments;
    CostEstimate sum;
    for (const Expr* argument : expr.arguments) {
      arguments.push_back(estimate(*argument));
      sum = sum + arguments.back().cost;
    }
    switch (expr.operation) {
      case Operation::kAnd:
      case Operation::kOr:
        return {{arguments[0].cost.min, plus(sum.max, 1)}, Shape()};
      case Operation::kConditional:
        return {{plus(arguments[0].cost.min, std::min(arguments[1].cost.min, arguments[2].cost.min)),
                 plus(arguments[0].cost.max, std::max(arguments[1].cost.max, arguments[2].cost.max))},
                wider(arguments[1].shape, arguments[2].shape)};
      case Operation::kEqual:
      case Operation::kNotEqual: {
        const auto size = std::min(arguments[0].shape.size_max, arguments[1].shape.size_max);
        return {sum + CostEstimate{1, std::max<std::uint64_t>(
                                          1, is_text(*expr.arguments[0]) ? traversal_cost(size) : size)},
                Shape()};
      }
      case Operation::kIndex:
      case Operation::kOptionalIndex:
        return {sum + exactly(1), element_of(arguments[0].shape)};
      case Operation::kOptionalSelect:
        return {arguments[0].cost + exactly(1), field_of(arguments[0].shape, expr.property)};
      case Operation::kOptionalOr:
      case Operation::kOptionalOrValue:
        return {sum + exactly(1), wider(arguments[0].shape, arguments[1].shape)};
      case Operation::kNotStrictlyFalse:
        return {sum, Shape()};
      case Operation::kAppend:
        return append(sum, arguments);
      case Operation::kPut:
      case Operation::kMerge:
        return {sum + exactly(1), arguments[0].shape};
      case Operation::kInvoke:
        break;
    }
    return invoke(expr, sum, arguments);
  }

  // The element of the list that a comprehension makes; how many there are is the comprehension's to say.
  static Estimated append(const CostEstimate& sum, const std::vector<Estimated>& arguments) {
    Shape list = arguments[0].shape;
    list.element = std::make_shared<const Shape>(arguments[1].shape);
    return {sum + exactly(1), std::move(list)};
  }

  static bool is_text(const Expr& expr) {
    return expr.type && (expr.type->kind == Type::Kind::kString || expr.type->kind == Type::Kind::kBytes);
  }

  Estimated invoke(const Expr& expr, const CostEstimate& sum, const std::vector<Estimated>& arguments) {
    const auto size = [&](std::size_t i) { return i < arguments.size() ? arguments[i].shape.size_max : 1; };
    std::uint64_t most = 1;
    bool joins = false;
    for (const Overload* overload : expr.overloads) {
      if (expr.name == "size") break;  // as Kubernetes counts it: lengths are known
      const bool text = !expr.arguments.empty() && is_text(*expr.arguments[0]);
      most = std::max(most, call_cost(overload->cost, size(0), size(1), text));
      joins = joins || overload->cost == Cost::kConcatenate;
    }
    Shape shape;
    if (joins) {
      shape = {plus(size(0), size(1)), nullptr, nullptr};
      if (!arguments.empty()) shape.element = std::make_shared<const Shape>(element_of(arguments[0].shape));
    } else if (expr.name == "replace") {
      shape.size_max = times(size(0), std::max<std::uint64_t>(1, size(2)));
    } else if (expr.name == "dyn" && !arguments.empty()) {
      shape = arguments[0].shape;
    } else {
      // Parts of what went in: at most as large, and each part too.
      shape.size_max = plus(size(0), 0);
      shape.element = std::make_shared<const Shape>(Shape{size(0), nullptr, nullptr});
    }
    return {sum + CostEstimate{1, std::min(most, kMost)}, std::move(shape)};
  }

  Estimated comprehension(const Expr& expr) {
    const Estimated range = estimate(*expr.arguments[0]), initial = estimate(*expr.arguments[1]);
    const auto slot = static_cast<std::size_t>(expr.slot);
    const bool is_map = expr.arguments[0]->type && expr.arguments[0]->type->kind == Type::Kind::kMap;
    const bool two = !expr.second_variable.empty();
    // Keys of maps are text; their length is not declared anywhere.
    const Shape key =
        is_map ? Shape{kUnknownSize / std::max<std::uint64_t>(1, range.shape.size_max), nullptr, nullptr}
               : Shape();
    slots_[slot] = is_map || two ? key : element_of(range.shape);
    slots_[slot + 1] = element_of(range.shape);
    slots_[slot + 2] = initial.shape;
    const Estimated condition = estimate(*expr.arguments[2]), step = estimate(*expr.arguments[3]);
    Shape result = initial.shape;
    const std::uint64_t rounds = range.shape.size_max;
    if (rounds > 0) {
      result = wider(initial.shape, step.shape);
      if (step.shape.element) result.element = step.shape.element;
      if (expr.arguments[1]->kind == Expr::Kind::kList || expr.arguments[1]->kind == Expr::Kind::kMap)
        result.size_max = std::max(result.size_max, rounds);
    }
    slots_[slot + 2] = result;
    const Estimated final_value = estimate(*expr.arguments[4]);
    const CostEstimate loop{0, times(rounds, plus(condition.cost.max, step.cost.max))};
    return {range.cost + initial.cost + loop + final_value.cost, final_value.shape};
  }

  const std::vector<const SchemaNode*>& schemas_;
  std::vector<Shape> slots_;
};

}  // namespace

CostEstimate estimate_cost(const Program& program, const std::vector<const SchemaNode*>& schemas) {
  return Estimator(program.body(), schemas).estimate(*program.body().ast.root).cost;
}

}  // namespace mk::cel
