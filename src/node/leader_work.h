#pragma once

#include <functional>
#include <memory>

#include "mk/controller/manager.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "mk/scheduler/scheduler.h"

namespace mk::node {

// What one server of a cluster does for all: controllers and scheduler. They run where the store's leader is,
// so that nobody elects a second time, and end when it goes elsewhere. Two at once, for a moment, do no harm:
// each of their writes names the version it is based on.
class LeaderWork {
 public:
  using MakeControllers = std::function<std::unique_ptr<controller::Manager>()>;
  using MakeScheduler = std::function<std::unique_ptr<scheduler::Scheduler>()>;

  LeaderWork(rt::Executor executor, MakeControllers controllers, MakeScheduler scheduler)
      : make_controllers_(std::move(controllers)),
        make_scheduler_(std::move(scheduler)),
        group_(std::move(executor)) {}

  void start(bool leading);
  void set_leading(bool leading);
  rt::Task<> stop();

 private:
  rt::Task<> follow();
  rt::Task<> begin();
  rt::Task<> end();

  MakeControllers make_controllers_;
  MakeScheduler make_scheduler_;
  bool leading_ = false;
  rt::Event changed_;
  std::unique_ptr<controller::Manager> controllers_;
  std::unique_ptr<scheduler::Scheduler> scheduler_;
  rt::Group group_;
};

}  // namespace mk::node
