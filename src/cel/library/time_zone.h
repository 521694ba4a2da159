#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mk::cel {

// Seconds east of UTC at `seconds` of the Unix epoch, in "UTC", "+05:30", "-08:00" or a zone of the system's
// zoneinfo
// ("America/New_York"); nullopt for an unknown zone.
std::optional<std::int64_t> utc_offset(std::string_view zone, std::int64_t seconds);

}  // namespace mk::cel
