#include "syntax/ast.h"

#include <algorithm>

#include "syntax/lexer.h"

namespace mk::cel {

std::string Ast::report() const {
  auto sorted = problems;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Problem& left, const Problem& right) { return left.offset < right.offset; });
  std::string out;
  for (const auto& problem : sorted) {
    const std::string_view text(source);
    const auto before = text.substr(0, problem.offset);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const auto begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    const auto column = count_code_points(before.substr(begin));
    const auto shown = text.substr(begin, text.find('\n', begin) - begin);
    if (!out.empty()) out += "\n";
    out +=
        "ERROR: <input>:" + std::to_string(line) + ":" + std::to_string(column + 1) + ": " + problem.message;
    out.append("\n | ").append(shown).append("\n | ").append(std::string(column, '.')).append("^");
  }
  return out;
}

}  // namespace mk::cel
