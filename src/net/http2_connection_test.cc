#include <catch2/catch.hpp>

#include "http2_peer.h"
#include "mk/rt/group.h"
#include "net_fixture.h"
#include "stream.h"

using namespace mk;
using namespace std::chrono_literals;

namespace {

using ExchangePtr = std::shared_ptr<net::Exchange>;

// A client of HTTP/2 over a real connection.
class Client {
 public:
  explicit Client(net::Fixture& fixture, bool opens_windows = true) : peer(opens_windows) {
    net::ClientTls options;
    options.ca_pem = fixture.ca.certificate_pem;
    auto context = net::make_client_context(options).value();
    SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>("\x02h2"), 3);
    net::Socket socket(fixture.loop.executor());
    const auto port = static_cast<unsigned short>(fixture.server->port());
    socket.connect({boost::asio::ip::address_v4::loopback(), port});
    net::tune(socket);
    stream_ = std::make_unique<net::Stream>(std::move(socket), std::move(context));
  }

  rt::Task<> connect() {
    auto done = co_await stream_->connect_tls("127.0.0.1");
    if (!done.ok()) FAIL(done.error().message());
    CHECK(net::negotiated_http2(stream_->ssl()));
  }
  rt::Task<> flush() {
    const std::string out = peer.output();
    (void)co_await stream_->write(out);
  }
  // False when the connection has ended before.
  rt::Task<bool> until(std::function<bool()> condition) {
    co_await flush();
    std::string buffer(65536, '\0');
    while (!condition()) {
      auto count = co_await stream_->read_some(buffer.data(), buffer.size());
      if (!count.ok() || *count == 0) co_return condition();
      peer.input(buffer.substr(0, *count));
      co_await flush();
    }
    co_return true;
  }
  rt::Task<bool> until_whole(std::int32_t id) {
    auto whole = [this, id] { return peer.answers[id].whole || peer.answers[id].reset >= 0; };
    co_return co_await until(whole);
  }
  void close() { stream_->close(); }

  net::Http2Peer peer;

 private:
  std::unique_ptr<net::Stream> stream_;
};

// What the handler saw of streams that go on.
struct Seen {
  bool gone = false, write_failed = false, late = false;
  rt::Event go_on;
};

rt::Task<> watch(ExchangePtr exchange, Seen& seen) {
  auto body = co_await exchange->start(200, net::Headers());
  if (!body.ok()) co_return;
  std::vector<SharedBytes> first{SharedBytes(std::string("event "))};
  (void)co_await (*body)->write(std::move(first));
  co_await exchange->client_gone();
  seen.gone = true;
  std::vector<SharedBytes> more{SharedBytes(std::string("lost"))};
  seen.write_failed = !(co_await (*body)->write(std::move(more))).ok();
}

rt::Task<> answer(ExchangePtr exchange, Seen& seen) {
  const net::Request& request = exchange->request();
  const auto path = request.path();
  if (path == "/throw") throw std::runtime_error("broken");
  if (path == "/silent") co_return;
  if (path == "/watch") {
    co_await watch(exchange, seen);
    co_return;
  }
  if (path == "/late") {
    co_await seen.go_on.wait();
    seen.late = true;
  }
  if (path == "/upgrade") {
    CHECK(!exchange->wants_websocket());
    CHECK(!(co_await exchange->upgrade("SPDY/3.1", net::Headers())).ok());
    co_return;
  }
  if (path == "/stream" || path == "/cut") {
    auto body = (co_await exchange->start(200, net::Headers())).value();
    for (int i = 0; i < 20; ++i) {
      std::vector<SharedBytes> part{SharedBytes(std::string(100000, static_cast<char>('a' + i)))};
      if (!(co_await body->write(std::move(part))).ok()) co_return;
    }
    if (path == "/stream") (void)co_await body->finish();
    co_return;
  }
  const std::string text = path == "/echo" ? request.body : request.method + " " + request.target;
  (void)co_await exchange->respond(net::Response(200, "text/plain", text));
}

struct Server : net::Fixture {
  Server() {
    listen([this](ExchangePtr exchange) { return answer(std::move(exchange), seen); });
  }
  Seen seen;
};

}  // namespace

TEST_CASE("HTTP/2 over TLS: answers short, large, streamed, empty and failed") {
  Server server;
  auto body = [&]() -> rt::Task<> {
    Client client(server);
    co_await client.connect();
    auto& peer = client.peer;
    const auto get = peer.request("GET", "/a?b=c"), head = peer.request("HEAD", "/"),
               echo = peer.request("POST", "/echo", std::string(2 << 20, 'e')),
               stream = peer.request("GET", "/stream"), cut = peer.request("GET", "/cut"),
               thrown = peer.request("GET", "/throw"), silent = peer.request("GET", "/silent"),
               upgrade = peer.request("GET", "/upgrade");
    for (const auto id : {get, head, echo, stream, cut, thrown, silent, upgrade})
      CHECK(co_await client.until_whole(id));
    auto& answers = peer.answers;
    CHECK((answers[get].status == 200 && answers[get].body == "GET /a?b=c"));
    CHECK((answers[get].fields["content-length"] == "10" && answers[get].fields.count("date") == 1));
    CHECK((answers[head].status == 200 && answers[head].body.empty()));
    CHECK((answers[head].fields["content-length"] == "6"));
    CHECK(answers[echo].body == std::string(2 << 20, 'e'));
    CHECK((answers[stream].body.size() == 2000000 && answers[stream].body.back() == 't'));
    CHECK((!answers[cut].whole && answers[cut].reset == NGHTTP2_INTERNAL_ERROR));
    CHECK((answers[thrown].status == 500 && answers[silent].status == 500 && answers[upgrade].status == 400));
  };
  server.run(body());
}

TEST_CASE("HTTP/2 over TLS: a watch ends for the handler when its client resets it") {
  Server server;
  auto body = [&]() -> rt::Task<> {
    Client client(server);
    co_await client.connect();
    const auto id = client.peer.request("GET", "/watch");
    auto begun = [&] { return client.peer.answers[id].body == "event "; };
    CHECK(co_await client.until(begun));
    client.peer.reset(id);
    const auto other = client.peer.request("GET", "/");
    CHECK(co_await client.until_whole(other));
    while (!server.seen.gone) co_await server.clock->sleep_for(1ms);
    CHECK(server.seen.write_failed);
  };
  server.run(body());
}

TEST_CASE("HTTP/2 over TLS: a request whose connection has gone still runs to its end") {
  Server server;
  auto body = [&]() -> rt::Task<> {
    {
      Client client(server);
      co_await client.connect();
      client.peer.request("POST", "/late", "body");
      client.peer.request("GET", "/watch");
      const auto id = client.peer.request("GET", "/");
      CHECK(co_await client.until_whole(id));
      client.close();
    }
    while (!server.seen.gone) co_await server.clock->sleep_for(1ms);
    server.seen.go_on.notify_all();
    while (!server.seen.late) co_await server.clock->sleep_for(1ms);
  };
  server.run(body());
}

TEST_CASE("HTTP/2 over TLS: a client that reads nothing for a while gets everything later") {
  Server server;
  auto body = [&]() -> rt::Task<> {
    Client client(server);
    co_await client.connect();
    const std::string large(60000, 'x');
    std::vector<std::int32_t> ids;
    for (int turn = 0; turn < 100; ++turn) {
      ids.push_back(client.peer.request("POST", "/echo", large));
      if (turn % 10 == 9) co_await client.flush();
    }
    co_await server.clock->sleep_for(50ms);
    for (const auto id : ids) {
      CHECK(co_await client.until_whole(id));
      CHECK(client.peer.answers[id].body == large);
    }
  };
  server.run(body());
}

TEST_CASE("HTTP/2 over TLS: stopping says GOAWAY and answers what was asked") {
  Server server;
  auto body = [&]() -> rt::Task<> {
    Client client(server);
    co_await client.connect();
    const auto late = client.peer.request("GET", "/late"), id = client.peer.request("GET", "/");
    CHECK(co_await client.until_whole(id));
    rt::Group group(server.loop.executor());
    auto stop = [&]() -> rt::Task<> { co_await server.server->stop(); };
    group.spawn("stop", stop());
    auto told = [&] { return client.peer.goaway == NGHTTP2_NO_ERROR; };
    CHECK(co_await client.until(told));
    server.seen.go_on.notify_all();
    CHECK(co_await client.until_whole(late));
    CHECK(client.peer.answers[late].body == "GET /late");
    auto never = [] { return false; };
    CHECK(!co_await client.until(never));
    while (group.size() > 0) co_await server.clock->sleep_for(1ms);
  };
  rt::run_until_done(server.loop, body());
}
