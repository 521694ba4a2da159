#pragma once

#include <memory>

#include "mk/base/result.h"
#include "mk/rt/blocking.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"
#include "mk/rt/random.h"

namespace mk::node {

// What every process of mk has once: the brain's loop, time, chance and the threads for what blocks.
struct Process {
  rt::Loop loop;
  std::unique_ptr<rt::Clock> clock = rt::make_real_clock();
  std::unique_ptr<rt::Random> random = rt::make_random();
  rt::BlockingPool pool{16};

  std::int64_t now_seconds() const {
    return std::chrono::duration_cast<std::chrono::seconds>(clock->now().time_since_epoch()).count();
  }
};

// Something that runs until it is told to end.
class Role {
 public:
  virtual ~Role() = default;
  virtual rt::Task<Result<void>> start() = 0;
  virtual rt::Task<> stop() = 0;
};

// Starts the role, waits for SIGTERM or SIGINT, stops it. The exit code; a failed start has been printed.
int run(Process& process, Role& role);

}  // namespace mk::node
