#include "mk/rt/task.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace mk::rt {

namespace asio = boost::asio;

Task<Executor> this_executor() {
  co_return co_await asio::this_coro::executor;
}

Task<> yield() {
  auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
}

Task<std::size_t> race(Task<> first, Task<> second) {
  // Not Asio's operator||, which waits for a success and turns two cancellations into another exception.
  auto executor = co_await asio::this_coro::executor;
  auto group =
      asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(first), asio::deferred),
                                              asio::co_spawn(executor, std::move(second), asio::deferred));
  auto [order, first_failure, second_failure] =
      co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  const auto& failure = order[0] == 0 ? first_failure : second_failure;
  if (failure) std::rethrow_exception(failure);
  co_return order[0];
}

void throw_cancelled() {
  throw boost::system::system_error(asio::error::operation_aborted);
}

}  // namespace mk::rt
