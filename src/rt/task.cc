#include "mk/rt/task.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace mk::rt {

namespace asio = boost::asio;

Task<Executor> this_executor() { co_return co_await asio::this_coro::executor; }

Task<> yield() {
  auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
}

Task<std::size_t> race(Task<> first, Task<> second) {
  using namespace asio::experimental::awaitable_operators;
  auto winner = co_await (std::move(first) || std::move(second));
  co_return winner.index();
}

void throw_cancelled() { throw boost::system::system_error(asio::error::operation_aborted); }

}  // namespace mk::rt
