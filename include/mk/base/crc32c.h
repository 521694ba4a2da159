#pragma once

#include <cstdint>
#include <string_view>

namespace mk {

// CRC-32C (Castagnoli; RFC 3720 section 12.1), by the processor's instruction where it has one. Continues
// from the checksum of what came before. Finds damage by accident, never by intent.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace mk
