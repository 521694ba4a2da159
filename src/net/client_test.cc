#include <catch2/catch.hpp>

#include "mk/net/datagram.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "net_fixture.h"
#include "parser.h"

using namespace mk;
using namespace std::chrono_literals;

namespace {

using ExchangePtr = std::shared_ptr<net::Exchange>;

rt::Task<> websocket_handler(ExchangePtr exchange) {
  std::vector<std::string> ours{"v5.channel.k8s.io", "v4.channel.k8s.io"};
  auto socket = co_await exchange->accept_websocket(ours);
  if (!socket.ok()) co_return;
  for (;;) {
    auto message = co_await (*socket)->read();
    if (!message.ok()) co_return;
    if (message->data == "close") {
      co_await (*socket)->close(1000, "bye");
      co_return;
    }
    (void)co_await (*socket)->write(*message);
  }
}

rt::Task<> upgrade_handler(ExchangePtr exchange) {
  auto stream = co_await exchange->upgrade("SPDY/3.1", {});
  if (!stream.ok()) co_return;
  for (;;) {
    auto data = co_await (*stream)->read_some(4096);
    if (!data.ok() || data->empty()) co_return;
    (void)co_await (*stream)->write_all(*data);
  }
}

// A plain server that speaks the given bytes to every connection, once it has read something.
struct Script {
  explicit Script(std::string answer) : text(std::move(answer)) {
    auto handler = [this](std::shared_ptr<net::RawStream> stream, net::Peer) {
      return serve(std::move(stream));
    };
    listener = net::listen_tcp(loop, "127.0.0.1", 0, handler).value();
    net::ClientOptions options;
    options.base_url = "http://127.0.0.1:" + std::to_string(listener->port());
    options.request_timeout = 200ms;
    client = net::make_http_client(loop, *clock, options).value();
  }
  rt::Task<> serve(std::shared_ptr<net::RawStream> stream) {
    ++connections;
    (void)co_await stream->read_some(65536);
    if (!text.empty()) {
      (void)co_await stream->write_all(text);
      co_return;
    }
    co_await clock->sleep_for(1s);
  }
  void run(rt::Task<> body) {
    auto all = [](rt::Task<> inner, net::TcpListener& server) -> rt::Task<> {
      co_await std::move(inner);
      co_await server.stop();
    };
    rt::run_until_done(loop, all(std::move(body), *listener));
  }
  std::string text;
  int connections = 0;
  rt::Loop loop;
  std::unique_ptr<rt::Clock> clock = rt::make_real_clock();
  std::unique_ptr<net::TcpListener> listener;
  std::unique_ptr<net::HttpClient> client;
};

}  // namespace

TEST_CASE("websocket messages of all sizes go both ways, and closing is mutual") {
  for (const bool tls : {true, false}) {
    net::Fixture fixture;
    fixture.listen(websocket_handler, tls);
    auto body = [&]() -> rt::Task<> {
      auto client = fixture.client();
      std::vector<std::string> wanted{"v4.channel.k8s.io", "v5.channel.k8s.io"};
      auto socket = (co_await client->websocket(net::Request("GET", "/exec"), wanted)).value();
      CHECK(socket->subprotocol() == "v4.channel.k8s.io");
      for (std::size_t size : {0, 1, 125, 126, 65535, 65536, 3000000}) {
        net::WebSocket::Message message(size % 2 == 0, std::string(size, 'w'));
        CHECK((co_await socket->write(message)).ok());
        auto back = co_await socket->read();
        CHECK((back.value().data == message.data && back->binary == message.binary));
      }
      net::WebSocket::Message last(false, "close");
      (void)co_await socket->write(last);
      auto closed = co_await socket->read();
      CHECK(closed.error().is(Reason::kGone));
      CHECK(closed.error().message() == "websocket: closed with code 1000: bye");
    };
    fixture.run(body());
  }
}

TEST_CASE("a request that is no websocket is refused, and so is the client's wish") {
  net::Fixture fixture;
  fixture.listen(websocket_handler);
  auto body = [&]() -> rt::Task<> {
    auto got = co_await fixture.client()->request(net::Request("GET", "/exec"));
    CHECK(got.value().status == 400);
  };
  fixture.run(body());

  net::Fixture plain;
  plain.listen([](ExchangePtr exchange) -> rt::Task<> {
    (void)co_await exchange->respond(net::Response(404, "text/plain", "no such pod"));
  });
  auto refused = [&]() -> rt::Task<> {
    auto socket = co_await plain.client()->websocket(net::Request("GET", "/exec"), {});
    CHECK(socket.error().is(Reason::kNotFound));
    CHECK(socket.error().message() == "no such pod");
  };
  plain.run(refused());
}

TEST_CASE("fragments, pings and masks") {
  net::Fixture fixture;
  fixture.listen(websocket_handler, false);
  auto body = [&]() -> rt::Task<> {
    auto stream =
        (co_await net::connect_tcp(*fixture.clock, "127.0.0.1", fixture.server->port(), 1s)).value();
    const std::string head =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const std::string zero_mask(4, '\0');
    const std::string first = std::string("\x01\x83", 2) + zero_mask + "abc";
    const std::string ping = std::string("\x89\x82", 2) + zero_mask + "hi";
    const std::string second = std::string("\x80\x83", 2) + zero_mask + "def";
    (void)co_await stream->write_all(head + first + ping + second);
    std::string got;
    while (got.find("abcdef") == std::string::npos) {
      auto more = co_await stream->read_some(4096);
      REQUIRE((more.ok() && !more->empty()));
      got += *more;
    }
    CHECK(got.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);
    CHECK(got.find(std::string("\x8a\x02hi", 4)) != std::string::npos);
    const std::string unmasked("\x81\x01x", 3);
    (void)co_await stream->write_all(unmasked);
    auto end = co_await stream->read_some(4096);
    CHECK(end.value().substr(0, 1) == "\x88");
  };
  fixture.run(body());
}

TEST_CASE("an upgrade gives both sides the bare connection") {
  net::Fixture fixture;
  fixture.listen(upgrade_handler);
  auto body = [&]() -> rt::Task<> {
    net::Request request("POST", "/exec");
    request.headers.set("Upgrade", "SPDY/3.1");
    auto upgraded = (co_await fixture.client()->upgrade(request)).value();
    CHECK(upgraded.head.headers.get("Upgrade") == "SPDY/3.1");
    auto stream = std::move(upgraded.stream);
    const std::string data(200000, 'u');
    std::string back;
    auto read_all = [&]() -> rt::Task<> {
      while (back.size() < data.size()) {
        auto more = co_await stream->read_some(65536);
        if (!more.ok() || more->empty()) co_return;
        back += *more;
      }
    };
    rt::Group group(fixture.loop.executor());
    group.spawn("reader", read_all());
    (void)co_await stream->write_all(data);
    while (group.size() > 0) co_await fixture.clock->sleep_for(2ms);
    CHECK(back == data);
  };
  fixture.run(body());
}

TEST_CASE("connections are kept and used again, and a dead one is replaced") {
  net::Fixture fixture;
  fixture.limits.idle_timeout = 60ms;
  fixture.listen([](ExchangePtr exchange) -> rt::Task<> {
    (void)co_await exchange->respond(
        net::Response(200, "text/plain", std::string(exchange->request().headers.get("authorization"))));
  });
  auto body = [&]() -> rt::Task<> {
    auto options = fixture.options();
    options.token = "one";
    auto client = fixture.client(options);
    CHECK((co_await client->request(net::Request("GET", "/"))).value().body == "Bearer one");
    co_await fixture.clock->sleep_for(200ms);
    CHECK((co_await client->request(net::Request("POST", "/"))).ok());
    client->set_credentials({}, "two");
    CHECK((co_await client->request(net::Request("GET", "/"))).value().body == "Bearer two");
  };
  fixture.run(body());

  // This server says that it keeps connections, and does not.
  Script liar("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  auto lied_to = [&]() -> rt::Task<> {
    for (int i = 0; i < 5; ++i)
      CHECK((co_await liar.client->request(net::Request("GET", "/"))).value().body == "ok");
    CHECK(liar.connections == 5);
  };
  liar.run(lied_to());
}

TEST_CASE("who the server is decides whether we talk to it") {
  net::Fixture fixture;
  fixture.listen([](ExchangePtr exchange) -> rt::Task<> {
    (void)co_await exchange->respond(net::Response(200, "a/b", "x"));
  });
  auto body = [&]() -> rt::Task<> {
    auto options = fixture.options();
    options.server_name = "localhost";
    CHECK((co_await fixture.client(options)->request(net::Request("GET", "/"))).ok());
    options.server_name = "other.example";
    auto mismatch = co_await fixture.client(options)->request(net::Request("GET", "/"));
    CHECK(mismatch.error().is(Reason::kUnauthorized));
    options = fixture.options();
    options.ca_pem = pki::make_ca("other", fixture.now() - 60, fixture.now() + 60).certificate_pem;
    CHECK((co_await fixture.client(options)->request(net::Request("GET", "/")))
              .error()
              .is(Reason::kUnauthorized));
    options.insecure = true;
    CHECK((co_await fixture.client(options)->request(net::Request("GET", "/"))).ok());
    options = fixture.options();
    options.ca_pem = "nonsense";
    CHECK(!net::make_http_client(fixture.loop, *fixture.clock, options).ok());
  };
  fixture.run(body());
}

TEST_CASE("answers of every framing, and broken ones") {
  const auto get = [](std::string text) {
    Script script(std::move(text));
    Result<net::Response> out(net::Response{});
    auto body = [&]() -> rt::Task<> { out = co_await script.client->request(net::Request("GET", "/")); };
    script.run(body());
    return out;
  };
  CHECK(get("HTTP/1.1 200 OK\r\n\r\nuntil close").value().body == "until close");
  CHECK(get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").value().body ==
        "abc");
  CHECK(get("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").value().status == 204);
  CHECK(get("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").error().is(Reason::kServiceUnavailable));
  CHECK(get("SSH-2.0-OpenSSH\r\n\r\n").error().is(Reason::kServiceUnavailable));
  CHECK(get("").error().is(Reason::kTimeout));
}

TEST_CASE("an end before the first byte of an answer is no answer") {
  net::ResponseParser parser;
  CHECK(parser.feed_end().error().is(Reason::kServiceUnavailable));
}

TEST_CASE("URLs") {
  auto url = net::parse_url("https://[fd00::1]:6443/a?b").value();
  CHECK((url.host == "fd00::1" && url.port == 6443 && url.path == "/a?b"));
  CHECK(net::parse_url("http://h")->port == 80);
  for (const char* bad : {"", "h:1", "ftp://h", "https://", "https://h:0", "https://h:x", "https://[::1"})
    CHECK(!net::parse_url(bad).ok());
}
