#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// The bare wire format: tags, varints, lengths. Nothing here knows messages.
namespace mk::api::protobuf {

enum Wire : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kGroup = 3, kGroupEnd = 4, kFixed32 = 5 };

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }

  // Each: false when the bytes end early or are malformed; the reader is of no use then.
  bool varint(std::uint64_t& out) {
    out = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (shift == 63 && byte > 1) return false;  // more than 64 bits
      out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool tag(std::uint64_t& number, unsigned& wire) {
    std::uint64_t value = 0;
    if (!varint(value) || value > UINT32_MAX) return false;
    number = value >> 3;
    wire = static_cast<unsigned>(value & 7);
    return number != 0;
  }

  bool bytes(std::string_view& out) {
    std::uint64_t length = 0;
    return varint(length) && raw(length, out);
  }

  bool fixed64(std::uint64_t& out) {
    std::string_view bytes;
    if (!raw(8, bytes)) return false;
    out = 0;
    for (int i = 7; i >= 0; --i)
      out = out << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
    return true;
  }

  // Passes a value of a field that nobody knows. Groups are counted, not recursed into.
  bool skip(unsigned wire) {
    for (int groups = 0;;) {
      std::uint64_t number = 0;
      std::string_view bytes_read;
      if (wire == kVarint && !varint(number)) return false;
      if (wire == kFixed64 && !raw(8, bytes_read)) return false;
      if (wire == kFixed32 && !raw(4, bytes_read)) return false;
      if (wire == kBytes && !bytes(bytes_read)) return false;
      if (wire == kGroup) ++groups;
      if (wire == kGroupEnd && --groups < 0) return false;
      if (wire > kFixed32) return false;
      if (groups == 0) return true;
      if (!tag(number, wire)) return false;
    }
  }

 private:
  bool raw(std::uint64_t length, std::string_view& out) {
    if (length > rest_.size()) return false;
    out = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return true;
  }

  std::string_view rest_;
};

class WireWriter {
 public:
  void varint(std::uint64_t value) { put_varint(out_, value); }
  void tag(std::uint32_t number, unsigned wire) { varint(static_cast<std::uint64_t>(number) << 3 | wire); }
  void number(std::uint32_t field, std::int64_t value) {
    tag(field, kVarint);
    varint(static_cast<std::uint64_t>(value));
  }
  void real(std::uint32_t field, double value) {
    tag(field, kFixed64);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; ++i) out_.push_back(static_cast<char>(bits >> (8 * i)));
  }
  void bytes(std::uint32_t field, std::string_view value) {
    tag(field, kBytes);
    varint(value.size());
    out_.append(value);
  }

  // A length-delimited value written between the two calls: the length goes in front when it is known.
  std::size_t begin(std::uint32_t field) {
    tag(field, kBytes);
    return out_.size();
  }
  void end(std::size_t begun) {
    std::string length;
    put_varint(length, out_.size() - begun);
    out_.insert(begun, length);
  }

  std::size_t size() const { return out_.size(); }
  void cut(std::size_t size) { out_.resize(size); }
  std::string take() { return std::move(out_); }

 private:
  static void put_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  }

  std::string out_;
};

inline constexpr std::string_view kMagic{"k8s\0", 4};

// runtime.Unknown and its runtime.TypeMeta, metav1.WatchEvent.
namespace unknown {
enum : std::uint32_t { kTypeMeta = 1, kRaw = 2, kContentEncoding = 3, kContentType = 4 };
enum : std::uint32_t { kApiVersion = 1, kKind = 2 };
}  // namespace unknown
namespace watch_event {
enum : std::uint32_t { kType = 1, kObject = 2, kObjectRaw = 1 };
}  // namespace watch_event

// Messages within messages. A schema of a CRD nests deepest: two levels of JSON for each of its own.
inline constexpr int kDepthMax = 150;
inline constexpr int kRawDepthMax = 300;  // JSON within a RawExtension

}  // namespace mk::api::protobuf
