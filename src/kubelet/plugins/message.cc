#include "plugins/message.h"

namespace mk::kubelet {
namespace {

enum Wire : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

bool take_varint(std::string_view& from, std::uint64_t& out) {
  out = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace

void Message::put(std::uint64_t varint) {
  for (; varint >= 0x80; varint >>= 7) bytes_.push_back(static_cast<char>(varint | 0x80));
  bytes_.push_back(static_cast<char>(varint));
}

Message& Message::text(std::uint32_t field, std::string_view value) {
  if (value.empty()) return *this;
  put(std::uint64_t{field} << 3 | kBytes);
  put(value.size());
  bytes_.append(value);
  return *this;
}

Message& Message::number(std::uint32_t field, std::int64_t value) {
  if (value == 0) return *this;
  put(std::uint64_t{field} << 3 | kVarint);
  put(static_cast<std::uint64_t>(value));
  return *this;
}

Message& Message::message(std::uint32_t field, const Message& value) {
  put(std::uint64_t{field} << 3 | kBytes);
  put(value.bytes_.size());
  bytes_.append(value.bytes_);
  return *this;
}

Message& Message::map(std::uint32_t field, const std::map<std::string, std::string>& values) {
  for (const auto& [key, value] : values) {
    Message entry;
    entry.text(1, key).text(2, value);
    message(field, entry);
  }
  return *this;
}

std::optional<Fields> Fields::parse(std::string_view bytes) {
  Fields out;
  while (!bytes.empty()) {
    std::uint64_t tag = 0, length = 0;
    Field field{};
    if (!take_varint(bytes, tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX) return std::nullopt;
    field.number = static_cast<std::uint32_t>(tag >> 3);
    switch (tag & 7) {
      case kVarint:
        if (!take_varint(bytes, field.value)) return std::nullopt;
        break;
      case kBytes:
        if (!take_varint(bytes, length)) return std::nullopt;
        break;
      case kFixed64:
      case kFixed32:
        length = (tag & 7) == kFixed64 ? 8 : 4;
        break;
      default:
        return std::nullopt;
    }
    if (length > bytes.size()) return std::nullopt;
    field.bytes = bytes.substr(0, length);
    bytes.remove_prefix(length);
    out.fields_.push_back(field);
  }
  return out;
}

std::string_view Fields::text(std::uint32_t field) const {
  for (auto it = fields_.rbegin(); it != fields_.rend(); ++it)
    if (it->number == field) return it->bytes;
  return {};
}

std::int64_t Fields::number(std::uint32_t field) const {
  for (auto it = fields_.rbegin(); it != fields_.rend(); ++it)
    if (it->number == field) return static_cast<std::int64_t>(it->value);
  return 0;
}

bool Fields::has(std::uint32_t field) const {
  for (const auto& one : fields_)
    if (one.number == field) return true;
  return false;
}

std::vector<std::string_view> Fields::all(std::uint32_t field) const {
  std::vector<std::string_view> out;
  for (const auto& one : fields_)
    if (one.number == field) out.push_back(one.bytes);
  return out;
}

std::map<std::string, std::string> Fields::map(std::uint32_t field) const {
  std::map<std::string, std::string> out;
  for (const auto bytes : all(field)) {
    const auto entry = parse(bytes);
    if (entry) out[std::string(entry->text(1))] = std::string(entry->text(2));
  }
  return out;
}

}  // namespace mk::kubelet
