#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include "mk/base/files.h"
#include "mk/rt/group.h"
#include "mk/rt/loop.h"
#include "server/kubelet_server.h"
#include "server/log_stream.h"
#include "server/stream_session.h"

using namespace mk;
using namespace mk::kubelet;
using namespace std::chrono_literals;

namespace {

struct LogFile {
  LogFile() {
    char name[] = "/tmp/mk-log-test-XXXXXX";
    dir = ::mkdtemp(name);
    path = dir + "/0.log";
  }
  ~LogFile() { (void)remove_tree(dir); }
  void append(const std::string& text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(fd);
  }
  std::string dir, path;
};

const std::string kLines =
    "2026-01-02T03:04:05.1Z stdout F one\n2026-01-02T03:04:06.1Z stderr P tw\n2026-01-02T03:04:06.2Z stderr "
    "F o\n2026-01-02T03:04:07.1Z stdout F three\n";

// Reads the whole log of a container that has ended.
std::string read_log(const std::string& path, const std::string& query) {
  rt::Loop loop;
  rt::BlockingPool pool(1);
  auto clock = rt::make_real_clock();
  std::string out;
  auto options = parse_log_options(net::Query(query), *rt::parse_time("2026-01-02T03:04:08Z"));
  REQUIRE(options.ok());
  auto body = [&]() -> rt::Task<> {
    LogSink sink = [&](std::string chunk) -> rt::Task<Result<void>> {
      out += chunk;
      co_return ok();
    };
    std::function<bool()> running = [] { return false; };
    CHECK((co_await stream_log(pool, *clock, path, *options, running, sink)).ok());
  };
  rt::run_until_done(loop, body());
  return out;
}

}  // namespace

TEST_CASE("log options") {
  LogFile log;
  log.append(kLines);
  CHECK(read_log(log.path, "") == "one\ntwo\nthree\n");
  CHECK(read_log(log.path, "tailLines=1") == "three\n");
  CHECK(read_log(log.path, "tailLines=0").empty());
  CHECK(read_log(log.path, "limitBytes=1") == "o");
  CHECK(read_log(log.path, "stream=Stderr") == "two\n");
  CHECK(read_log(log.path, "sinceSeconds=1") == "three\n");
  CHECK(read_log(log.path, "sinceTime=2026-01-02T03:04:07Z&timestamps=true") ==
        "2026-01-02T03:04:07.1Z three\n");
  CHECK(!parse_log_options(net::Query("tailLines=x"), rt::WallTime()).ok());
}

TEST_CASE("following a log over growth, rotation and the end of its container") {
  LogFile log;
  log.append("2026-01-02T03:04:05Z stdout F one\n");
  rt::Loop loop;
  rt::BlockingPool pool(1);
  auto clock = rt::make_real_clock();
  std::string out;
  bool alive = true;
  LogOptions options;
  options.follow = true;
  auto body = [&]() -> rt::Task<> {
    LogSink sink = [&](std::string chunk) -> rt::Task<Result<void>> {
      out += chunk;
      if (out == "one\n") {
        log.append("2026-01-02T03:04:05Z stdout F two\n");
      } else if (out == "one\ntwo\n") {
        REQUIRE(::rename(log.path.c_str(), (log.path + ".1").c_str()) == 0);
        log.append("2026-01-02T03:04:05Z stdout F three\n");
        alive = false;
      }
      co_return ok();
    };
    std::function<bool()> running = [&] { return alive; };
    CHECK((co_await stream_log(pool, *clock, log.path, options, running, sink)).ok());
  };
  rt::run_until_done(loop, body());
  CHECK(out == "one\ntwo\nthree\n");
}

TEST_CASE("the final status of a stream") {
  CHECK(exit_status_json(0) == R"({"metadata":{},"status":"Success"})");
  CHECK(
      exit_status_json(3) ==
      R"({"metadata":{},"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with non-zero exit code: exit status 3",)"
      R"("details":{"causes":[{"reason":"ExitCode","message":"3"}]}})");
}

TEST_CASE("who may use the kubelet's API") {
  pki::CertificateInfo info;
  CHECK(authorize(std::nullopt).error().is(Reason::kUnauthorized));
  info.common_name = "somebody";
  CHECK(authorize(info).error().is(Reason::kForbidden));
  info.organizations = {"system:masters"};
  CHECK(authorize(info).ok());
  info.organizations.clear();
  info.common_name = "kube-apiserver-kubelet-client";
  CHECK(authorize(info).ok());
}

TEST_CASE("cancelling a task that races ends it quietly") {
  rt::Loop loop;
  rt::ManualClock clock;
  rt::Group group(loop.executor());
  rt::Event event;
  auto racer = [&]() -> rt::Task<> { co_await rt::race(event.wait(), clock.sleep_for(10s)); };
  group.spawn("racer", racer());
  loop.poll();
  rt::run_until_done(loop, group.stop());
  CHECK(group.size() == 0);
}
