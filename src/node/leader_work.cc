#include "leader_work.h"

#include "mk/base/log.h"

namespace mk::node {

namespace {
constexpr Log kLog("node");
}

void LeaderWork::start(bool leading) {
  leading_ = leading;
  group_.spawn("leader's work", follow());
}

void LeaderWork::set_leading(bool leading) {
  leading_ = leading;
  changed_.notify_all();
}

rt::Task<> LeaderWork::follow() {
  for (;;) {
    if (leading_ && !controllers_) co_await begin();
    if (!leading_ && controllers_) co_await end();
    while (leading_ == (controllers_ != nullptr)) co_await changed_.wait();
  }
}

rt::Task<> LeaderWork::begin() {
  kLog.info("this server leads: controllers and scheduler start");
  controllers_ = make_controllers_();
  co_await controllers_->start();
  scheduler_ = make_scheduler_();
  if (scheduler_) co_await scheduler_->start();
}

rt::Task<> LeaderWork::end() {
  kLog.info("this server leads no more: controllers and scheduler end");
  if (scheduler_) co_await scheduler_->stop();
  scheduler_.reset();
  if (controllers_) co_await controllers_->stop();
  controllers_.reset();
}

rt::Task<> LeaderWork::stop() {
  co_await group_.stop();
  co_await end();
}

}  // namespace mk::node
