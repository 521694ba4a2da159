#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mk::api {

struct TimePoint {
  std::int64_t seconds = 0;  // since 1970 UTC
  int micros = 0;
};

// RFC 3339, any offset, fractional seconds allowed; nullopt when it is none.
std::optional<TimePoint> parse_time(std::string_view text);
std::string time_text(TimePoint time);        // metav1.Time: "2026-01-02T03:04:05Z"
std::string micro_time_text(TimePoint time);  // metav1.MicroTime: "2026-01-02T03:04:05.000006Z"

}  // namespace mk::api
