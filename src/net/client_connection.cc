#include "client_connection.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http_text.h"
#include "listen.h"

namespace mk::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadSize = 32 << 10;

rt::Task<Result<std::vector<asio::ip::tcp::endpoint>>> resolve(std::string host, int port) {
  boost::system::error_code code;
  const auto number = static_cast<unsigned short>(port);
  const auto address = asio::ip::make_address(host, code);
  std::vector<asio::ip::tcp::endpoint> out;
  if (!code) {
    out.emplace_back(address, number);
    co_return out;
  }
  auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  auto found = co_await resolver.async_resolve(host, std::to_string(port),
                                               asio::redirect_error(asio::use_awaitable, code));
  if (code == asio::error::operation_aborted) rt::throw_cancelled();
  if (code)
    co_return Error(Reason::kServiceUnavailable, "cannot resolve \"" + host + "\": " + code.message());
  for (const auto& entry : found) out.push_back(entry.endpoint());
  co_return out;
}

}  // namespace

rt::Task<Result<Socket>> connect_socket(std::string host, int port) {
  auto endpoints = co_await resolve(host, port);
  if (!endpoints) co_return std::move(endpoints).error();
  auto executor = co_await asio::this_coro::executor;
  boost::system::error_code code = asio::error::host_not_found;
  for (const auto& endpoint : *endpoints) {
    Socket socket(executor);
    co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, code));
    if (code == asio::error::operation_aborted) rt::throw_cancelled();
    if (code) continue;
    tune(socket);
    co_return socket;
  }
  std::string text = code.message();
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  co_return Error(Reason::kServiceUnavailable,
                  "cannot connect to " + endpoint_text(host, port) + ": " + text);
}

std::string request_head(const Request& request, const std::string& host, const std::string& token) {
  std::string out;
  out.reserve(256 + request.target.size());
  out.append(request.method).append(" ");
  for (char c : request.target) out.push_back(c == ' ' || c == '\r' || c == '\n' ? '+' : c);
  out.append(" HTTP/1.1\r\n");
  if (!request.headers.has("Host")) out.append("Host: ").append(host).append("\r\n");
  if (!token.empty() && !request.headers.has("Authorization"))
    out.append("Authorization: Bearer ").append(token).append("\r\n");
  append_fields(out, request.headers);
  const bool upgrades = request.headers.has("Upgrade");
  const bool may_have_body = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (!request.body.empty() || (may_have_body && !upgrades))
    out.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
  out.append("\r\n");
  return out;
}

rt::Task<Result<void>> ClientConnection::send(const Request& request, std::string head) {
  answer_begun_ = false;
  std::vector<std::string_view> pieces{head, request.body};
  co_return co_await stream_->write_pieces(std::move(pieces));
}

Result<void> ClientConnection::feed(std::string_view data) {
  input_.append(data);
  auto used = parser_->feed(input_);
  if (!used) return Error(Reason::kServiceUnavailable, used.error().message());
  input_.erase(0, *used);
  if (input_.empty() && input_.capacity() > kReadSize) input_.shrink_to_fit();
  return ok();
}

// False at the end of the message.
rt::Task<Result<bool>> ClientConnection::read_into_parser() {
  if (parser_->is_done()) co_return false;
  // The buffer comes into being when there is something to read: a quiet watch costs none.
  if (!stream_->has_pending()) MK_CO_TRY(co_await stream_->wait_readable());
  std::string data(kReadSize, '\0');
  auto count = co_await stream_->read_some(data.data(), data.size());
  if (!count) co_return std::move(count).error();
  if (*count == 0) {
    if (!parser_->got_some())
      co_return Error(Reason::kServiceUnavailable, "the server closed the connection");
    MK_CO_TRY(parser_->feed_end());
    if (stream_->truncated()) co_return Error(Reason::kServiceUnavailable, "the connection was cut off");
    co_return false;
  }
  answer_begun_ = true;
  MK_CO_TRY(feed(std::string_view(data).substr(0, *count)));
  co_return true;
}

rt::Task<Result<void>> ClientConnection::read_head(bool head_request) {
  for (;;) {
    parser_ = std::make_unique<ResponseParser>();
    parser_->header_limit(256 << 10);
    parser_->body_limit(boost::none);
    parser_->skip(head_request);
    if (!input_.empty()) MK_CO_TRY(feed({}));
    while (!parser_->is_header_done()) {
      auto more = co_await read_into_parser();
      if (!more) co_return std::move(more).error();
    }
    const int status = parser_->response.status;
    if (status / 100 != 1 || status == 101) co_return ok();
  }
}

rt::Task<Result<bool>> ClientConnection::read_more() {
  while (parser_->body.empty()) {
    auto more = co_await read_into_parser();
    if (!more) co_return std::move(more).error();
    if (!*more) co_return false;
  }
  co_return true;
}

rt::Task<Result<void>> ClientConnection::read_body(std::size_t body_max) {
  for (;;) {
    if (parser_->body.size() > body_max)
      co_return Error(Reason::kRequestEntityTooLarge,
                      "the answer is larger than " + std::to_string(body_max) + " bytes");
    auto more = co_await read_into_parser();
    if (!more) co_return std::move(more).error();
    if (!*more) co_return ok();
  }
}

bool ClientConnection::dead() {
  char byte;
  return !stream_->is_open() || stream_->try_read(&byte, 1) >= 0;
}

std::shared_ptr<Stream> ClientConnection::release_stream() {
  stream_->unread(input_);
  input_.clear();
  return std::move(stream_);
}

}  // namespace mk::net
