#include <catch2/catch.hpp>

#include "mk/client/any_server.h"
#include "mk/net/server.h"
#include "mk/rt/group.h"
#include "mk/rt/loop.h"

using namespace mk;

namespace {

using ExchangePtr = std::shared_ptr<net::Exchange>;

struct Servers {
  std::unique_ptr<net::HttpServer> start(const std::string& name) {
    auto handler = [this, name](ExchangePtr exchange) { return answer(name, std::move(exchange)); };
    return net::listen_http(loop, *clock, "127.0.0.1", 0, {}, {}, handler).value();
  }

  rt::Task<> answer(std::string name, ExchangePtr exchange) {
    if (exchange->request().path() != "/watch") {
      (void)co_await exchange->respond(net::Response(200, "text/plain", name));
      co_return;
    }
    auto writer = (co_await exchange->start(200, {})).value();
    std::vector<SharedBytes> hello{SharedBytes(name)};
    (void)co_await writer->write(std::move(hello));
    co_await exchange->client_gone();
  }

  std::string url(const net::HttpServer& server) const {
    return "http://127.0.0.1:" + std::to_string(server.port());
  }

  std::unique_ptr<client::AnyServer> client() {
    net::ClientOptions options;
    options.base_url = url(*one);
    auto out = client::make_any_server(loop, *clock, options).value();
    out->set_servers({url(*one), url(*two)});
    return out;
  }

  rt::Loop loop;
  std::unique_ptr<rt::Clock> clock = rt::make_real_clock();
  std::unique_ptr<net::HttpServer> one = start("one"), two = start("two");
};

rt::Task<std::string> ask(net::HttpClient& http, std::string method) {
  net::Request request(std::move(method), "/");
  auto answer = co_await http.request(std::move(request));
  co_return answer.ok() ? answer->body : "error";
}

}  // namespace

TEST_CASE("a read goes to the next server when the first has gone") {
  Servers servers;
  auto http = servers.client();
  auto body = [](Servers& all, client::AnyServer& any) -> rt::Task<> {
    CHECK(co_await ask(any, "GET") == "one");
    co_await all.one->stop();
    CHECK(co_await ask(any, "GET") == "two");
    CHECK(any.current() == all.url(*all.two));
    co_await all.two->stop();
    CHECK(co_await ask(any, "GET") == "error");
  };
  rt::run_until_done(servers.loop, body(servers, *http));
}

TEST_CASE("a write is not repeated elsewhere, but the next one goes there") {
  Servers servers;
  auto http = servers.client();
  auto body = [](Servers& all, client::AnyServer& any) -> rt::Task<> {
    co_await all.one->stop();
    CHECK(co_await ask(any, "POST") == "error");
    CHECK(co_await ask(any, "POST") == "two");
    co_await all.two->stop();
  };
  rt::run_until_done(servers.loop, body(servers, *http));
}

TEST_CASE("a stream ends when its server is taken off the list, and a new one comes from another") {
  Servers servers;
  auto http = servers.client();
  auto body = [](Servers& all, client::AnyServer& any) -> rt::Task<> {
    net::Request watch("GET", "/watch");
    auto first = (co_await any.stream(watch)).value();
    CHECK((co_await first->read_some()).value() == "one");
    any.set_servers({all.url(*all.two)});
    CHECK(!(co_await first->read_some()).ok());
    auto second = (co_await any.stream(watch)).value();
    CHECK((co_await second->read_some()).value() == "two");
    first.reset();
    second.reset();
    co_await all.one->stop();
    co_await all.two->stop();
  };
  rt::run_until_done(servers.loop, body(servers, *http));
}
