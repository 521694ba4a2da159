#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <optional>

#include "mk/base/files.h"
#include "mk/base/temp_dir.h"
#include "mk/net/grpc.h"
#include "mk/rt/clock.h"
#include "mk/rt/group.h"

using namespace mk;
using namespace mk::net;

namespace {

rt::Task<GrpcAnswer> echo(std::string method, std::string message) {
  GrpcAnswer out;
  if (method == "/t.T/Fail") {
    out.code = 5;
    out.text = "no such thing: 100 % gone\n";
  } else {
    out.message = method + " " + message;
  }
  co_return out;
}

rt::Task<> call(std::string path, std::string method, std::string message, std::optional<GrpcAnswer>& out) {
  auto stream = co_await connect_unix(std::move(path));
  REQUIRE(stream.ok());
  GrpcCall request{"localhost", std::move(method), std::move(message), "test"};
  auto answer = co_await call_grpc(**stream, std::move(request));
  REQUIRE(answer.ok());
  out = *answer;
}

}  // namespace

TEST_CASE("a gRPC server on a unix socket answers unary calls, large ones and failures too") {
  TempDir dir;
  rt::Loop loop;
  // Longer than the address of a unix socket.
  const std::string folder = dir.path() + "/" + std::string(120, 'd');
  REQUIRE(make_dirs(folder).ok());
  const std::string path = folder + "/s.sock";
  auto server = listen_grpc(loop, path, echo);
  REQUIRE(server.ok());
  struct stat info;
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);

  std::optional<GrpcAnswer> answer;
  rt::run_until_done(loop, call(path, "/t.T/Say", "hello", answer));
  CHECK(answer->code == 0);
  CHECK(answer->message == "/t.T/Say hello");
  const std::string large(3 << 20, 'x');
  rt::run_until_done(loop, call(path, "/t.T/Say", large, answer));
  CHECK(answer->message.size() == large.size() + 9);
  rt::run_until_done(loop, call(path, "/t.T/Fail", "", answer));
  CHECK(answer->code == 5);
  CHECK(answer->text == "no such thing: 100 % gone\n");

  rt::run_until_done(loop, (*server)->stop());
  CHECK_FALSE(file_exists(path));
}

TEST_CASE("a unix socket that is not there, or that nobody serves, is told apart") {
  TempDir dir;
  rt::Loop loop;
  std::optional<Reason> reason;
  const auto look = [](std::string path, std::optional<Reason>& out) -> rt::Task<> {
    auto stream = co_await connect_unix(std::move(path));
    REQUIRE_FALSE(stream.ok());
    out = stream.error().reason();
  };
  rt::run_until_done(loop, look(dir.path() + "/none", reason));
  CHECK(reason == Reason::kNotFound);
  REQUIRE(write_file(dir.path() + "/file", "").ok());
  rt::run_until_done(loop, look(dir.path() + "/file", reason));
  CHECK(reason == Reason::kServiceUnavailable);
}
