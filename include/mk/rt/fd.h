#pragma once

#include <memory>
#include <string>

#include "mk/base/result.h"
#include "mk/rt/task.h"

namespace mk::rt {

// A pipe, socket, pty, netlink or event descriptor, awaited instead of blocked on. Owns the descriptor.
class AsyncFd {
 public:
  AsyncFd(Executor executor, int fd);  // sets O_NONBLOCK
  ~AsyncFd();
  AsyncFd(AsyncFd&&) noexcept;

  // Up to `count` bytes; "" at the end of the stream (EIO of a pty counts as the end).
  Task<Result<std::string>> read_some(std::size_t count);
  Task<Result<void>> write_all(std::string data);
  Task<Result<void>> wait_readable();
  int native() const;
  void close();  // pending operations end with an error

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Waits for one of these signals, which no longer kill the process from the first call on.
Task<int> wait_signal(std::initializer_list<int> signals);

}  // namespace mk::rt
