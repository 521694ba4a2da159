#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "message.h"

// Names on the wire: reading with compression, writing with compression.
namespace mk::dns {

struct ReadName {
  Name name;
  std::size_t next = 0;  // the first byte after the name, where the message goes on
};

// The name at `at` of the packet. nullopt when it leaves the packet, is longer than 255 bytes, or a pointer
// does not go strictly backwards (so that reading always ends).
std::optional<ReadName> read_name(std::string_view packet, std::size_t at);

// Bytes of the uncompressed name that `data` begins with; all of `data` if it is cut short.
std::size_t name_size(std::string_view data);

// Remembers where suffixes were written in one message and points to them (RFC 1035, 4.1.4). Case counts: a
// name asked in odd case is only shortened by itself.
class NameCompressor {
 public:
  void write(std::string& out, std::string_view name);
  void forget_from(std::size_t offset);  // what was written from here on has been undone

 private:
  std::unordered_map<std::string, std::size_t> offsets_;
};

}  // namespace mk::dns
