#pragma once

#include <memory>

#include "mk/client/client.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"
#include "mk/rt/random.h"

namespace mk::scheduler {

// Binds pods whose spec.schedulerName is "default-scheduler" to nodes: filters those that can't, ranks those
// that can, binds through the API.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual rt::Task<> start() = 0;  // returns when its caches have synced
  virtual rt::Task<> stop() = 0;
};

// `client` acts as system:kube-scheduler.
std::unique_ptr<Scheduler> make_scheduler(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                          client::Client& client);

}  // namespace mk::scheduler
