#include "mk/rt/clock.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace mk::rt {

namespace asio = boost::asio;

namespace {

class RealClock : public Clock {
 public:
  WallTime now() const override { return std::chrono::system_clock::now(); }
  MonoTime mono() const override { return std::chrono::steady_clock::now(); }

  Task<> sleep_until(MonoTime when) override {
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, when);
    co_await timer.async_wait(asio::use_awaitable);
  }
};

}  // namespace

std::unique_ptr<Clock> make_real_clock() {
  return std::make_unique<RealClock>();
}

}  // namespace mk::rt
