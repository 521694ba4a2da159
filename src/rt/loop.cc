#include "mk/rt/loop.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace mk::rt {

namespace asio = boost::asio;

struct Loop::State {
  // Posts come from other threads too (the blocking pool), so the context keeps its locks; the hint only
  // says that one thread runs it.
  asio::io_context context{1};
};

Loop::Loop() : state_(std::make_unique<State>()) {}
Loop::~Loop() = default;

Executor Loop::executor() const {
  return state_->context.get_executor();
}

void Loop::run() {
  // An earlier poll that ran dry, or an earlier stop(), must not end this run at once.
  state_->context.restart();
  state_->context.run();
}

void Loop::stop() {
  state_->context.stop();
}

std::size_t Loop::poll() {
  state_->context.restart();
  return state_->context.poll();
}

void Loop::post(std::function<void()> work) {
  asio::post(state_->context, std::move(work));
}

void run_until_done(Loop& loop, Task<> task) {
  std::exception_ptr failure;
  auto done = [&](std::exception_ptr error) {
    failure = error;
    loop.stop();
  };
  asio::co_spawn(loop.executor(), std::move(task), done);
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace mk::rt
