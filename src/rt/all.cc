#include "mk/rt/all.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace mk::rt {

namespace asio = boost::asio;

Task<> all(std::vector<Task<>> tasks) {
  if (tasks.empty()) co_return;
  auto executor = co_await this_executor();
  using Operation = decltype(asio::co_spawn(executor, std::move(tasks.front()), asio::deferred));
  std::vector<Operation> operations;
  operations.reserve(tasks.size());
  for (auto& task : tasks) operations.push_back(asio::co_spawn(executor, std::move(task), asio::deferred));
  auto group = asio::experimental::make_parallel_group(std::move(operations));
  auto [order, failures] = co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  for (const std::size_t index : order)
    if (failures[index]) std::rethrow_exception(failures[index]);
}

}  // namespace mk::rt
