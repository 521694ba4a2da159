#include "stream.h"

#include <netinet/tcp.h>
#include <openssl/err.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

namespace mk::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kRecord = 16384;       // most a TLS record carries
constexpr std::size_t kAheadMax = 64 << 10;  // kept of what a client sends while it waits for its answer

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

std::string plain_address(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

}  // namespace

void tune(Socket& socket) {
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  const int fd = socket.native_handle();
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

Stream::Stream(Socket socket, TlsContext context) : socket_(std::move(socket)) {
  end_.fd = socket_.native_handle();
  boost::system::error_code code;
  const auto remote = socket_.remote_endpoint(code);
  if (!code) {
    remote_address_ = plain_address(remote.address());
    remote_port_ = remote.port();
  }
  if (context) ssl_ = make_ssl(context, end_);
}

Stream::~Stream() {
  close();
}

Error Stream::failure() const {
  if (closed_ && error_.empty()) return Error(Reason::kServiceUnavailable, "the connection was closed");
  return Error(Reason::kServiceUnavailable, error_.empty() ? "the peer closed the connection" : error_);
}

Stream::Try Stream::socket_failure(int code) {
  failed_ = true;
  error_ = std::strerror(code);
  return {Io::kFailed, 0};
}

Stream::Try Stream::classify(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {Io::kWantRead, 0};
    case SSL_ERROR_WANT_WRITE:
      return {Io::kWantWrite, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {Io::kEnd, 0};
    default:
      break;
  }
  if (end_.at_end) {
    ERR_clear_error();
    truncated_ = failed_ = true;
    return {Io::kEnd, 0};
  }
  if (end_.error != 0) {
    ERR_clear_error();
    return socket_failure(end_.error);
  }
  failed_ = true;
  error_ = "TLS: " + tls_error_text();
  return {Io::kFailed, 0};
}

Stream::Try Stream::read_once(char* data, std::size_t size) {
  if (!buffered_.empty()) {
    const std::size_t count = std::min(size, buffered_.size());
    std::memcpy(data, buffered_.data(), count);
    buffered_.erase(0, count);
    if (buffered_.empty()) buffered_.shrink_to_fit();
    return {Io::kDone, count};
  }
  if (end_seen_) return {Io::kEnd, 0};
  if (closed_ || failed_) return {Io::kFailed, 0};
  if (ssl_) {
    ERR_clear_error();
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_.get(), data, size, &count);
    return result == 1 ? Try{Io::kDone, count} : classify(result);
  }
  const ssize_t got = ::recv(end_.fd, data, size, 0);
  if (got > 0) return {Io::kDone, static_cast<std::size_t>(got)};
  if (got == 0) return {Io::kEnd, 0};
  if (errno == EAGAIN || errno == EINTR) return {Io::kWantRead, 0};
  return socket_failure(errno);
}

Stream::Try Stream::write_once(std::string_view data) {
  if (closed_ || failed_) return {Io::kFailed, 0};
  if (ssl_) {
    ERR_clear_error();
    std::size_t count = 0;
    const int result = SSL_write_ex(ssl_.get(), data.data(), data.size(), &count);
    const Try outcome = result == 1 ? Try{Io::kDone, count} : classify(result);
    write_pending_ = outcome.io == Io::kWantWrite;
    return outcome.io == Io::kEnd ? Try{Io::kFailed, 0} : outcome;
  }
  const ssize_t put = ::send(end_.fd, data.data(), data.size(), MSG_NOSIGNAL);
  if (put >= 0) return {Io::kDone, static_cast<std::size_t>(put)};
  if (errno == EAGAIN || errno == EINTR) return {Io::kWantWrite, 0};
  return socket_failure(errno);
}

rt::Task<Result<void>> Stream::wait(Io what) {
  if (closed_) co_return failure();
  boost::system::error_code code;
  const auto kind = what == Io::kWantWrite ? Socket::wait_write : Socket::wait_read;
  co_await socket_.async_wait(kind, asio::redirect_error(asio::use_awaitable, code));
  if (closed_) co_return failure();
  if (code == asio::error::operation_aborted) rt::throw_cancelled();
  if (code) {
    error_ = code.message();
    co_return failure();
  }
  co_return ok();
}

rt::Task<Result<void>> Stream::wait_readable() {
  co_return co_await wait(Io::kWantRead);
}

bool Stream::has_pending() const {
  return !buffered_.empty() || (ssl_ && SSL_has_pending(ssl_.get()) == 1);
}

void Stream::unread(std::string_view data) {
  buffered_.insert(0, data);
}

rt::Task<Result<void>> Stream::handshake() {
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) break;
    const Try outcome = classify(result);
    if (outcome.io == Io::kEnd)
      co_return Error(Reason::kServiceUnavailable, "TLS: the peer closed the connection");
    if (outcome.io == Io::kFailed) co_return failure();
    MK_CO_TRY(co_await wait(outcome.io));
  }
  established_ = true;
  co_return ok();
}

rt::Task<Result<void>> Stream::accept_tls() {
  SSL_set_accept_state(ssl_.get());
  auto done = co_await handshake();
  if (!done.ok() && error_.find("http request") != std::string::npos && !closed_) {
    constexpr std::string_view kHint =
        "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n"
        "Client sent an HTTP request to an HTTPS server; use https://\n";
    [[maybe_unused]] const auto sent = ::send(end_.fd, kHint.data(), kHint.size(), MSG_NOSIGNAL);
  }
  co_return done;
}

rt::Task<Result<void>> Stream::connect_tls(std::string server_name) {
  SSL_set_connect_state(ssl_.get());
  if (SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE) expect_server(ssl_.get(), server_name);
  auto done = co_await handshake();
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (!done.ok() && verdict != X509_V_OK)
    co_return Error(Reason::kUnauthorized, "the server's certificate was refused: " +
                                               std::string(X509_verify_cert_error_string(verdict)));
  co_return done;
}

std::ptrdiff_t Stream::try_read(char* data, std::size_t size) {
  const Try outcome = read_once(data, size);
  if (outcome.io == Io::kEnd) end_seen_ = true;
  if (outcome.io == Io::kDone) return static_cast<std::ptrdiff_t>(outcome.count);
  return outcome.io == Io::kWantRead || outcome.io == Io::kWantWrite ? -1 : 0;
}

std::ptrdiff_t Stream::try_write(std::string_view data) {
  const Try outcome = write_once(data);
  if (outcome.io == Io::kDone) {
    bytes_written_ += outcome.count;
    return static_cast<std::ptrdiff_t>(outcome.count);
  }
  return outcome.io == Io::kWantRead || outcome.io == Io::kWantWrite ? -1 : 0;
}

rt::Task<Result<std::size_t>> Stream::read_some(char* data, std::size_t size) {
  for (;;) {
    const Try outcome = read_once(data, size);
    if (outcome.io == Io::kDone) co_return outcome.count;
    if (outcome.io == Io::kEnd) {
      end_seen_ = true;
      co_return std::size_t{0};
    }
    if (outcome.io == Io::kFailed) co_return failure();
    MK_CO_TRY(co_await wait(outcome.io));
  }
}

rt::Task<Result<void>> Stream::write(std::string_view data) {
  while (!data.empty()) {
    const Try outcome = write_once(data);
    if (outcome.io == Io::kFailed) co_return failure();
    if (outcome.io == Io::kDone) {
      bytes_written_ += outcome.count;
      data.remove_prefix(outcome.count);
      continue;
    }
    MK_CO_TRY(co_await wait(outcome.io));
  }
  co_return ok();
}

// Small pieces travel together in one record; what fills whole records by itself is never copied.
rt::Task<Result<void>> Stream::write_pieces(std::vector<std::string_view> pieces) {
  std::string batch;
  for (auto piece : pieces) {
    while (!piece.empty()) {
      if (batch.empty() && piece.size() >= kRecord) {
        const auto whole = piece.substr(0, piece.size() / kRecord * kRecord);
        MK_CO_TRY(co_await write(whole));
        piece.remove_prefix(whole.size());
        continue;
      }
      const auto part = piece.substr(0, kRecord - batch.size());
      batch.append(part);
      piece.remove_prefix(part.size());
      if (batch.size() < kRecord) continue;
      MK_CO_TRY(co_await write(batch));
      batch.clear();
    }
  }
  co_return co_await write(batch);
}

// Reads past what is kept already, which is for the next read.
Stream::Try Stream::read_ahead() {
  std::string kept = std::move(buffered_);
  buffered_.clear();
  char data[4096];
  const Try outcome = read_once(data, sizeof data);
  buffered_ = std::move(kept);
  if (outcome.io == Io::kDone) buffered_.append(data, outcome.count);
  if (outcome.io == Io::kEnd) end_seen_ = true;
  return outcome;
}

rt::Task<> Stream::wait_for_end() {
  while (!closed_ && !failed_ && !end_seen_) {
    if (buffered_.size() >= kAheadMax) {
      // A client that floods us while it waits: no more is read, and its end shows when we write.
      boost::system::error_code code;
      co_await socket_.async_wait(Socket::wait_error, asio::redirect_error(asio::use_awaitable, code));
      if (code == asio::error::operation_aborted && !closed_) rt::throw_cancelled();
      co_return;
    }
    const Io io = read_ahead().io;
    if (io != Io::kWantRead && io != Io::kWantWrite) continue;
    if (!(co_await wait(Io::kWantRead)).ok()) co_return;
  }
}

void Stream::close_write() {
  if (closed_) return;
  if (ssl_ && established_ && !failed_ && !write_pending_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Stream::close() {
  if (closed_) return;
  close_write();
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Stream::abort() {
  if (closed_) return;
  boost::system::error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  closed_ = true;
  socket_.close(ignored);
}

}  // namespace mk::net
