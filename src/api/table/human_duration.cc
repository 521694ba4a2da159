#include <fmt/format.h>

#include "mk/api/table.h"

namespace mk::api {

// Two units where the second still tells something, one where it does not: Kubernetes' HumanDuration.
std::string human_duration(std::int64_t seconds) {
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 60 * 2) return fmt::format("{}s", seconds);
  const auto minutes = seconds / 60;
  const auto two = [](std::int64_t big, const char* unit, std::int64_t small, const char* small_unit) {
    return small == 0 ? fmt::format("{}{}", big, unit)
                      : fmt::format("{}{}{}{}", big, unit, small, small_unit);
  };
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (minutes < 60 * 3) return fmt::format("{}m", minutes);
  const auto hours = seconds / 3600;
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return fmt::format("{}h", hours);
  if (hours < 24 * 8) return two(hours / 24, "d", hours % 24, "h");
  if (hours < 24 * 365 * 2) return fmt::format("{}d", hours / 24);
  if (hours < 24 * 365 * 8) return two(hours / 24 / 365, "y", hours / 24 % 365, "d");
  return fmt::format("{}y", hours / 24 / 365);
}

}  // namespace mk::api
