#include "mk/net/datagram.h"

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "listen.h"
#include "mk/base/log.h"
#include "mk/rt/group.h"
#include "raw_stream.h"

namespace mk::net {

namespace asio = boost::asio;
using Udp = asio::ip::udp;

namespace {

constexpr Log kLog("net");

bool would_block(const boost::system::error_code& code) {
  return code == asio::error::would_block || code == asio::error::try_again;
}

class UdpSocketImpl : public UdpSocket {
 public:
  explicit UdpSocketImpl(std::shared_ptr<Udp::socket> socket) : socket_(std::move(socket)) {}
  ~UdpSocketImpl() override {
    boost::system::error_code ignored;
    socket_->close(ignored);
  }

  int port() const override {
    boost::system::error_code code;
    return socket_->local_endpoint(code).port();
  }

  rt::Task<Result<Datagram>> receive() override;
  rt::Task<Result<void>> send(Peer to, std::string data) override;

 private:
  std::shared_ptr<Udp::socket> socket_;
  std::string scratch_ = std::string(64 << 10, '\0');
};

rt::Task<Result<UdpSocket::Datagram>> UdpSocketImpl::receive() {
  auto socket = socket_;
  for (;;) {
    Udp::endpoint from;
    boost::system::error_code code;
    const std::size_t size = socket->receive_from(asio::buffer(scratch_), from, 0, code);
    if (!code) co_return Datagram{Peer{from.address().to_string(), from.port()}, scratch_.substr(0, size)};
    // An earlier answer reached nobody: that is between us and them, not the end of the service.
    if (code == asio::error::connection_refused) continue;
    if (!would_block(code)) co_return Error(Reason::kServiceUnavailable, "udp: " + code.message());
    co_await socket->async_wait(Udp::socket::wait_read, asio::redirect_error(asio::use_awaitable, code));
    if (!socket->is_open()) co_return Error(Reason::kServiceUnavailable, "udp: the socket was closed");
    if (code == asio::error::operation_aborted) rt::throw_cancelled();
  }
}

rt::Task<Result<void>> UdpSocketImpl::send(Peer to, std::string data) {
  auto socket = socket_;
  boost::system::error_code code;
  const auto address = asio::ip::make_address(to.address, code);
  if (code) co_return Error(Reason::kInvalid, "\"" + to.address + "\" is no IP address");
  const Udp::endpoint endpoint(address, static_cast<unsigned short>(to.port));
  for (;;) {
    socket->send_to(asio::buffer(data), endpoint, 0, code);
    if (!code) co_return ok();
    if (code == asio::error::connection_refused) continue;
    if (!would_block(code)) co_return Error(Reason::kServiceUnavailable, "udp: " + code.message());
    co_await socket->async_wait(Udp::socket::wait_write, asio::redirect_error(asio::use_awaitable, code));
    if (!socket->is_open()) co_return Error(Reason::kServiceUnavailable, "udp: the socket was closed");
    if (code == asio::error::operation_aborted) rt::throw_cancelled();
  }
}

class TcpListenerImpl : public TcpListener {
 public:
  TcpListenerImpl(rt::Loop& loop, std::unique_ptr<Acceptor> acceptor, TcpHandler handler)
      : acceptor_(std::move(acceptor)),
        handler_(std::make_shared<TcpHandler>(std::move(handler))),
        group_(loop.executor()) {
    group_.spawn("tcp accept", accept_loop());
  }

  int port() const override {
    boost::system::error_code code;
    return acceptor_->local_endpoint(code).port();
  }

  rt::Task<> stop() override {
    boost::system::error_code ignored;
    acceptor_->close(ignored);
    co_await group_.stop();
  }

 private:
  static rt::Task<> serve(std::shared_ptr<TcpHandler> handler, std::shared_ptr<RawStream> stream, Peer peer) {
    co_await (*handler)(std::move(stream), std::move(peer));
  }

  rt::Task<> accept_loop() {
    const auto clock = rt::make_real_clock();
    while (acceptor_->is_open()) {
      boost::system::error_code code;
      Socket socket = co_await acceptor_->async_accept(asio::redirect_error(asio::use_awaitable, code));
      if (code == asio::error::operation_aborted) co_return;
      if (code) {
        kLog.warn("cannot accept a connection", "error", code.message());
        co_await clock->sleep_for(std::chrono::milliseconds(100));
        continue;
      }
      tune(socket);
      auto stream = std::make_shared<Stream>(std::move(socket), nullptr);
      Peer peer{stream->remote_address(), stream->remote_port()};
      group_.spawn("tcp connection", serve(handler_, make_raw_stream(std::move(stream)), std::move(peer)));
    }
  }

  std::unique_ptr<Acceptor> acceptor_;
  std::shared_ptr<TcpHandler> handler_;
  rt::Group group_;
};

}  // namespace

Result<std::unique_ptr<UdpSocket>> bind_udp(rt::Loop& loop, const std::string& address, int port) {
  MK_ASSIGN(const auto ip, parse_address(address));
  const Udp::endpoint endpoint(ip, static_cast<unsigned short>(port));
  auto socket = std::make_shared<Udp::socket>(loop.executor());
  boost::system::error_code code;
  socket->open(endpoint.protocol(), code);
  if (!code && ip.is_v6()) socket->set_option(asio::ip::v6_only(false), code);
  if (!code) socket->bind(endpoint, code);
  if (!code) socket->non_blocking(true, code);
  if (code) return bind_error(address, port, code, "");
  return std::unique_ptr<UdpSocket>(std::make_unique<UdpSocketImpl>(std::move(socket)));
}

Result<std::unique_ptr<TcpListener>> listen_tcp(rt::Loop& loop, const std::string& address, int port,
                                                TcpHandler handler) {
  MK_ASSIGN(auto acceptor, open_listener(loop.executor(), address, port, ""));
  return std::unique_ptr<TcpListener>(
      std::make_unique<TcpListenerImpl>(loop, std::move(acceptor), std::move(handler)));
}

}  // namespace mk::net
