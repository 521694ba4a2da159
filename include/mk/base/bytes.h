#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace mk {

// Immutable bytes with shared ownership: an object's serialization is made once and then sent, cached and
// stored by reference. Copying is one atomic increment.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(std::string bytes) : bytes_(std::make_shared<const std::string>(std::move(bytes))) {}

  std::string_view view() const { return bytes_ ? std::string_view(*bytes_) : std::string_view(); }
  operator std::string_view() const { return view(); }
  std::size_t size() const { return bytes_ ? bytes_->size() : 0; }
  bool empty() const { return size() == 0; }

 private:
  std::shared_ptr<const std::string> bytes_;
};

}  // namespace mk
