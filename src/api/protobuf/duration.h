#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mk::api::protobuf {

// metav1.Duration in JSON: Go's spelling ("1h30m0s", "1.5s", "-250ms").
std::string duration_text(std::int64_t nanoseconds);
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace mk::api::protobuf
