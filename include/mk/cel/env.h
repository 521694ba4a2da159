#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mk/base/result.h"
#include "mk/cel/type.h"
#include "mk/cel/value.h"

// The Common Expression Language as Kubernetes speaks it (cel-spec langdef.md; Kubernetes' documentation,
// "Common Expression Language in Kubernetes"): standard definitions and macros, two-variable comprehensions,
// optionals, cel.bind, strings, lists, sets, and Kubernetes' libraries.
namespace mk::cel {

// What Kubernetes allows.
namespace limits {
inline constexpr std::size_t kExpressionSize = 100'000;   // code points
inline constexpr int kParseDepth = 250;                   // nesting
inline constexpr std::uint64_t kCallCost = 1'000'000;     // one evaluation
inline constexpr std::uint64_t kCostBudget = 10'000'000;  // all evaluations for one object
inline constexpr std::uint64_t kMatchConditionsBudget = 2'500'000;
inline constexpr std::uint64_t kStaticCost = 10'000'000;      // estimated, one rule of a CRD
inline constexpr std::uint64_t kStaticCrdCost = 100'000'000;  // estimated, all rules of a CRD
}  // namespace limits

struct Variable {
  Variable(std::string name_, TypePtr type_) : name(std::move(name_)), type(std::move(type_)) {}
  std::string name;
  TypePtr type;
};

// Values of an Env's variables while an expression runs.
class Bindings {
 public:
  virtual ~Bindings() = default;
  // `index` counts the Env's variables. Asked on use, and again on each use: implementations cache what is
  // costly. May be an error.
  virtual Value get(std::size_t index) const = 0;
};

// Bindings by position.
class ValueBindings : public Bindings {
 public:
  explicit ValueBindings(std::vector<Value> values) : values_(std::move(values)) {}
  Value get(std::size_t index) const override {
    return index < values_.size() ? values_[index] : Value::error("no value for a variable");
  }

 private:
  std::vector<Value> values_;
};

// Cost that may still be spent, in CEL's units. Shared by evaluations that belong together.
struct Budget {
  explicit Budget(std::uint64_t left_ = limits::kCostBudget) : left(left_) {}
  std::uint64_t left;
  // True once an evaluation stopped because it was used up (or because of limits::kCallCost).
  bool exceeded = false;
};

// A checked expression. Immutable; evaluation may happen on several threads at once.
class Program {
 public:
  struct Body;
  explicit Program(std::shared_ptr<const Body> body) : body_(std::move(body)) {}

  // The error's message is CEL's ("no such key: x", "division by zero"). When budget.exceeded is set by this
  // call the message is "operation cancelled: actual cost limit exceeded".
  Result<Value> evaluate(const Bindings& bindings, Budget& budget) const;

  const TypePtr& type() const;            // what the checker found
  const std::string& expression() const;  // as compiled
  // Does it mention the variable with this index?
  bool uses(std::size_t variable) const;
  // For this room.
  const Body& body() const { return *body_; }

 private:
  std::shared_ptr<const Body> body_;
};

// The names an expression may use. Cheap to copy; the provider outlives it and its programs' compilation.
class Env {
 public:
  // `provider` may be nullptr: no object types.
  explicit Env(std::vector<Variable> variables, const TypeProvider* provider = nullptr)
      : variables_(std::move(variables)), provider_(provider) {}

  // kInvalid; the message is one line for each error with the source below it, as Kubernetes shows it:
  //   ERROR: <input>:1:8: undeclared reference to 'foo' (in container '')
  //    | object.foo
  //    | .......^
  Result<Program> compile(std::string_view expression) const;

  const std::vector<Variable>& variables() const { return variables_; }
  const TypeProvider* provider() const { return provider_; }

 private:
  std::vector<Variable> variables_;
  const TypeProvider* provider_;
};

}  // namespace mk::cel
