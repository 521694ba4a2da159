#include "eviction/pressure_alarm.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <string_view>
namespace mk::kubelet {

namespace {
// Some task waited 70 ms of a second for memory. The kernel tells at most once per window.
constexpr std::string_view kTrigger = "some 70000 1000000";
}  // namespace

PressureAlarm::PressureAlarm(rt::Executor executor) {
  UniqueFd stall(::open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!stall || ::write(stall.get(), kTrigger.data(), kTrigger.size() + 1) < 0) return;
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLPRI;
  if (!epoll || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, stall.get(), &event) != 0) return;
  stall_ = std::move(stall);
  epoll_.emplace(std::move(executor), epoll.release());
}

rt::Task<> PressureAlarm::rings() {
  auto readable = co_await epoll_->wait_readable();
  if (!readable.ok()) {
    epoll_.reset();
    co_return;
  }
  epoll_event event{};
  (void)::epoll_wait(epoll_->native(), &event, 1, 0);
  // Nobody else looks at the descriptor: an error on it (cgroups gone) would ring for ever.
  if ((event.events & EPOLLERR) != 0) epoll_.reset();
}

rt::Task<> PressureAlarm::wait(rt::Clock& clock, rt::Duration most) {
  if (epoll_)
    (void)co_await rt::race(rings(), clock.sleep_for(most));
  else
    co_await clock.sleep_for(most);
}

}  // namespace mk::kubelet
