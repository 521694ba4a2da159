#include "mk/net/client.h"

#include <boost/json/parse.hpp>

#include "client_connection.h"
#include "http_text.h"
#include "listen.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "raw_stream.h"
#include "websocket_stream.h"

namespace mk::net {

namespace {

constexpr Log kLog("net");
constexpr std::size_t kIdleMax = 16;
constexpr auto kIdleAge = std::chrono::seconds(90);
constexpr std::size_t kErrorTextMax = 4096;

using ConnectionPtr = std::unique_ptr<ClientConnection>;

// What the requests of a client share; a body reader keeps it alive.
struct Pool {
  explicit Pool(rt::Clock& clock_) : clock(clock_) {}
  rt::Clock& clock;
  ClientOptions options;
  Url url;
  TlsContext tls;
  int generation = 0;
  std::vector<ConnectionPtr> idle;

  ConnectionPtr take();
  void give_back(ConnectionPtr connection);
  std::string host() const;
};

// The youngest that still lives: the others age away.
ConnectionPtr Pool::take() {
  const auto oldest = clock.mono() - kIdleAge;
  std::erase_if(idle, [&](auto& one) {
    return one->idle_since < oldest || one->generation() != generation || one->dead();
  });
  if (idle.empty()) return nullptr;
  auto connection = std::move(idle.back());
  idle.pop_back();
  return connection;
}

void Pool::give_back(ConnectionPtr connection) {
  if (!connection->reusable() || connection->generation() != generation || idle.size() >= kIdleMax) return;
  connection->idle_since = clock.mono();
  idle.push_back(std::move(connection));
}

std::string Pool::host() const {
  const bool usual = url.port == (url.scheme == "https" ? 443 : 80);
  const bool v6 = url.host.find(':') != std::string::npos;
  if (usual) return v6 ? "[" + url.host + "]" : url.host;
  return endpoint_text(url.host, url.port);
}

rt::Task<Result<ConnectionPtr>> connect_and_handshake(std::shared_ptr<Pool> pool) {
  auto socket = co_await connect_socket(pool->url.host, pool->url.port);
  if (!socket) co_return std::move(socket).error();
  auto connection = std::make_unique<ClientConnection>(std::move(*socket), pool->tls, pool->generation);
  if (pool->tls) {
    const std::string name = pool->options.server_name.empty() ? pool->url.host : pool->options.server_name;
    auto done = co_await connection->stream().connect_tls(name);
    if (!done.ok()) co_return std::move(done).error().wrap(endpoint_text(pool->url.host, pool->url.port));
  }
  co_return connection;
}

rt::Task<Result<ConnectionPtr>> open_connection(std::shared_ptr<Pool> pool) {
  const auto limit = pool->options.connect_timeout;
  auto opened = co_await rt::with_timeout(pool->clock, limit, connect_and_handshake(pool));
  if (!opened)
    co_return Error(Reason::kTimeout,
                    "cannot connect to " + endpoint_text(pool->url.host, pool->url.port) + " in time");
  co_return std::move(*opened);
}

// Sends the request and reads the answer's head; a kept connection that turns out dead is replaced once.
rt::Task<Result<ConnectionPtr>> exchange_heads(std::shared_ptr<Pool> pool,
                                               std::shared_ptr<const Request> request) {
  const bool is_head = request->method == "HEAD";
  const bool repeatable = is_head || request->method == "GET";
  ConnectionPtr connection = pool->take();
  for (;;) {
    const bool kept = connection != nullptr;
    if (!kept) {
      auto opened = co_await open_connection(pool);
      if (!opened) co_return std::move(opened).error();
      connection = std::move(*opened);
    }
    auto done =
        co_await connection->send(*request, request_head(*request, pool->host(), pool->options.token));
    // A server that refuses a body answers and closes before it has read it all: the answer may be there.
    auto head = co_await connection->read_head(is_head);
    if (head.ok()) co_return connection;
    if (!kept || !repeatable || connection->answer_begun())
      co_return std::move(done.ok() ? head : done).error().wrap(pool->url.host);
    connection.reset();
  }
}

rt::Task<Result<Response>> request_whole(std::shared_ptr<Pool> pool, std::shared_ptr<const Request> request) {
  auto opened = co_await exchange_heads(pool, request);
  if (!opened) co_return std::move(opened).error();
  ConnectionPtr connection = std::move(*opened);
  MK_CO_TRY(co_await connection->read_body(pool->options.body_max));
  Response response = std::move(connection->parser().response);
  response.body = std::move(connection->parser().body);
  pool->give_back(std::move(connection));
  co_return response;
}

class BodyReaderImpl : public BodyReader {
 public:
  BodyReaderImpl(std::shared_ptr<Pool> pool, ConnectionPtr connection)
      : pool_(std::move(pool)),
        connection_(std::move(connection)),
        head_(std::move(connection_->parser().response)) {}

  const Response& head() const override { return head_; }

  rt::Task<Result<std::string>> read_some() override {
    if (!connection_) co_return std::string();
    auto more = co_await connection_->read_more();
    if (!more) co_return std::move(more).error();
    if (!*more) {
      pool_->give_back(std::move(connection_));
      co_return std::string();
    }
    std::string data = std::move(connection_->parser().body);
    connection_->parser().body.clear();
    co_return data;
  }

 private:
  std::shared_ptr<Pool> pool_;
  ConnectionPtr connection_;  // none after the end
  Response head_;
};

// The answer to an upgrade that was refused, as an error with the server's words: a Status or plain text.
rt::Task<Error> refused_upgrade(ConnectionPtr connection) {
  auto read = co_await connection->read_body(kErrorTextMax);
  const int status = connection->parser().response.status;
  const std::string text(trim(std::string_view(connection->parser().body).substr(0, kErrorTextMax)));
  boost::system::error_code code;
  const auto json = boost::json::parse(text, code);
  const auto* object = code ? nullptr : json.if_object();
  const auto field = [&](const char* name) {
    const auto* value = object ? object->if_contains(name) : nullptr;
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
  };
  Reason reason = reason_from_string(field("reason"));
  if (reason == Reason::kUnknown) reason = reason_from_http(status);
  if (object && !field("message").empty()) co_return Error(reason, field("message"));
  if (!text.empty()) co_return Error(reason, text);
  co_return Error(reason, "the server refused the upgrade with " + std::to_string(status) + " " +
                              std::string(status_text(status)));
}

rt::Task<Result<ConnectionPtr>> switch_protocols(std::shared_ptr<Pool> pool,
                                                 std::shared_ptr<const Request> request) {
  auto limit = pool->options.request_timeout;
  auto opened = co_await rt::with_timeout(pool->clock, limit, exchange_heads(pool, request));
  if (!opened) co_return Error(Reason::kTimeout, "no answer in time from " + pool->host());
  if (!*opened) co_return std::move(*opened).error();
  ConnectionPtr connection = std::move(**opened);
  if (connection->parser().response.status != 101) co_return co_await refused_upgrade(std::move(connection));
  co_return connection;
}

class HttpClientImpl : public HttpClient {
 public:
  explicit HttpClientImpl(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}

  rt::Task<Result<Response>> request(Request request) override {
    auto pool = pool_;
    auto shared = std::make_shared<const Request>(std::move(request));
    const auto limit = pool->options.request_timeout;
    auto done = co_await rt::with_timeout(pool->clock, limit, request_whole(pool, shared));
    if (!done) co_return Error(Reason::kTimeout, "no answer in time from " + pool->host());
    co_return std::move(*done);
  }

  rt::Task<Result<std::unique_ptr<BodyReader>>> stream(Request request) override {
    auto pool = pool_;
    auto shared = std::make_shared<const Request>(std::move(request));
    const auto limit = pool->options.request_timeout;
    auto opened = co_await rt::with_timeout(pool->clock, limit, exchange_heads(pool, shared));
    if (!opened) co_return Error(Reason::kTimeout, "no answer in time from " + pool->host());
    if (!*opened) co_return std::move(*opened).error();
    std::unique_ptr<BodyReader> reader = std::make_unique<BodyReaderImpl>(pool, std::move(**opened));
    co_return reader;
  }

  rt::Task<Result<std::unique_ptr<WebSocket>>> websocket(Request request,
                                                         std::vector<std::string> subprotocols) override;
  rt::Task<Result<Upgraded>> upgrade(Request request) override;
  void set_credentials(pki::KeyPair client_certificate, std::string token) override;

 private:
  std::shared_ptr<Pool> pool_;
};

rt::Task<Result<std::unique_ptr<WebSocket>>> HttpClientImpl::websocket(
    Request request, std::vector<std::string> subprotocols) {
  auto pool = pool_;
  const std::string key = make_websocket_key();
  request.headers.set("Connection", "Upgrade");
  request.headers.set("Upgrade", "websocket");
  request.headers.set("Sec-WebSocket-Version", "13");
  request.headers.set("Sec-WebSocket-Key", key);
  if (!subprotocols.empty()) request.headers.set("Sec-WebSocket-Protocol", join(subprotocols, ", "));
  auto shared = std::make_shared<const Request>(std::move(request));
  auto switched = co_await switch_protocols(pool, shared);
  if (!switched) co_return std::move(switched).error();
  const Headers& headers = (*switched)->parser().response.headers;
  if (headers.get("Sec-WebSocket-Accept") != websocket_accept(key))
    co_return Error(Reason::kServiceUnavailable, "the server's WebSocket handshake is wrong");
  std::string chosen(headers.get("Sec-WebSocket-Protocol"));
  if (!chosen.empty() && std::find(subprotocols.begin(), subprotocols.end(), chosen) == subprotocols.end())
    co_return Error(Reason::kServiceUnavailable,
                    "the server chose a WebSocket protocol nobody asked for: " + chosen);
  co_return make_websocket((*switched)->release_stream(), pool->clock, WebSocketSide::kClient,
                           std::move(chosen));
}

rt::Task<Result<Upgraded>> HttpClientImpl::upgrade(Request request) {
  auto pool = pool_;
  if (!request.headers.has("Connection")) request.headers.set("Connection", "Upgrade");
  auto shared = std::make_shared<const Request>(std::move(request));
  auto switched = co_await switch_protocols(pool, shared);
  if (!switched) co_return std::move(switched).error();
  Upgraded upgraded;
  upgraded.head = std::move((*switched)->parser().response);
  upgraded.stream = make_raw_stream((*switched)->release_stream());
  co_return upgraded;
}

Result<TlsContext> context_for(const ClientOptions& options) {
  return make_client_context({options.ca_pem, options.insecure, options.client_certificate});
}

void HttpClientImpl::set_credentials(pki::KeyPair client_certificate, std::string token) {
  ClientOptions options = pool_->options;
  options.client_certificate = std::move(client_certificate);
  options.token = std::move(token);
  if (pool_->url.scheme == "https") {
    auto context = context_for(options);
    if (!context) {
      kLog.error("new client credentials are unusable; the old ones stay", "error",
                 context.error().message());
      return;
    }
    pool_->tls = std::move(*context);
  }
  pool_->options = std::move(options);
  ++pool_->generation;
  pool_->idle.clear();
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const Error bad(Reason::kInvalid, "\"" + std::string(text) + "\" is no URL such as https://host:6443/path");
  Url url;
  const auto mark = text.find("://");
  if (mark == std::string_view::npos) return bad;
  url.scheme = to_lower(text.substr(0, mark));
  if (url.scheme != "http" && url.scheme != "https") return bad;
  text.remove_prefix(mark + 3);
  const auto slash = text.find_first_of("/?");
  std::string_view authority = text.substr(0, slash);
  if (slash != std::string_view::npos) url.path = text.substr(slash);
  if (url.path.empty() || url.path[0] != '/') url.path.insert(0, "/");
  std::string_view port;
  if (!authority.empty() && authority[0] == '[') {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return bad;
    url.host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
    if (!authority.empty() && authority[0] != ':') return bad;
    if (!authority.empty()) port = authority.substr(1);
  } else {
    const auto colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
  }
  url.port = url.scheme == "https" ? 443 : 80;
  if (!port.empty()) {
    const auto number = parse_int(port);
    if (!number || *number < 1 || *number > 65535) return bad;
    url.port = static_cast<int>(*number);
  }
  if (url.host.empty() || url.host.find_first_of("@ \r\n") != std::string::npos) return bad;
  return url;
}

Result<std::unique_ptr<HttpClient>> make_http_client(rt::Loop&, rt::Clock& clock, ClientOptions options) {
  auto pool = std::make_shared<Pool>(clock);
  MK_ASSIGN(pool->url, parse_url(options.base_url));
  if (pool->url.scheme == "https") {
    MK_ASSIGN(pool->tls, context_for(options));
  }
  pool->options = std::move(options);
  return std::unique_ptr<HttpClient>(std::make_unique<HttpClientImpl>(std::move(pool)));
}

rt::Task<Result<std::unique_ptr<RawStream>>> connect_tcp(rt::Clock& clock, std::string host, int port,
                                                         rt::Duration timeout) {
  const std::string where = endpoint_text(host, port);
  auto socket = co_await rt::with_timeout(clock, timeout, connect_socket(std::move(host), port));
  if (!socket) co_return Error(Reason::kTimeout, "cannot connect to " + where + " in time");
  if (!*socket) co_return std::move(*socket).error();
  co_return make_raw_stream(std::make_shared<Stream>(std::move(**socket), nullptr));
}

}  // namespace mk::net
