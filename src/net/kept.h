#pragma once

#include <cstddef>

namespace mk::net {

// Bytes of requests that have come in and are not answered yet. Clients need not be anybody to send them, so
// there is a limit for all connections of a server together.
class Kept {
 public:
  struct Total {
    std::size_t used = 0, max = 256 << 20;
  };

  explicit Kept(Total& total) : total_(total) {}
  ~Kept() { set(0); }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  // What this connection keeps now. False, and nothing changed, when that would be more than there is room
  // for.
  bool set(std::size_t size) {
    if (size > own_ && total_.used + (size - own_) > total_.max) return false;
    total_.used = total_.used - own_ + size;
    own_ = size;
    return true;
  }

 private:
  Total& total_;
  std::size_t own_ = 0;
};

}  // namespace mk::net
