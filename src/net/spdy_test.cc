#include "mk/net/spdy.h"

#include <catch2/catch.hpp>

#include "mk/rt/group.h"
#include "mk/rt/loop.h"
#include "script.h"
#include "spdy_headers.h"

using namespace mk;
using namespace mk::net;

namespace {

std::string frame(std::uint32_t first, std::uint8_t flags, std::string_view body) {
  std::string out;
  append_u32(out, first);
  append_u32(out, static_cast<std::uint32_t>(flags) << 24 | static_cast<std::uint32_t>(body.size()));
  return out.append(body);
}

std::string syn_stream(SpdyHeaders& codec, std::uint32_t id, const Headers& headers, std::uint8_t flags = 0) {
  std::string body;
  append_u32(body, id);
  append_u32(body, 0);
  return frame(0x80030001, flags, body.append(2, '\0') + codec.encode(headers));
}

Headers headers_of(const std::string& type) {
  Headers out;
  out.add("streamtype", type);
  out.add("port", "80");
  return out;
}

struct Seen {
  std::string type, data;
};

// Echoes every stream and ends it.
std::vector<Seen> play(const std::shared_ptr<Script>& script) {
  rt::Loop loop;
  std::vector<Seen> seen;
  auto body = [&]() -> rt::Task<> {
    const auto session = serve_spdy(script);
    rt::Group reader(loop.executor());
    reader.spawn("session", session->run());
    while (const auto stream = co_await session->accept()) {
      Seen one{std::string(stream->headers().get("streamtype")), ""};
      for (;;) {
        auto data = co_await stream->read();
        if (!data.ok() || data->empty()) break;
        one.data += *data;
      }
      (void)co_await stream->write(one.data);
      co_await stream->finish();
      seen.push_back(std::move(one));
    }
    co_await reader.stop();
  };
  rt::run_until_done(loop, body());
  return seen;
}

}  // namespace

TEST_CASE("SPDY's dictionary is the protocol's") {
  const auto& words = spdy_dictionary();
  CHECK(words.size() == 1423);
  CHECK(::adler32(1, reinterpret_cast<const Bytef*>(words.data()), static_cast<uInt>(words.size())) ==
        0xe3c6a7c2);
}

TEST_CASE("SPDY header blocks share one compression from block to block") {
  SpdyHeaders client, server;
  for (const char* type : {"error", "data", "error"}) {
    const auto block = client.encode(headers_of(type));
    const auto headers = server.decode(block);
    REQUIRE(headers.ok());
    CHECK(headers->get("streamtype") == type);
    CHECK(headers->get("port") == "80");
  }
  SpdyHeaders other;
  CHECK_FALSE(other.decode("not zlib at all").ok());
  CHECK_FALSE(SpdyHeaders().decode("").ok());
}

TEST_CASE("SPDY streams carry data both ways, in frames cut anywhere") {
  SpdyHeaders codec;
  std::string bytes = syn_stream(codec, 1, headers_of("error"), 1) +
                      syn_stream(codec, 3, headers_of("data")) + frame(3, 0, "hello ") +
                      frame(0x80030006, 0, "ping") + frame(3, 1, "world") + frame(99, 0, "nobody's");
  const auto script = std::make_shared<Script>(bytes, 7);
  const auto seen = play(script);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].type == "error");
  CHECK(seen[0].data.empty());
  CHECK(seen[1].type == "data");
  CHECK(seen[1].data == "hello world");
  CHECK(script->said.find(frame(0x80030006, 0, "ping")) != std::string::npos);
  CHECK(script->closed);
}

TEST_CASE("what is no SPDY ends the connection") {
  SpdyHeaders codec;
  for (const std::string& bad :
       {std::string("GET / HTTP/1.1\r\n\r\n"), frame(0x80020001, 0, std::string(20, 'x')),
        frame(0x80030001, 0, "short"), frame(0x80030001, 0, std::string(40, 'x')),
        syn_stream(codec, 2, headers_of("even"))}) {
    const auto script = std::make_shared<Script>(std::vector<std::string>{bad});
    CHECK(play(script).empty());
    CHECK(script->closed);
  }
}
