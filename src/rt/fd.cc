#include "mk/rt/fd.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace mk::rt {

namespace asio = boost::asio;

struct AsyncFd::State {
  State(Executor executor, int fd) : stream(std::move(executor), fd) {}
  asio::posix::stream_descriptor stream;
};

namespace {

// Cancellation of the task leaves as the exception it is; anything else is an Error.
Error io_error(const char* what, const boost::system::error_code& code) {
  return Error(Reason::kInternalError, std::string(what) + ": " + code.message());
}

}  // namespace

AsyncFd::AsyncFd(Executor executor, int fd) : state_(std::make_shared<State>(std::move(executor), fd)) {
  state_->stream.non_blocking(true);
}
AsyncFd::~AsyncFd() {
  if (state_) close();
}
AsyncFd::AsyncFd(AsyncFd&&) noexcept = default;

int AsyncFd::native() const {
  return state_->stream.native_handle();
}

void AsyncFd::close() {
  boost::system::error_code ignored;
  state_->stream.close(ignored);
}

Task<Result<std::string>> AsyncFd::read_some(std::size_t count) {
  auto state = state_;
  std::string data(count, '\0');
  boost::system::error_code code;
  const std::size_t got = co_await state->stream.async_read_some(
      asio::buffer(data), asio::redirect_error(asio::use_awaitable, code));
  if (code == asio::error::eof || code == boost::system::errc::io_error) co_return std::string();
  if (code) co_return io_error("read", code);
  data.resize(got);
  co_return data;
}

Task<Result<void>> AsyncFd::write_all(std::string data) {
  auto state = state_;
  boost::system::error_code code;
  co_await asio::async_write(state->stream, asio::buffer(data),
                             asio::redirect_error(asio::use_awaitable, code));
  if (code) co_return io_error("write", code);
  co_return ok();
}

Task<Result<void>> AsyncFd::wait_readable() {
  auto state = state_;
  boost::system::error_code code;
  co_await state->stream.async_wait(asio::posix::stream_descriptor::wait_read,
                                    asio::redirect_error(asio::use_awaitable, code));
  if (code) co_return io_error("wait", code);
  co_return ok();
}

Task<int> wait_signal(std::initializer_list<int> signals) {
  auto executor = co_await asio::this_coro::executor;
  asio::signal_set set(executor);
  for (int signal : signals) set.add(signal);
  co_return co_await set.async_wait(asio::use_awaitable);
}

}  // namespace mk::rt
