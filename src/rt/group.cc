#include "mk/rt/group.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <list>
#include <string>

#include "mk/base/assert.h"
#include "mk/base/log.h"
#include "mk/rt/event.h"

namespace mk::rt {

namespace asio = boost::asio;

namespace {
constexpr Log kLog("rt");
}

struct Group::State {
  explicit State(Executor where) : executor(std::move(where)) {}

  Executor executor;
  std::list<asio::cancellation_signal> signals;  // one per running task
  Event changed;
  bool stopping = false;
};

Group::Group(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

// Tasks that are still suspended are destroyed with the loop; they hold the state, not the group.
Group::~Group() {
  cancel();
}

Task<> Group::guard(std::shared_ptr<State> state, std::string name, Task<> task) {
  try {
    co_await std::move(task);
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) co_return;
    kLog.error("task crashed", "task", name, "error", error.what());
    std::abort();
  } catch (const std::exception& error) {
    kLog.error("task crashed", "task", name, "error", error.what());
    std::abort();
  }
}

void Group::spawn(std::string_view name, Task<> task) {
  auto state = state_;
  auto signal = state->signals.emplace(state->signals.end());
  auto done = [state, signal](std::exception_ptr) {
    state->signals.erase(signal);
    state->changed.notify_all();
  };
  asio::co_spawn(state->executor, guard(state, std::string(name), std::move(task)),
                 asio::bind_cancellation_slot(signal->slot(), std::move(done)));
  // A task that is born while the group ends gets its cancellation as soon as it can receive one.
  if (state->stopping) signal->emit(asio::cancellation_type::terminal);
}

void Group::cancel() {
  // emit() may run a task's handlers, but completions are posted, so the list does not change below us.
  for (auto& signal : state_->signals) signal.emit(asio::cancellation_type::terminal);
}

Task<> Group::stop() {
  auto state = state_;
  state->stopping = true;
  while (!state->signals.empty()) {
    for (auto& signal : state->signals) signal.emit(asio::cancellation_type::terminal);
    co_await state->changed.wait();
  }
  state->stopping = false;
}

std::size_t Group::size() const {
  return state_->signals.size();
}

}  // namespace mk::rt
