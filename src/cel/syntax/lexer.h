#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "syntax/ast.h"

namespace mk::cel {

struct Token {
  enum class Kind { kEnd, kIdent, kEscapedIdent, kInt, kUint, kDouble, kString, kBytes, kPunctuation, kBad };
  Kind kind = Kind::kEnd;
  std::size_t offset = 0;
  std::string_view source;  // as written
  std::string text;         // of strings and bytes: decoded
};

// The tokens of ast.source, ending with kEnd; what is none becomes a problem of `ast`.
std::vector<Token> tokenize(Ast& ast);

// UTF-8.
void append_utf8(std::string& out, char32_t code_point);
// The code point at `at`, which moves past it; U+FFFD for malformed bytes (one at a time).
char32_t next_code_point(std::string_view text, std::size_t& at);
std::size_t count_code_points(std::string_view text);

}  // namespace mk::cel
