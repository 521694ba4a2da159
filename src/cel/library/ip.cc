#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <optional>

#include "check/functions.h"
#include "library/opaque.h"
#include "mk/base/strings.h"

// ip() and cidr(): strict forms only (no leading zeros, no zones, no IPv4 in IPv6).
namespace mk::cel {

namespace {

struct Address {
  bool v6 = false;
  std::array<unsigned char, 16> bytes{};  // the first 4 for IPv4
  bool operator==(const Address& other) const = default;
  int bits() const { return v6 ? 128 : 32; }
};
struct Block {
  Address address;
  int prefix = 0;
  bool operator==(const Block& other) const = default;
};

struct AddressKind {
  static constexpr const char* kName = "net.IP";
};
struct BlockKind {
  static constexpr const char* kName = "net.CIDR";
};
using Ip = Boxed<AddressKind, Address>;
using Cidr = Boxed<BlockKind, Block>;

std::optional<Address> parse_ip(std::string_view text) {
  Address out;
  const std::string copy(text);
  out.v6 = copy.find(':') != std::string::npos;
  if (copy.size() > 64 || copy.find('\0') != std::string::npos) return std::nullopt;
  if (out.v6 && copy.find('.') != std::string::npos) return std::nullopt;
  if (inet_pton(out.v6 ? AF_INET6 : AF_INET, copy.c_str(), out.bytes.data()) != 1) return std::nullopt;
  if (out.v6) {
    static constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (std::memcmp(out.bytes.data(), kMapped.data(), kMapped.size()) == 0) return std::nullopt;
  }
  return out;
}

std::string text_of(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes.data(), buffer.data(), buffer.size());
  return buffer.data();
}

Address masked(Address address, int prefix) {
  for (int bit = prefix; bit < address.bits(); ++bit) {
    auto& byte = address.bytes[static_cast<std::size_t>(bit / 8)];
    byte = static_cast<unsigned char>(byte & ~(0x80u >> (bit % 8)));
  }
  return address;
}

std::optional<Block> parse_cidr(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_ip(text.substr(0, slash));
  const auto digits = text.substr(slash + 1);
  const auto prefix = parse_int(digits);
  if (!address || !prefix || *prefix < 0 || *prefix > address->bits() ||
      (digits.size() > 1 && digits[0] == '0'))
    return std::nullopt;
  return Block{*address, static_cast<int>(*prefix)};
}

bool holds(const Block& block, const Address& address) {
  return block.address.v6 == address.v6 &&
         masked(address, block.prefix) == masked(block.address, block.prefix);
}

Value is_ip(Arguments a) {
  return Value::of(parse_ip(a[0].as_string()).has_value());
}
Value ip(Arguments a) {
  const auto address = parse_ip(a[0].as_string());
  return address ? Ip::box(*address)
                 : Value::error(fmt::format("IP Address \"{}\" parse error during conversion from string",
                                            a[0].as_string()));
}
Value is_canonical(Arguments a) {
  const auto address = parse_ip(a[0].as_string());
  if (!address) return ip(a);
  return Value::of(text_of(*address) == a[0].as_string());
}
Value family(Arguments a) {
  return Value::integer(Ip::of(a[0]).v6 ? 6 : 4);
}
Value is_unspecified(Arguments a) {
  return Value::of(Ip::of(a[0]).bytes == Address().bytes);
}
Value is_loopback(Arguments a) {
  const Address& address = Ip::of(a[0]);
  if (!address.v6) return Value::of(address.bytes[0] == 127);
  Address one{true, {}};
  one.bytes[15] = 1;
  return Value::of(address == one);
}
Value is_link_local_multicast(Arguments a) {
  const auto& bytes = Ip::of(a[0]).bytes;
  return Value::of(Ip::of(a[0]).v6 ? bytes[0] == 0xFF && (bytes[1] & 0x0F) == 2
                                   : bytes[0] == 224 && bytes[1] == 0 && bytes[2] == 0);
}
Value is_link_local_unicast(Arguments a) {
  const auto& bytes = Ip::of(a[0]).bytes;
  return Value::of(Ip::of(a[0]).v6 ? bytes[0] == 0xFE && (bytes[1] & 0xC0) == 0x80
                                   : bytes[0] == 169 && bytes[1] == 254);
}
Value is_global_unicast(Arguments a) {
  const Address& address = Ip::of(a[0]);
  const bool multicast = address.v6 ? address.bytes[0] == 0xFF : (address.bytes[0] & 0xF0) == 0xE0;
  const bool broadcast = !address.v6 && text_of(address) == "255.255.255.255";
  return Value::of(!multicast && !broadcast && is_unspecified(a).is_false() && is_loopback(a).is_false() &&
                   is_link_local_unicast(a).is_false());
}
Value string_of_ip(Arguments a) {
  return Value::string(text_of(Ip::of(a[0])));
}

Value is_cidr(Arguments a) {
  return Value::of(parse_cidr(a[0].as_string()).has_value());
}
Value cidr(Arguments a) {
  const auto block = parse_cidr(a[0].as_string());
  return block ? Cidr::box(*block)
               : Value::error(fmt::format(
                     "network address parse error during conversion from string: invalid CIDR \"{}\"",
                     a[0].as_string()));
}
Value contains_ip(Arguments a) {
  return Value::of(holds(Cidr::of(a[0]), Ip::of(a[1])));
}
Value contains_ip_text(Arguments a) {
  const auto address = parse_ip(a[1].as_string());
  return address ? Value::of(holds(Cidr::of(a[0]), *address)) : ip(a.subspan(1));
}
bool contains(const Block& outer, const Block& inner) {
  return outer.prefix <= inner.prefix && holds(outer, inner.address);
}
Value contains_cidr(Arguments a) {
  return Value::of(contains(Cidr::of(a[0]), Cidr::of(a[1])));
}
Value contains_cidr_text(Arguments a) {
  const auto block = parse_cidr(a[1].as_string());
  return block ? Value::of(contains(Cidr::of(a[0]), *block)) : cidr(a.subspan(1));
}
Value ip_of_cidr(Arguments a) {
  return Ip::box(Cidr::of(a[0]).address);
}
Value masked_cidr(Arguments a) {
  const Block& block = Cidr::of(a[0]);
  return Cidr::box(Block{masked(block.address, block.prefix), block.prefix});
}
Value prefix_length(Arguments a) {
  return Value::integer(Cidr::of(a[0]).prefix);
}
Value string_of_cidr(Arguments a) {
  const Block& block = Cidr::of(a[0]);
  return Value::string(fmt::format("{}/{}", text_of(block.address), block.prefix));
}

constexpr FunctionRow kRows[] = {{"isIP(string): bool", is_ip, Cost::kTraverse},
                                 {"ip(string): net.IP", ip, Cost::kTraverse},
                                 {"ip.isCanonical(string): bool", is_canonical, Cost::kTraverse},
                                 {"net.IP::family(): int", family},
                                 {"net.IP::isUnspecified(): bool", is_unspecified},
                                 {"net.IP::isLoopback(): bool", is_loopback},
                                 {"net.IP::isLinkLocalMulticast(): bool", is_link_local_multicast},
                                 {"net.IP::isLinkLocalUnicast(): bool", is_link_local_unicast},
                                 {"net.IP::isGlobalUnicast(): bool", is_global_unicast},
                                 {"string(net.IP): string", string_of_ip},
                                 {"isCIDR(string): bool", is_cidr, Cost::kTraverse},
                                 {"cidr(string): net.CIDR", cidr, Cost::kTraverse},
                                 {"net.CIDR::containsIP(net.IP): bool", contains_ip},
                                 {"net.CIDR::containsIP(string): bool", contains_ip_text},
                                 {"net.CIDR::containsCIDR(net.CIDR): bool", contains_cidr},
                                 {"net.CIDR::containsCIDR(string): bool", contains_cidr_text},
                                 {"net.CIDR::ip(): net.IP", ip_of_cidr},
                                 {"net.CIDR::masked(): net.CIDR", masked_cidr},
                                 {"net.CIDR::prefixLength(): int", prefix_length},
                                 {"string(net.CIDR): string", string_of_cidr}};

}  // namespace

std::span<const FunctionRow> ip_functions() {
  return kRows;
}

}  // namespace mk::cel
