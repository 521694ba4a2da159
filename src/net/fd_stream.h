#pragma once

#include <memory>

#include "mk/net/server.h"
#include "mk/rt/fd.h"

namespace mk::net {

// The bytes of a descriptor: a unix socket.
std::unique_ptr<RawStream> make_fd_stream(rt::AsyncFd fd);

// Calls `use` with an address of a unix socket, however long its path is. Errors carry errno's text.
class UnixAddress {
 public:
  explicit UnixAddress(const std::string& path);
  ~UnixAddress();
  UnixAddress(const UnixAddress&) = delete;
  UnixAddress& operator=(const UnixAddress&) = delete;
  int connect(int fd) const;  // 0, or errno
  int bind(int fd) const;

 private:
  std::string name_;
  int folder_ = -1;
};

}  // namespace mk::net
