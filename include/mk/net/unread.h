#pragma once

#include <deque>
#include <string>

#include "mk/base/result.h"
#include "mk/rt/event.h"

namespace mk::net {

// What has come for one of several streams of a connection and is not read yet. Whoever owns it keeps it
// until both sides have let go.
class Unread {
 public:
  // The next piece; "" at the end.
  rt::Task<Result<std::string>> read();
  // Waits while the reader is 1 MiB behind; after end(), drops.
  rt::Task<> take(std::string data);
  // What is there can still be read.
  void end();

 private:
  std::deque<std::string> queue_;
  std::size_t bytes_ = 0;
  bool ended_ = false;
  rt::Event changed_;
};

}  // namespace mk::net
