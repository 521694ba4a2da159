#include <catch2/catch.hpp>

#include "mk/net/datagram.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "net_fixture.h"

using namespace mk;
using namespace std::chrono_literals;

namespace {

using ExchangePtr = std::shared_ptr<net::Exchange>;

struct Seen {
  int gone = 0, cancelled = 0, open = 0;
};

std::vector<SharedBytes> chunk(std::string text) {
  std::vector<SharedBytes> out;
  out.emplace_back(std::move(text));
  return out;
}

rt::Task<> tick(std::shared_ptr<net::BodyWriter> writer, rt::Clock& clock) {
  for (int i = 0; i < 100000; ++i) {
    if (!(co_await writer->write(chunk("tick " + std::to_string(i) + "\n"))).ok()) co_return;
    co_await clock.sleep_for(5ms);
  }
}

struct Counted {
  explicit Counted(Seen& seen_) : seen(seen_) { ++seen.open; }
  ~Counted() { --seen.open; }
  Seen& seen;
};

rt::Task<> stream_handler(ExchangePtr exchange, rt::Clock& clock, Seen& seen) {
  Counted counted(seen);
  const auto path = exchange->request().path();
  if (path == "/wait") {
    co_await exchange->client_gone();
    ++seen.gone;
    co_return;
  }
  if (path == "/cut" || path == "/large") {
    auto writer = (co_await exchange->start(200, {})).value();
    auto chunks = chunk(std::string(path == "/cut" ? 3 : 3000000, 'x'));
    chunks.emplace_back(std::string(100000, 'y'));
    (void)co_await writer->write(chunks);
    if (path == "/large") (void)co_await writer->finish();
    co_return;
  }
  if (path == "/slow") {
    co_await clock.sleep_for(10s);
    co_return;
  }
  if (path == "/shared") {
    std::vector<SharedBytes> body(3, SharedBytes(std::string(20000, 's')));
    (void)co_await exchange->respond(200, {}, body);
    co_return;
  }
  std::shared_ptr<net::BodyWriter> writer = (co_await exchange->start(200, {})).value();
  if (co_await rt::race(tick(writer, clock), exchange->client_gone()) == 1) ++seen.gone;
}

struct StreamFixture : net::Fixture {
  explicit StreamFixture(bool tls = true) {
    listen([this](ExchangePtr exchange) { return stream_handler(std::move(exchange), *clock, seen); }, tls);
  }
  // Until the server has noticed.
  rt::Task<> settle(int gone) {
    for (int i = 0; i < 200 && seen.gone < gone; ++i) co_await clock->sleep_for(5ms);
  }
  Seen seen;
};

}  // namespace

TEST_CASE("a stream arrives as it is sent, and its reader leaving is noticed") {
  for (const bool tls : {true, false}) {
    StreamFixture fixture(tls);
    auto body = [&]() -> rt::Task<> {
      auto client = fixture.client();
      {
        auto reader = (co_await client->stream(net::Request("GET", "/ticks"))).value();
        CHECK(reader->head().status == 200);
        CHECK((co_await reader->read_some()).value().substr(0, 7) == "tick 0\n");
        CHECK(!(co_await reader->read_some()).value().empty());
      }
      co_await fixture.settle(1);
      CHECK(fixture.seen.gone == 1);
      {
        auto early = fixture.client();
        (void)co_await rt::with_timeout(*fixture.clock, 50ms, early->request(net::Request("GET", "/wait")));
      }
      co_await fixture.settle(2);
      CHECK(fixture.seen.gone == 2);
    };
    fixture.run(body());
  }
}

TEST_CASE("streams are whole or visibly cut") {
  StreamFixture fixture;
  auto body = [&]() -> rt::Task<> {
    auto client = fixture.client();
    auto large = co_await client->request(net::Request("GET", "/large"));
    CHECK(large.value().body.size() == 3100000);
    auto shared = co_await client->request(net::Request("GET", "/shared"));
    CHECK(shared.value().body == std::string(60000, 's'));
    auto cut = co_await client->request(net::Request("GET", "/cut"));
    CHECK(!cut.ok());
  };
  fixture.run(body());
}

TEST_CASE("stopping the server ends open streams and waiting handlers") {
  StreamFixture fixture;
  auto body = [&]() -> rt::Task<> {
    auto client = fixture.client();
    auto reader = (co_await client->stream(net::Request("GET", "/ticks"))).value();
    (void)co_await reader->read_some();
    (void)co_await rt::with_timeout(*fixture.clock, 20ms, client->request(net::Request("GET", "/slow")));
    CHECK(fixture.seen.open == 2);
    co_await fixture.server->stop();
    CHECK(fixture.seen.open == 0);
    Result<std::string> last(std::string("x"));
    while (last.ok() && !last->empty()) last = co_await reader->read_some();
    CHECK(!last.ok());
  };
  fixture.run(body());
}

TEST_CASE("two hundred requests at once, and a pool that keeps few connections") {
  net::Fixture fixture;
  int connections_seen = 0;
  fixture.listen([&](ExchangePtr exchange) -> rt::Task<> {
    ++connections_seen;
    co_await rt::yield();
    (void)co_await exchange->respond(
        net::Response(200, "text/plain", std::string(exchange->request().path())));
  });
  auto body = [&]() -> rt::Task<> {
    auto client = fixture.client();
    int done = 0;
    auto one = [&](int i) -> rt::Task<> {
      auto got = co_await client->request(net::Request("GET", "/" + std::to_string(i)));
      if (got.ok() && got->body == "/" + std::to_string(i)) ++done;
    };
    rt::Group group(fixture.loop.executor());
    for (int i = 0; i < 200; ++i) group.spawn("one", one(i));
    while (group.size() > 0) co_await fixture.clock->sleep_for(5ms);
    CHECK(done == 200);
    CHECK(connections_seen == 200);
  };
  fixture.run(body());
}

TEST_CASE("a plain listener, half-close, and datagrams") {
  rt::Loop loop;
  auto clock = rt::make_real_clock();
  auto echo_all = [](std::shared_ptr<net::RawStream> stream, net::Peer) -> rt::Task<> {
    std::string all;
    for (;;) {
      auto more = co_await stream->read_some(1000);
      if (!more.ok() || more->empty()) break;
      all += *more;
    }
    (void)co_await stream->write_all(all);
  };
  auto body = [&]() -> rt::Task<> {
    auto listener = net::listen_tcp(loop, "::1", 0, echo_all).value();
    auto stream = (co_await net::connect_tcp(*clock, "::1", listener->port(), 1s)).value();
    (void)co_await stream->write_all("hello");
    stream->close_write();
    CHECK((co_await stream->read_some(100)).value() == "hello");
    CHECK((co_await stream->read_some(100)).value().empty());
    const int port = listener->port();
    co_await listener->stop();
    auto refused = co_await net::connect_tcp(*clock, "::1", port, 1s);
    CHECK(refused.error().message() ==
          "cannot connect to [::1]:" + std::to_string(port) + ": connection refused");

    auto one = net::bind_udp(loop, "127.0.0.1", 0).value();
    auto two = net::bind_udp(loop, "127.0.0.1", 0).value();
    CHECK((co_await one->send({"127.0.0.1", two->port()}, std::string(30000, 'd'))).ok());
    auto got = co_await two->receive();
    CHECK((got.value().data.size() == 30000 && got->from.port == one->port()));
  };
  rt::run_until_done(loop, body());
}
