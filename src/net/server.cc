#include "mk/net/server.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "connection.h"
#include "listen.h"
#include "mk/base/log.h"
#include "mk/rt/group.h"

namespace mk::net {

namespace asio = boost::asio;

namespace {

constexpr Log kLog("net");
constexpr auto kGrace = std::chrono::seconds(2);

class HttpServerImpl : public HttpServer {
 public:
  HttpServerImpl(rt::Loop& loop, std::shared_ptr<ServerShared> shared, std::unique_ptr<Acceptor> acceptor)
      : shared_(std::move(shared)), acceptor_(std::move(acceptor)), group_(loop.executor()) {
    shared_->group = &group_;
    group_.spawn("http accept", accept_loop());
    group_.spawn("http sweep", sweep_loop());
  }
  ~HttpServerImpl() override {
    shared_->group = nullptr;
    close_all();
  }

  int port() const override {
    boost::system::error_code code;
    return acceptor_->local_endpoint(code).port();
  }

  Result<void> set_identity(TlsIdentity identity) override {
    MK_ASSIGN(shared_->tls, make_server_context(identity));
    shared_->client_ca_pem = identity.client_ca_pem;
    return ok();
  }

  rt::Task<> stop() override {
    boost::system::error_code ignored;
    acceptor_->close(ignored);
    const auto connections = shared_->connections;
    for (auto* connection : connections)
      if (shared_->connections.count(connection) > 0) connection->shut_down();
    // What has been asked is answered, if that does not take long.
    const auto until = shared_->clock.mono() + kGrace;
    while (shared_->unanswered > 0 && shared_->clock.mono() < until)
      co_await shared_->clock.sleep_for(std::chrono::milliseconds(5));
    co_await group_.stop();
    close_all();  // streams that a handler gave to somebody else
  }

 private:
  rt::Task<> accept_loop();
  rt::Task<> sweep_loop();
  void welcome(Socket socket);

  void close_all() {
    const auto connections = shared_->connections;
    for (auto* connection : connections) connection->close();
  }

  std::shared_ptr<ServerShared> shared_;
  std::unique_ptr<Acceptor> acceptor_;
  rt::Group group_;
  bool full_ = false;  // said so in the log
};

rt::Task<> HttpServerImpl::accept_loop() {
  while (acceptor_->is_open()) {
    boost::system::error_code code;
    Socket socket = co_await acceptor_->async_accept(asio::redirect_error(asio::use_awaitable, code));
    if (code == asio::error::operation_aborted) co_return;
    if (code) {  // out of descriptors, most likely: the clients wait in the kernel's queue
      kLog.warn("cannot accept a connection", "error", code.message());
      co_await shared_->clock.sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    welcome(std::move(socket));
  }
}

void HttpServerImpl::welcome(Socket socket) {
  if (shared_->connections.size() >= shared_->limits.connections_max) {
    if (!full_)
      kLog.warn("too many connections; new ones are closed", "limit", shared_->limits.connections_max);
    full_ = true;
    return;
  }
  full_ = false;
  tune(socket);
  auto connection = std::make_shared<Connection>(shared_, std::move(socket));
  group_.spawn("http connection", Connection::serve(std::move(connection)));
}

// One timer for all connections. Deadlines lie at least the shortest limit ahead, so looking a few times
// within that is exact enough.
rt::Task<> HttpServerImpl::sweep_loop() {
  const rt::Duration shortest = std::min(shared_->limits.header_timeout, shared_->limits.idle_timeout);
  const rt::Duration step = std::min<rt::Duration>(shortest / 8, std::chrono::seconds(1));
  for (;;) {
    while (shared_->connections.empty()) co_await shared_->connections_changed.wait();
    co_await shared_->clock.sleep_for(step);
    const auto now = shared_->clock.mono();
    const auto connections = shared_->connections;  // closing one may end others
    for (auto* connection : connections)
      if (shared_->connections.count(connection) > 0) connection->sweep(now);
  }
}

}  // namespace

Result<std::unique_ptr<HttpServer>> listen_http(rt::Loop& loop, rt::Clock& clock, const std::string& address,
                                                int port, std::optional<TlsIdentity> identity,
                                                ServerLimits limits, Handler handler) {
  auto shared = std::make_shared<ServerShared>(clock, std::move(limits), std::move(handler));
  if (identity) {
    MK_ASSIGN(shared->tls, make_server_context(*identity));
    shared->client_ca_pem = identity->client_ca_pem;
  }
  MK_ASSIGN(auto acceptor, open_listener(loop.executor(), address, port, " with --https-listen-port"));
  return std::unique_ptr<HttpServer>(
      std::make_unique<HttpServerImpl>(loop, std::move(shared), std::move(acceptor)));
}

}  // namespace mk::net
