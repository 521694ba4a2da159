#include "mk/base/crc32c.h"

#include <array>
#include <cstring>

namespace mk {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78u : 0u);
    table[i] = value;
  }
  return table;
}

std::uint32_t by_table(std::string_view bytes, std::uint32_t state) {
  static constexpr auto kTable = make_table();
  for (const char byte : bytes)
    state = (state >> 8) ^ kTable[(state ^ static_cast<unsigned char>(byte)) & 0xff];
  return state;
}

#if defined(__x86_64__)
bool has_instruction() {
  return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::string_view bytes, std::uint32_t state) {
  while (bytes.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    state = static_cast<std::uint32_t>(__builtin_ia32_crc32di(state, word));
    bytes.remove_prefix(8);
  }
  for (const char byte : bytes) state = __builtin_ia32_crc32qi(state, static_cast<unsigned char>(byte));
  return state;
}
#else
bool has_instruction() {
  return false;
}
std::uint32_t by_instruction(std::string_view bytes, std::uint32_t state) {
  return by_table(bytes, state);
}
#endif

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before) {
  static const bool kInstruction = has_instruction();
  return ~(kInstruction ? by_instruction(bytes, ~before) : by_table(bytes, ~before));
}

namespace detail {
std::uint32_t crc32c_by_table(std::string_view bytes) {
  return ~by_table(bytes, ~0u);
}
}  // namespace detail

}  // namespace mk
