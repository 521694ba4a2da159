#include <algorithm>

#include "check/checker.h"
#include "eval/body.h"
#include "eval/evaluator.h"
#include "mk/cel/env.h"

namespace mk::cel {

Result<Program> Env::compile(std::string_view expression) const {
  auto body = std::make_shared<Program::Body>(std::string(expression));
  parse(body->ast);
  if (body->ast.problems.empty()) check(*this, *body);
  if (!body->ast.problems.empty()) return Error(Reason::kInvalid, body->ast.report());
  return Program(std::shared_ptr<const Program::Body>(std::move(body)));
}

Result<Value> Program::evaluate(const Bindings& bindings, Budget& budget) const {
  Evaluator evaluator(*body_, bindings, std::min(budget.left, limits::kCallCost));
  Value value = evaluator.evaluate(*body_->ast.root);
  budget.left -= std::min(budget.left, evaluator.cost());
  if (evaluator.stopped()) budget.exceeded = true;
  if (value.is_error()) return Error(Reason::kInvalid, value.error_message());
  return value;
}

const TypePtr& Program::type() const {
  return body_->type;
}

const std::string& Program::expression() const {
  return body_->ast.source;
}

bool Program::uses(std::size_t variable) const {
  return variable < body_->uses.size() && body_->uses[variable];
}

}  // namespace mk::cel
