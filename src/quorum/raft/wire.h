#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mk::quorum {

// The primitives of our frames: unsigned LEB128 numbers and length-prefixed bytes.
void put_number(std::string& out, std::uint64_t number);
void put_bytes(std::string& out, std::string_view bytes);

// Reads what put_* wrote. After a malformed read everything reads as empty and good() stays false.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t number();
  std::string_view bytes();  // of the viewed memory
  bool flag() { return number() == 1; }

  bool good() const { return good_; }
  bool finished() const { return good_ && rest_.empty(); }  // nothing is left over
  std::size_t left() const { return rest_.size(); }
  void fail() { good_ = false, rest_ = {}; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace mk::quorum
