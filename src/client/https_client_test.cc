#include <catch2/catch.hpp>

#include "mk/api/resource.h"
#include "mk/client/https_client.h"
#include "mk/net/server.h"
#include "mk/rt/loop.h"

using namespace mk;
using api::resources::kDeployments;
using api::resources::kPods;

namespace {

using ExchangePtr = std::shared_ptr<net::Exchange>;

struct HttpsFixture {
  HttpsFixture() {
    auto handler = [this](ExchangePtr exchange) { return answer(std::move(exchange)); };
    server = net::listen_http(loop, *clock, "127.0.0.1", 0, {}, {}, handler).value();
    net::ClientOptions options;
    options.base_url = "http://127.0.0.1:" + std::to_string(server->port());
    http = net::make_http_client(loop, *clock, options).value();
    client = client::make_https_client(*http, "tester/1.0");
  }

  rt::Task<> answer(ExchangePtr exchange) {
    last = exchange->request();
    if (watch_chunks.empty()) {
      (void)co_await exchange->respond(net::Response(status, "application/json", body));
      co_return;
    }
    auto writer = (co_await exchange->start(200, {})).value();
    for (const auto& chunk : watch_chunks) {
      std::vector<SharedBytes> one{SharedBytes(chunk)};
      (void)co_await writer->write(one);
      co_await rt::yield();
    }
    (void)co_await writer->finish();
  }

  void run(rt::Task<> task) {
    auto all = [this](rt::Task<> inner) -> rt::Task<> {
      co_await std::move(inner);
      co_await server->stop();
    };
    rt::run_until_done(loop, all(std::move(task)));
  }

  rt::Loop loop;
  std::unique_ptr<rt::Clock> clock = rt::make_real_clock();
  std::unique_ptr<net::HttpServer> server;
  std::unique_ptr<net::HttpClient> http;
  std::unique_ptr<client::Client> client;
  net::Request last;
  int status = 200;
  std::string body = R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"ns"}})";
  std::vector<std::string> watch_chunks;
};

}  // namespace

TEST_CASE("paths of resources") {
  CHECK(client::resource_path(kPods, "x", "y", "status") == "/api/v1/namespaces/x/pods/y/status");
  CHECK(client::resource_path(kDeployments, "", "", "") == "/apis/apps/v1/deployments");
  CHECK(client::resource_path(api::resources::kNodes, "", "n", "") == "/api/v1/nodes/n");
}

TEST_CASE("a Status becomes the error it describes") {
  const auto error = client::error_from_response(
      409,
      R"({"kind":"Status","reason":"AlreadyExists","message":"m","code":409,"details":{"name":"n","group":"g","kind":"k",
      "retryAfterSeconds":3,"causes":[{"field":"f","reason":"r","message":"c"}]}})");
  CHECK((error.is(Reason::kAlreadyExists) && error.message() == "m" && error.name == "n"));
  CHECK((error.retry_after_seconds == 3 && error.causes.at(0).type == "r"));
  CHECK(client::error_from_response(503, "down").is(Reason::kServiceUnavailable));
  CHECK(client::error_from_response(503, "down").message() == "down");
}

TEST_CASE_METHOD(HttpsFixture, "requests carry what Kubernetes expects") {
  auto task = [&]() -> rt::Task<> {
    CHECK((co_await client->get(kPods, {"ns", "p"})).value().name() == "p");
    CHECK(last.target == "/api/v1/namespaces/ns/pods/p");
    client::WriteOptions write;
    write.force = write.dry_run = true;
    api::Json patch(api::JsonObject{{"a", 1}});
    (void)co_await client->patch(kPods, {"ns", "p"}, "status", client::PatchType::kApply, patch, write);
    CHECK(last.target == "/api/v1/namespaces/ns/pods/p/status?fieldManager=tester&dryRun=All&force=true");
    CHECK((last.method == "PATCH" && last.headers.get("Content-Type") == "application/apply-patch+yaml" &&
           last.body == R"({"a":1})"));
    client::DeleteOptions options;
    options.uid = "u";
    options.propagation = "Foreground";
    options.grace_period_seconds = 0;
    (void)co_await client->remove(kPods, {"ns", "p"}, options);
    CHECK(last.method == "DELETE");
    CHECK(last.body.find(
              R"("preconditions":{"uid":"u"},"propagationPolicy":"Foreground","gracePeriodSeconds":0)") !=
          std::string::npos);
    body =
        R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"c"},"items":[{"metadata":{"name":"a"}}]})";
    client::ListOptions list;
    list.label_selector = "a in (b,c)";
    list.limit = 5;
    auto listed = (co_await client->list(kPods, "", list)).value();
    CHECK(last.target == "/api/v1/pods?labelSelector=a%20in%20%28b%2Cc%29&limit=5");
    CHECK((listed.resource_version == "7" && listed.continue_token == "c" &&
           listed.items.at(0).kind() == "Pod"));
    status = 404;
    body = R"({"kind":"Status","reason":"NotFound","message":"pods \"x\" not found"})";
    CHECK((co_await client->get(kPods, {"ns", "x"})).error().is(Reason::kNotFound));
  };
  run(task());
}

TEST_CASE_METHOD(HttpsFixture, "a watch reads events however they are cut, and ends as the server says") {
  watch_chunks = {R"({"type":"ADDED","object":{"metadata":{"name":"a","res)",
                  "ourceVersion\":\"1\"}}}\n{\"type\":\"BOOKMARK\",",
                  "\"object\":{\"metadata\":{\"resourceVersion\":\"2\"}}}\n{\"type\":\"DELETED\",\"object\":{"
                  "\"metadata\":{\"name\":\"a\"}}}\n"};
  auto task = [&]() -> rt::Task<> {
    client::WatchOptions options;
    options.resource_version = "5";
    auto watch = (co_await client->watch(kPods, "ns", options)).value();
    CHECK(last.target == "/api/v1/namespaces/ns/pods?watch=true&resourceVersion=5&allowWatchBookmarks=true");
    auto first = (co_await watch->next()).value();
    CHECK((first.type == client::WatchEvent::Type::kAdded && first.object.name() == "a"));
    CHECK((co_await watch->next()).value().object.resource_version() == "2");
    CHECK((co_await watch->next()).value().type == client::WatchEvent::Type::kDeleted);
    CHECK((co_await watch->next()).error().is(Reason::kGone));
    watch_chunks = {
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":"
        "\"old\"}}\n"};
    auto old = (co_await client->watch(kPods, "ns", options)).value();
    CHECK((co_await old->next()).error().is(Reason::kExpired));
    watch_chunks.clear();
    status = 410;
    body = R"({"kind":"Status","reason":"Expired","message":"old","code":410})";
    CHECK((co_await client->watch(kPods, "ns", options)).error().is(Reason::kExpired));
  };
  run(task());
}
