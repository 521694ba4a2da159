#pragma once

#include <optional>

#include "images/fs.h"
#include "mk/rt/clock.h"
#include "mk/rt/fd.h"

namespace mk::kubelet {

// Tells at once that tasks wait for memory (the kernel's pressure stall information, Linux 4.20), so that
// looking at the node can be slow while nothing happens. Where the kernel has none, only the time ends a
// wait.
class PressureAlarm {
 public:
  explicit PressureAlarm(rt::Executor executor);

  // Until memory is short or `most` has passed.
  rt::Task<> wait(rt::Clock& clock, rt::Duration most);

 private:
  rt::Task<> rings();

  UniqueFd stall_;
  // Readable when the other has its event, which is not of the kind that loops wait for.
  std::optional<rt::AsyncFd> epoll_;
};

}  // namespace mk::kubelet
