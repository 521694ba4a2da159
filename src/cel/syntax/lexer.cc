#include "syntax/lexer.h"

#include <array>
#include <cctype>

namespace mk::cel {

void append_utf8(std::string& out, char32_t code_point) {
  const auto byte = [&](char32_t value) { out.push_back(static_cast<char>(value)); };
  if (code_point < 0x80) return byte(code_point);
  if (code_point < 0x800) {
    byte(0xC0 | (code_point >> 6));
  } else if (code_point < 0x10000) {
    byte(0xE0 | (code_point >> 12));
    byte(0x80 | ((code_point >> 6) & 0x3F));
  } else {
    byte(0xF0 | (code_point >> 18));
    byte(0x80 | ((code_point >> 12) & 0x3F));
    byte(0x80 | ((code_point >> 6) & 0x3F));
  }
  byte(0x80 | (code_point & 0x3F));
}

char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int extra = lead >= 0xF0 && lead < 0xF8   ? 3
                    : lead >= 0xE0 && lead < 0xF0 ? 2
                    : lead >= 0xC2 && lead < 0xE0 ? 1
                                                  : 0;
  if (extra == 0 || at + static_cast<std::size_t>(extra) > text.size()) return 0xFFFD;
  char32_t value = lead & (0x3F >> extra);
  for (int i = 0; i < extra; ++i) {
    const auto next = static_cast<unsigned char>(text[at + static_cast<std::size_t>(i)]);
    if ((next & 0xC0) != 0x80) return 0xFFFD;
    value = (value << 6) | (next & 0x3F);
  }
  if ((extra == 2 && value < 0x800) || (extra == 3 && value < 0x10000) || value > 0x10FFFF ||
      (value >= 0xD800 && value < 0xE000))
    return 0xFFFD;
  at += static_cast<std::size_t>(extra);
  return value;
}

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) next_code_point(text, at);
  return count;
}

namespace {

bool starts_ident(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_';
}
bool in_ident(char c) {
  return starts_ident(c) || std::isdigit(static_cast<unsigned char>(c));
}
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

class Lexer {
 public:
  explicit Lexer(Ast& ast) : ast_(ast), text_(ast.source) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    for (;;) {
      skip_blank();
      Token token;
      token.offset = at_;
      if (at_ < text_.size()) next(token);
      token.source = text_.substr(token.offset, at_ - token.offset);
      if (token.kind == Token::Kind::kBad) continue;
      tokens.push_back(token);
      if (token.kind == Token::Kind::kEnd) return tokens;
    }
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void skip_blank() {
    for (; at_ < text_.size(); ++at_) {
      if (peek() == '/' && peek(1) == '/') {
        while (at_ < text_.size() && peek() != '\n') ++at_;
      }
      if (at_ >= text_.size() || std::string_view(" \t\r\n\f").find(peek()) == std::string_view::npos) return;
    }
  }

  void bad(Token& token, std::size_t end) {
    token.kind = Token::Kind::kBad;
    at_ = std::min(end, text_.size());
    ast_.problem(token.offset, "Syntax error: token recognition error at: '" +
                                   std::string(text_.substr(token.offset, at_ - token.offset)) + "'");
  }

  void next(Token& token) {
    if (string_begins()) return read_string(token);
    if (starts_ident(peek())) {
      token.kind = Token::Kind::kIdent;
      while (in_ident(peek())) ++at_;
      return;
    }
    if (peek() == '`') return read_escaped(token);
    if (std::isdigit(static_cast<unsigned char>(peek())) ||
        (peek() == '.' && std::isdigit(static_cast<unsigned char>(peek(1)))))
      return read_number(token);
    read_punctuation(token);
  }

  void read_punctuation(Token& token) {
    static constexpr std::array<std::string_view, 6> kTwo{"&&", "||", "<=", ">=", "==", "!="};
    token.kind = Token::Kind::kPunctuation;
    for (const auto two : kTwo) {
      if (text_.substr(at_, 2) == two) return void(at_ += 2);
    }
    if (std::string_view("+-*/%!<>?:.,()[]{}").find(peek()) != std::string_view::npos) return void(++at_);
    std::size_t end = at_;
    next_code_point(text_, end);
    bad(token, end);
  }

  // `name with - . / and spaces`
  void read_escaped(Token& token) {
    const auto end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos || end == at_ + 1) return bad(token, at_ + 1);
    token.kind = Token::Kind::kEscapedIdent;
    token.text = text_.substr(at_ + 1, end - at_ - 1);
    for (const char c : token.text) {
      if (!in_ident(c) && std::string_view(".-/ ").find(c) == std::string_view::npos)
        return bad(token, at_ + 1);
    }
    at_ = end + 1;
  }

  void read_number(Token& token) {
    token.kind = Token::Kind::kInt;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X') && hex_digit(peek(2)) >= 0) {
      at_ += 2;
      while (hex_digit(peek()) >= 0) ++at_;
    } else {
      digits();
      if (peek() == '.' && std::isdigit(static_cast<unsigned char>(peek(1)))) {
        token.kind = Token::Kind::kDouble;
        ++at_;
        digits();
      }
      const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 2 : 1;
      if ((peek() == 'e' || peek() == 'E') && std::isdigit(static_cast<unsigned char>(peek(sign)))) {
        token.kind = Token::Kind::kDouble;
        at_ += sign;
        digits();
      }
    }
    if (token.kind == Token::Kind::kInt && (peek() == 'u' || peek() == 'U')) {
      token.kind = Token::Kind::kUint;
      ++at_;
    }
  }
  void digits() {
    while (std::isdigit(static_cast<unsigned char>(peek()))) ++at_;
  }

  // A quote after any of r, b, rb, br (in either case).
  bool string_begins() const {
    std::size_t ahead = 0;
    bool raw = false, bytes = false;
    for (; ahead < 2; ++ahead) {
      const char c = static_cast<char>(std::tolower(static_cast<unsigned char>(peek(ahead))));
      if (c == 'r' && !raw) {
        raw = true;
      } else if (c == 'b' && !bytes) {
        bytes = true;
      } else {
        break;
      }
    }
    return peek(ahead) == '"' || peek(ahead) == '\'';
  }

  void read_string(Token& token) {
    bool raw = false, bytes = false;
    for (; peek() != '"' && peek() != '\''; ++at_) {
      (std::tolower(static_cast<unsigned char>(peek())) == 'r' ? raw : bytes) = true;
    }
    token.kind = bytes ? Token::Kind::kBytes : Token::Kind::kString;
    const std::string quote(3, peek());
    const bool triple = text_.substr(at_, 3) == quote;
    const std::string_view end = triple ? std::string_view(quote) : std::string_view(quote).substr(0, 1);
    at_ += end.size();
    for (;;) {
      if (at_ >= text_.size() || (!triple && (peek() == '\n' || peek() == '\r'))) return bad(token, at_);
      if (text_.substr(at_, end.size()) == end) break;
      if (peek() != '\\' || raw) {
        token.text.push_back(text_[at_++]);
      } else if (!read_escape(token.text, bytes)) {
        return bad(token, at_ + 1);
      }
    }
    at_ += end.size();
  }

  bool read_escape(std::string& out, bool bytes) {
    static constexpr std::string_view kLetters = "abfnrtv\\?\"'`";
    static constexpr std::string_view kMeaning = "\a\b\f\n\r\t\v\\?\"'`";
    const char c = peek(1);
    if (const auto found = kLetters.find(c); found != std::string_view::npos && c != '\0') {
      out.push_back(kMeaning[found]);
      at_ += 2;
      return true;
    }
    if (c == 'x' || c == 'X') return read_code(out, 2, 2, 16, bytes);
    if (c == 'u' && !bytes) return read_code(out, 2, 4, 16, false);
    if (c == 'U' && !bytes) return read_code(out, 2, 8, 16, false);
    return c >= '0' && c <= '3' && read_code(out, 1, 3, 8, bytes);
  }

  bool read_code(std::string& out, std::size_t skip, int count, int base, bool bytes) {
    char32_t value = 0;
    for (int i = 0; i < count; ++i) {
      const int digit = hex_digit(peek(skip + static_cast<std::size_t>(i)));
      if (digit < 0 || digit >= base) return false;
      value = value * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
    }
    if (!bytes && (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))) return false;
    at_ += skip + static_cast<std::size_t>(count);
    if (bytes) {
      out.push_back(static_cast<char>(value));
    } else {
      append_utf8(out, value);
    }
    return true;
  }

  Ast& ast_;
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<Token> tokenize(Ast& ast) {
  return Lexer(ast).run();
}

}  // namespace mk::cel
