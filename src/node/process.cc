#include "process.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "mk/base/log.h"
#include "mk/rt/fd.h"

namespace mk::node {
namespace {

constexpr Log kLog("node");
constexpr auto kStopMax = std::chrono::seconds(20);

rt::Task<> stop_in_time(Process& process, Role& role) {
  const auto winner = co_await rt::race(role.stop(), process.clock->sleep_for(kStopMax));
  if (winner == 1) kLog.warn("some tasks did not end in time");
}

rt::Task<> start_and_wait(Process& process, Role& role, int& exit_code) {
  if (auto started = co_await role.start(); !started.ok()) {
    std::fprintf(stderr, "mk: %s\n", started.error().message().c_str());
    exit_code = 1;
  } else {
    const int signal = co_await rt::wait_signal({SIGTERM, SIGINT});
    kLog.info("stopping", "signal", signal);
  }
  co_await stop_in_time(process, role);
}

// A descriptor for each connection: systemd and shells allow 1024 unless asked for more.
void allow_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 1 << 16);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int run(Process& process, Role& role) {
  int exit_code = 0;
  allow_descriptors();
  rt::run_until_done(process.loop, start_and_wait(process, role, exit_code));
  return exit_code;
}

}  // namespace mk::node
