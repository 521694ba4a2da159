#include "mk/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

namespace mk {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};

// To stderr alone: whoever starts mk decides where it goes (journald, a file). Flushed per line, because a
// crash-only process may end at any moment.
spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("mk", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.set_level(spdlog::level::debug);
    made.set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %L %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  return instance;
}

spdlog::level::level_enum library_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

void Log::set_level(LogLevel level) {
  g_level = level;
}
bool Log::enabled(LogLevel level) {
  return level >= g_level;
}

void Log::append_pair(std::string& line, std::string_view key, std::string_view value) {
  line.append(" ").append(key).append("=\"");
  for (char c : value) {
    if (c == '"' || c == '\\') line.push_back('\\');
    if (c == '\n') {
      line.append("\\n");
    } else {
      line.push_back(c);
    }
  }
  line.push_back('"');
}

void Log::emit(LogLevel level, std::string_view room, std::string_view line) {
  logger().log(library_level(level), "{}: {}", room, line);
}

}  // namespace mk
