#include "stream/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace mk::kubectl {

RawTerminal::RawTerminal(bool wanted) {
  termios now{};
  if (!wanted || ::isatty(STDIN_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &now) != 0) return;
  saved_ = now;
  ::cfmakeraw(&now);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &now);
}

RawTerminal::~RawTerminal() {
  if (saved_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*saved_);
}

std::string terminal_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return "";
  return fmt::format("{{\"Width\":{},\"Height\":{}}}", size.ws_col, size.ws_row);
}

}  // namespace mk::kubectl
