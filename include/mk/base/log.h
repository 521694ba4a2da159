#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace mk {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// A room's log. Structured: a fixed message, then key/value pairs, printed as `key="value"`.
//   log.info("pod started", "pod", key, "node", node);
// Never formats when the level is off. Only base/log.cc knows the library behind it.
class Log {
 public:
  // `room` must outlive the log (a literal).
  constexpr explicit Log(std::string_view room) : room_(room) {}

  template <class... Pairs>
  void debug(std::string_view message, const Pairs&... pairs) const {
    write(LogLevel::kDebug, message, pairs...);
  }
  template <class... Pairs>
  void info(std::string_view message, const Pairs&... pairs) const {
    write(LogLevel::kInfo, message, pairs...);
  }
  template <class... Pairs>
  void warn(std::string_view message, const Pairs&... pairs) const {
    write(LogLevel::kWarn, message, pairs...);
  }
  template <class... Pairs>
  void error(std::string_view message, const Pairs&... pairs) const {
    write(LogLevel::kError, message, pairs...);
  }

  static void set_level(LogLevel level);
  static bool enabled(LogLevel level);

 private:
  template <class... Pairs>
  void write(LogLevel level, std::string_view message, const Pairs&... pairs) const {
    static_assert(sizeof...(Pairs) % 2 == 0, "a log line's fields are key, value, key, value ...");
    if (!enabled(level)) return;
    std::string line(message);
    append(line, pairs...);
    emit(level, room_, line);
  }

  static void append(std::string&) {}
  template <class Value, class... Rest>
  static void append(std::string& line, std::string_view key, const Value& value, const Rest&... rest) {
    append_pair(line, key, fmt::format("{}", value));
    append(line, rest...);
  }

  static void append_pair(std::string& line, std::string_view key, std::string_view value);
  static void emit(LogLevel level, std::string_view room, std::string_view line);

  std::string_view room_;
};

}  // namespace mk
