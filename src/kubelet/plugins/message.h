#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Protobuf messages of the plugin interfaces (CSI, plugin registration): field numbers instead of generated
// classes, as each interface has a handful of messages.
namespace mk::kubelet {

// A message being made. Values that are the default of their type are left out, as proto3 does.
class Message {
 public:
  Message& text(std::uint32_t field, std::string_view value);
  Message& number(std::uint32_t field, std::int64_t value);
  Message& flag(std::uint32_t field, bool value) { return number(field, value ? 1 : 0); }
  Message& message(std::uint32_t field, const Message& value);  // also an empty one
  Message& map(std::uint32_t field, const std::map<std::string, std::string>& values);
  const std::string& bytes() const { return bytes_; }

 private:
  void put(std::uint64_t varint);
  std::string bytes_;
};

// A message that was received; views into its bytes, which must outlive it.
class Fields {
 public:
  // nullopt: malformed.
  static std::optional<Fields> parse(std::string_view bytes);

  std::string_view text(std::uint32_t field) const;  // the last one; also the bytes of a message
  std::int64_t number(std::uint32_t field) const;
  bool flag(std::uint32_t field) const { return number(field) != 0; }
  bool has(std::uint32_t field) const;
  std::vector<std::string_view> all(std::uint32_t field) const;
  std::map<std::string, std::string> map(std::uint32_t field) const;

 private:
  struct Field {
    std::uint32_t number;
    std::uint64_t value;
    std::string_view bytes;
  };
  std::vector<Field> fields_;
};

}  // namespace mk::kubelet
