#pragma once

#include <string>
#include <vector>

#include "mk/net/server.h"

namespace mk::net {

// A peer's bytes, played to whoever reads them, for tests; what is said to the peer is kept.
class Script final : public RawStream {
 public:
  explicit Script(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  // `text` in pieces of `size` bytes.
  Script(std::string_view text, std::size_t size) {
    for (; !text.empty(); text.remove_prefix(std::min(size, text.size())))
      pieces_.emplace_back(text.substr(0, size));
  }
  rt::Task<Result<std::string>> read_some(std::size_t) override {
    if (next_ == pieces_.size()) co_return std::string();
    co_return pieces_[next_++];
  }
  rt::Task<Result<void>> write_all(std::string data) override {
    said += data;
    co_return ok();
  }
  void close() override { closed = true; }

  std::string said;
  bool closed = false;

 private:
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
};

}  // namespace mk::net
