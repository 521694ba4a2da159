#include "names.h"

#include <fmt/format.h>

namespace mk::dns {

namespace {

constexpr std::size_t kNameMax = 255, kLabelMax = 63;

std::uint8_t byte_at(std::string_view data, std::size_t at) {
  return static_cast<std::uint8_t>(data[at]);
}

}  // namespace

std::optional<ReadName> read_name(std::string_view packet, std::size_t at) {
  ReadName out;
  std::size_t limit = at;  // a pointer must lead to before this
  bool jumped = false;
  for (;;) {
    if (at >= packet.size()) return std::nullopt;
    const std::uint8_t length = byte_at(packet, at);
    if ((length & 0xc0) == 0xc0) {
      if (at + 1 >= packet.size()) return std::nullopt;
      const std::size_t target = static_cast<std::size_t>(length & 0x3f) << 8 | byte_at(packet, at + 1);
      if (target >= limit) return std::nullopt;
      if (!jumped) out.next = at + 2;
      jumped = true;
      at = limit = target;
      continue;
    }
    if (length > kLabelMax || packet.size() - at - 1 < length) return std::nullopt;
    if (out.name.size() + 1 + length > kNameMax) return std::nullopt;
    out.name += packet.substr(at, 1 + length);
    at += 1 + length;
    if (length == 0) break;
  }
  if (!jumped) out.next = at;
  return out;
}

std::size_t name_size(std::string_view data) {
  std::size_t at = 0;
  while (at < data.size() && data[at] != 0) at += 1 + byte_at(data, at);
  return std::min(at + 1, data.size());
}

void NameCompressor::write(std::string& out, std::string_view name) {
  while (name.size() > 1) {
    const auto known = offsets_.find(std::string(name));
    if (known != offsets_.end()) {
      out += static_cast<char>(0xc0 | known->second >> 8);
      out += static_cast<char>(known->second);
      return;
    }
    if (out.size() < 0x4000) offsets_.emplace(name, out.size());
    const std::size_t label = std::min<std::size_t>(1 + byte_at(name, 0), name.size());
    out += name.substr(0, label);
    name.remove_prefix(label);
  }
  out += '\0';
}

void NameCompressor::forget_from(std::size_t offset) {
  for (auto it = offsets_.begin(); it != offsets_.end();)
    it = it->second >= offset ? offsets_.erase(it) : std::next(it);
}

std::optional<Name> name_from_text(std::string_view text) {
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  Name name;
  while (!text.empty()) {
    const std::size_t dot = text.find('.');
    const auto label = text.substr(0, dot);
    if (label.empty() || label.size() > kLabelMax) return std::nullopt;
    name += static_cast<char>(label.size());
    name += label;
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
    if (text.empty()) return std::nullopt;
  }
  name += '\0';
  if (name.size() > kNameMax) return std::nullopt;
  return name;
}

std::string name_to_text(std::string_view name) {
  std::string text;
  while (!name.empty() && name[0] != 0) {
    const auto label = name.substr(1, byte_at(name, 0));
    if (!text.empty()) text += '.';
    for (char c : label) {
      if (c >= 'A' && c <= 'Z')
        text += static_cast<char>(c | 0x20);
      else if (c == '.' || c == '\\' || c <= ' ' || c == 0x7f)
        text += fmt::format("\\{:03}", static_cast<std::uint8_t>(c));
      else
        text += c;
    }
    name.remove_prefix(std::min(label.size() + 1, name.size()));
  }
  return text;
}

}  // namespace mk::dns
