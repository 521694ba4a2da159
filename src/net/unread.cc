#include "mk/net/unread.h"

namespace mk::net {

namespace {
constexpr std::size_t kUnreadMax = 1 << 20;
}

rt::Task<Result<std::string>> Unread::read() {
  while (queue_.empty() && !ended_) co_await changed_.wait();
  if (queue_.empty()) co_return std::string();
  std::string data = std::move(queue_.front());
  queue_.pop_front();
  bytes_ -= data.size();
  changed_.notify_all();
  co_return data;
}

rt::Task<> Unread::take(std::string data) {
  if (data.empty() || ended_) co_return;
  bytes_ += data.size();
  queue_.push_back(std::move(data));
  changed_.notify_all();
  while (bytes_ > kUnreadMax && !ended_) co_await changed_.wait();
}

void Unread::end() {
  ended_ = true;
  changed_.notify_all();
}

}  // namespace mk::net
