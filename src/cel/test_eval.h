#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "mk/cel/env.h"

// For tests: expressions to results in CEL's notation.
namespace mk::cel::testing {

struct Row {
  const char* expression;
  const char* result;
};

inline std::string evaluate(const Env& env, std::string_view expression, std::vector<Value> values = {}) {
  const auto program = env.compile(expression);
  if (!program.ok()) return "compile: " + program.error().message();
  Budget budget;
  const auto value = program->evaluate(ValueBindings(std::move(values)), budget);
  return value.ok() ? value->debug() : "error: " + value.error().message();
}

inline void check_rows(const Env& env, const std::vector<Row>& rows, const std::vector<Value>& values = {}) {
  for (const auto& row : rows) {
    INFO(row.expression);
    CHECK(evaluate(env, row.expression, values) == row.result);
  }
}

inline void check_rows(const std::vector<Row>& rows) {
  check_rows(Env({}), rows);
}

// The first line of the compiler's complaint, without its position.
inline std::string complaint(const Env& env, std::string_view expression) {
  const auto program = env.compile(expression);
  if (program.ok()) return "";
  const std::string text = program.error().message();
  const auto begin = text.find(": ", text.find("<input>"));
  return text.substr(begin + 2, text.find('\n') - begin - 2);
}

}  // namespace mk::cel::testing
