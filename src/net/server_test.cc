#include <catch2/catch.hpp>

#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "net_fixture.h"

using namespace mk;
using namespace std::chrono_literals;

namespace {

using ExchangePtr = std::shared_ptr<net::Exchange>;

rt::Task<> answer(ExchangePtr exchange) {
  const auto& request = exchange->request();
  if (request.path() == "/throw") throw std::runtime_error("broken");
  if (request.path() == "/silent") co_return;
  if (request.path() == "/echo") {
    (void)co_await exchange->respond(net::Response(200, "text/plain", request.body));
    co_return;
  }
  if (request.path() == "/who") {
    const auto& certificate = exchange->client_certificate();
    const std::string who = certificate ? certificate->common_name + "/" + certificate->organizations.at(0)
                                        : "anonymous: " + exchange->client_certificate_error();
    (void)co_await exchange->respond(net::Response(200, "text/plain", who));
    co_return;
  }
  (void)co_await exchange->respond(net::Response(200, "text/plain", request.method + " " + request.target));
}

// Sends raw bytes over a plain connection and reads until the server closes or `until` has come.
rt::Task<std::string> raw(net::Fixture& fixture, std::string bytes, std::string until = {}) {
  auto stream = (co_await net::connect_tcp(*fixture.clock, "127.0.0.1", fixture.server->port(), 1s)).value();
  (void)co_await stream->write_all(std::move(bytes));
  std::string got;
  for (;;) {
    auto more = co_await stream->read_some(65536);
    if (!more.ok() || more->empty()) break;
    got += *more;
    if (!until.empty() && got.find(until) != std::string::npos) break;
  }
  co_return got;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("requests and answers over TLS on a kept connection") {
  net::Fixture fixture;
  fixture.listen(answer);
  auto body = [&]() -> rt::Task<> {
    auto client = fixture.client();
    auto got = co_await client->request(net::Request("GET", "/a%20b?x=1"));
    CHECK(got.value().body == "GET /a%20b?x=1");
    CHECK(got->headers.get("content-type") == "text/plain");
    CHECK(got->headers.has("Date"));
    auto head = co_await client->request(net::Request("HEAD", "/x"));
    CHECK((head.value().body.empty() && head->headers.get("Content-Length") == "7"));
    net::Request big("POST", "/echo");
    big.body = std::string(2 << 20, 'b');
    auto echoed = co_await client->request(big);
    CHECK(echoed.value().body == big.body);
  };
  fixture.run(body());
}

TEST_CASE("a handler that throws or says nothing is a 500 Status, and the connection lives on") {
  net::Fixture fixture;
  fixture.listen(answer);
  auto body = [&]() -> rt::Task<> {
    auto client = fixture.client();
    for (const char* path : {"/throw", "/silent"}) {
      auto got = co_await client->request(net::Request("GET", path));
      CHECK(got.value().status == 500);
      CHECK(has(got->body, R"("kind":"Status")"));
    }
    CHECK((co_await client->request(net::Request("GET", "/"))).value().status == 200);
  };
  fixture.run(body());
}

TEST_CASE("pipelined, chunked and HTTP/1.0 requests") {
  net::Fixture fixture;
  fixture.listen(answer, false);
  auto body = [&]() -> rt::Task<> {
    auto both = co_await raw(
        fixture,
        "GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK((has(both, "GET /one") && has(both, "GET /two") && has(both, "Connection: close")));
    auto chunked = co_await raw(
        fixture,
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n");
    CHECK(has(chunked, "abcdefg"));
    auto old = co_await raw(fixture, "GET /old HTTP/1.0\r\n\r\n");
    CHECK((has(old, "GET /old") && has(old, "Connection: close")));
    auto expecting = co_await raw(
        fixture, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        "100 Continue");
    CHECK(has(expecting, "HTTP/1.1 100 Continue\r\n\r\n"));
  };
  fixture.run(body());
}

TEST_CASE("what is too large or malformed is refused with a Status") {
  net::Fixture fixture;
  fixture.limits.body_max = 1000;
  fixture.limits.header_max = 2000;
  fixture.listen(answer, false);
  auto body = [&]() -> rt::Task<> {
    auto large = co_await raw(
        fixture, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'x'));
    CHECK((has(large, "HTTP/1.1 413 ") && has(large, R"("reason":"RequestEntityTooLarge")")));
    auto chunked =
        co_await raw(fixture, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" +
                                  std::string(2000, 'x'));
    CHECK(has(chunked, "HTTP/1.1 413 "));
    auto header =
        co_await raw(fixture, "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(3000, 'x') + "\r\n\r\n");
    CHECK(has(header, "HTTP/1.1 431 "));
    auto garbage = co_await raw(fixture, "hello there\r\n\r\n");
    CHECK((has(garbage, "HTTP/1.1 400 ") && has(garbage, R"("kind":"Status")")));
    auto smuggled = co_await raw(
        fixture,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    CHECK(has(smuggled, "HTTP/1.1 400 "));
  };
  fixture.run(body());
}

TEST_CASE("clients that are slow or idle are let go") {
  net::Fixture fixture;
  fixture.limits.header_timeout = 80ms;
  fixture.limits.idle_timeout = 120ms;
  fixture.listen(answer, false);
  auto body = [&]() -> rt::Task<> {
    const auto start = fixture.clock->mono();
    CHECK((co_await raw(fixture, "GET / HTTP/1.1\r\nHo")).empty());
    CHECK(has(co_await raw(fixture, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "200 OK"));
    CHECK(fixture.clock->mono() - start < 1s);
  };
  fixture.run(body());
}

TEST_CASE("a client certificate counts, and a bad one says why instead of breaking the connection") {
  net::Fixture fixture;
  fixture.listen(answer);
  auto who = [&](pki::KeyPair certificate) -> rt::Task<std::string> {
    auto options = fixture.options();
    options.client_certificate = std::move(certificate);
    auto client = fixture.client(options);
    co_return (co_await client->request(net::Request("GET", "/who"))).value().body;
  };
  auto body = [&]() -> rt::Task<> {
    CHECK(co_await who({}) == "anonymous: ");
    CHECK(co_await who(fixture.issue("alice", pki::Usage::kClient, fixture.now() + 60)) == "alice/group-a");
    auto expired = co_await who(fixture.issue("alice", pki::Usage::kClient, fixture.now() - 60));
    CHECK(has(expired, "anonymous: certificate has expired at "));
    const auto other = pki::make_ca("other", fixture.now() - 60, fixture.now() + 60);
    auto foreign = co_await who(fixture.issue_by(other, "eve", pki::Usage::kClient, fixture.now() + 60));
    CHECK(foreign == "anonymous: certificate signed by an unknown authority");
    auto server = co_await who(fixture.issue("server", pki::Usage::kServer, fixture.now() + 60));
    CHECK(has(server, "not meant for client authentication"));
  };
  fixture.run(body());
}

TEST_CASE("a new identity holds for new connections") {
  net::Fixture fixture;
  fixture.listen(answer);
  auto body = [&]() -> rt::Task<> {
    auto old_client = fixture.client();
    CHECK((co_await old_client->request(net::Request("GET", "/"))).ok());
    const auto other = pki::make_ca("other", fixture.now() - 60, fixture.now() + 60);
    net::TlsIdentity identity{fixture.issue_by(other, "server", pki::Usage::kServer, fixture.now() + 60), ""};
    REQUIRE(fixture.server->set_identity(identity).ok());
    CHECK(!fixture.server->set_identity({{"x", "y"}, ""}).ok());
    auto refused = co_await fixture.client()->request(net::Request("GET", "/"));
    CHECK(refused.error().is(Reason::kUnauthorized));
    CHECK((co_await old_client->request(net::Request("GET", "/"))).ok());
    auto options = fixture.options();
    options.ca_pem = other.certificate_pem;
    CHECK((co_await fixture.client(options)->request(net::Request("GET", "/"))).ok());
  };
  fixture.run(body());
}

TEST_CASE("a port in use is a conflict that says what to do") {
  net::Fixture fixture;
  fixture.listen(answer, false);
  auto second =
      net::listen_http(fixture.loop, *fixture.clock, "127.0.0.1", fixture.server->port(), {}, {}, answer);
  REQUIRE(!second.ok());
  CHECK(second.error().is(Reason::kConflict));
  CHECK(second.error().message() ==
        "cannot listen on 127.0.0.1:" + std::to_string(fixture.server->port()) +
            ": address already in use; stop the other program or choose another port with "
            "--https-listen-port");
  rt::run_until_done(fixture.loop, fixture.server->stop());
}

TEST_CASE("no more connections than allowed") {
  net::Fixture fixture;
  fixture.limits.connections_max = 2;
  fixture.listen(answer, false);
  auto body = [&]() -> rt::Task<> {
    auto one = (co_await net::connect_tcp(*fixture.clock, "127.0.0.1", fixture.server->port(), 1s)).value();
    auto two = (co_await net::connect_tcp(*fixture.clock, "127.0.0.1", fixture.server->port(), 1s)).value();
    CHECK((co_await raw(fixture, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).empty());
    one->close();
    co_await fixture.clock->sleep_for(20ms);
    CHECK(has(co_await raw(fixture, "GET / HTTP/1.0\r\n\r\n"), "200 OK"));
  };
  fixture.run(body());
}

TEST_CASE("a server that stops answers what it was asked, unless that takes long") {
  net::Fixture fixture;
  rt::Event go_on;
  bool asked = false;
  auto slow = [&](ExchangePtr exchange) -> rt::Task<> {
    asked = true;
    co_await go_on.wait();
    (void)co_await exchange->respond(net::Response(200, "text/plain", "late"));
  };
  fixture.listen(slow);
  std::string got;
  auto ask = [&]() -> rt::Task<> {
    auto client = fixture.client();
    auto answered = co_await client->request(net::Request("GET", "/"));
    got = answered.ok() ? answered->body : answered.error().message();
  };
  rt::Group group(fixture.loop.executor());
  group.spawn("ask", ask());
  auto body = [&]() -> rt::Task<> {
    while (!asked) co_await fixture.clock->sleep_for(1ms);
    auto stop = [&]() -> rt::Task<> { co_await fixture.server->stop(); };
    group.spawn("stop", stop());
    co_await fixture.clock->sleep_for(20ms);
    go_on.notify_all();
    while (group.size() > 0) co_await fixture.clock->sleep_for(1ms);
  };
  rt::run_until_done(fixture.loop, body());
  CHECK(got == "late");
}

TEST_CASE("plain HTTP on the TLS port gets a hint") {
  net::Fixture fixture;
  fixture.listen(answer);
  auto body = [&]() -> rt::Task<> {
    CHECK(has(co_await raw(fixture, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "https://"));
  };
  fixture.run(body());
}

TEST_CASE("a parameter is true unless it says no, in whatever case") {
  const net::Query query("python=True&go=true&curl=1&bare&no=False&zero=0");
  for (const char* name : {"python", "go", "curl", "bare"}) CHECK(query.flag(name));
  for (const char* name : {"no", "zero", "absent"}) CHECK_FALSE(query.flag(name));
}

TEST_CASE("query and header helpers") {
  net::Query query("a=1&b=x%2Cy+z&a=2&watch&bad=%zz&t=true");
  CHECK((query.get("a") == "1" && query.all("a").size() == 2 && query.get("b") == "x,y z"));
  CHECK((query.flag("watch") && query.flag("t") && !query.flag("a2") && query.get("bad") == "%zz"));
  CHECK(!net::Query("").has(""));
  net::Headers headers;
  headers.add("Accept", "a");
  headers.add("accept", "b");
  CHECK(headers.get("ACCEPT") == "a");
  headers.set("Accept", "c");
  CHECK(headers.all().size() == 1);
}
