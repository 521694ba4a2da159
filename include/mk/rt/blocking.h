#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>

#include "mk/rt/task.h"

namespace mk::rt {

// Threads for what must block: fork/exec, file walks, mounts, libcurl. Threads start when needed and leave
// after ten idle seconds, so an idle process has none.
class BlockingPool {
 public:
  explicit BlockingPool(std::size_t threads_max);
  ~BlockingPool();  // waits for what is running

  // Runs `work` on a thread and resumes the caller on its own loop. Cancelling the caller abandons the
  // result; the work itself, which owns everything it captured, still runs to its end.
  template <class F, class T = std::invoke_result_t<F>>
  Task<T> run(F work) {
    if constexpr (std::is_void_v<T>) {
      co_await run_erased(std::function<void()>(std::move(work)));
    } else {
      auto result = std::make_shared<std::optional<T>>();
      std::function<void()> erased = [result, work = std::move(work)]() mutable { result->emplace(work()); };
      co_await run_erased(std::move(erased));
      co_return std::move(**result);
    }
  }

 private:
  struct State;
  Task<> run_erased(std::function<void()> work);
  std::unique_ptr<State> state_;
};

}  // namespace mk::rt
