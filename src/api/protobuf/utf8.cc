#include "protobuf/utf8.h"

#include <cstdint>

namespace mk::api::protobuf {
namespace {

// The bytes after the first one, and the smallest code point that needs them all.
struct Lead {
  int more;
  std::uint32_t smallest, bits;
};

Lead lead_of(unsigned char first) {
  if (first >= 0xc2 && first <= 0xdf) return {1, 0x80, first & 0x1fu};
  if (first >= 0xe0 && first <= 0xef) return {2, 0x800, first & 0x0fu};
  if (first >= 0xf0 && first <= 0xf4) return {3, 0x10000, first & 0x07u};
  return {-1, 0, 0};
}

}  // namespace

bool valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at++]);
    if (first < 0x80) continue;
    auto [more, smallest, point] = lead_of(first);
    if (more < 0 || text.size() - at < static_cast<std::size_t>(more)) return false;
    for (; more > 0; --more) {
      const auto next = static_cast<unsigned char>(text[at++]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3fu);
    }
    if (point < smallest || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
  }
  return true;
}

}  // namespace mk::api::protobuf
