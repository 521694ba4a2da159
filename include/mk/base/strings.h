#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mk {

// Splits on every `separator`; "a,,b" gives three parts, "" gives one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);
template <std::same_as<std::string> Temporary>
std::vector<std::string_view> split(Temporary&& text, char separator) = delete;  // the parts would outlive it
std::string_view trim(std::string_view text);  // ASCII white space at both ends
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string to_lower(std::string_view text);  // ASCII
std::string replace_all(std::string text, std::string_view from, std::string_view to);

// Decimal, the whole text, no sign but '-'; nullopt on anything else or overflow.
std::optional<std::int64_t> parse_int(std::string_view text);

std::string hex(std::string_view bytes);
std::string base64_encode(std::string_view bytes);                // RFC 4648 section 4, padded
std::optional<std::string> base64_decode(std::string_view text);  // the same; nullopt when malformed
std::string base64url_encode(std::string_view bytes);             // RFC 4648 section 5, no padding
std::optional<std::string> base64url_decode(std::string_view text);

// application/x-www-form-urlencoded and path segments. decode: nullopt on a broken escape.
std::string url_encode(std::string_view text);
std::optional<std::string> url_decode(std::string_view text, bool plus_is_space);

}  // namespace mk
