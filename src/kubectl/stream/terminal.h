#pragma once

#include <termios.h>

#include <optional>
#include <string>

namespace mk::kubectl {

// Standard input in raw mode for as long as this lives; nothing happens where it is no terminal.
class RawTerminal {
 public:
  explicit RawTerminal(bool wanted);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  bool active() const { return saved_.has_value(); }

 private:
  std::optional<termios> saved_;
};

// {"Width":80,"Height":24} of the terminal; "" where there is none.
std::string terminal_size();

}  // namespace mk::kubectl
