#include "http2_connection.h"

#include <boost/asio/post.hpp>

#include "connection.h"
#include "http2_exchange.h"
#include "mk/base/log.h"
#include "mk/rt/group.h"

namespace mk::net {
namespace {

constexpr Log kLog("net");
constexpr std::size_t kOutput = 64 << 10;  // gathered before it is written
constexpr std::size_t kPumpMax = 1 << 20;  // then others get their turn
constexpr std::size_t kReadBeforeYield = 256 << 10;

}  // namespace

// Counts a handler while it runs, however it ends, and lets the next begin.
class Http2Connection::Running {
 public:
  explicit Running(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~Running() {
    --connection_->http2()->running_;
    connection_->http2()->start_ready();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  std::shared_ptr<Connection> connection_;
};

Http2Connection::Http2Connection(Connection& connection)
    : connection_(connection),
      session_(connection.shared().limits, connection.shared().clock, connection.shared().kept) {}

rt::Task<> Http2Connection::run(std::shared_ptr<Connection> connection) {
  Http2Connection& self = *connection->http2();
  Stream& stream = connection->stream();
  self.wake();  // our SETTINGS
  std::size_t taken = 0;
  while (!self.ended_) {
    std::string& scratch = connection->shared().scratch;
    const auto count = stream.try_read(scratch.data(), scratch.size());
    if (count == 0) break;
    if (count < 0) {
      if (!(co_await stream.wait_readable()).ok()) break;
      continue;
    }
    auto fed = self.session_.feed(std::string_view(scratch.data(), static_cast<std::size_t>(count)));
    self.start_ready();
    self.wake();
    if (!fed.ok()) {
      kLog.debug("closing a connection", "client", stream.remote_address(), "error", fed.error().message());
      self.pump();
      break;
    }
    taken += static_cast<std::size_t>(count);
    if (taken < kReadBeforeYield) continue;
    taken = 0;
    co_await rt::yield();
  }
  self.fail();
}

void Http2Connection::fail() {
  ended_ = true;
  waiting_.clear();
  session_.abandon();
  connection_.close();
}

void Http2Connection::start_ready() {
  for (auto& stream : session_.ready()) waiting_.push_back(std::move(stream));
  session_.ready().clear();
  // A stream that was reset gives its place to a new one while its handler may still run.
  rt::Group* const group = connection_.shared().group;
  while (!ended_ && group != nullptr && !waiting_.empty() &&
         running_ < connection_.shared().limits.streams_max) {
    auto stream = std::move(waiting_.front());
    waiting_.pop_front();
    if (stream->closed) continue;
    ++running_;
    group->spawn("http2 stream", serve(connection_.shared_from_this(), std::move(stream)));
  }
}

rt::Task<> Http2Connection::serve(std::shared_ptr<Connection> connection,
                                  std::shared_ptr<Http2Stream> stream) {
  const Running running(connection);
  const int refusal = stream->refusal;
  auto exchange = std::make_shared<Http2Exchange>(connection, std::move(stream));
  if (refusal != 0) {
    (void)co_await exchange->respond(connection->refusal(refusal));
  } else {
    co_await connection->run_handler(exchange);
    if (!exchange->started()) (void)co_await exchange->respond(Connection::handler_failed());
  }
  exchange->end();
}

void Http2Connection::wake() {
  if (wake_posted_ || blocked_ || ended_) return;
  wake_posted_ = true;
  auto later = [connection = connection_.shared_from_this()] {
    connection->http2()->wake_posted_ = false;
    connection->http2()->pump();
  };
  boost::asio::post(connection_.stream().executor(), std::move(later));
}

// Everything that there is to send, as far as the socket takes it now.
void Http2Connection::pump() {
  if (blocked_ || ended_) return;
  std::string& out = connection_.shared().output;
  for (std::size_t sent = 0; sent < kPumpMax; sent += out.size()) {
    out.clear();
    session_.fill(out, kOutput);
    if (out.empty()) {
      if (session_.is_over()) fail();
      return;
    }
    if (!write_out(out)) return;
  }
  wake();
}

// False when the socket takes no more, or is broken.
bool Http2Connection::write_out(std::string& out) {
  std::string_view rest = out;
  while (!rest.empty()) {
    const auto count = connection_.stream().try_write(rest);
    if (count == 0) {
      fail();
      return false;
    }
    if (count < 0) {
      unsent_ = rest;
      blocked_ = true;
      blocked_from_ = connection_.shared().clock.mono();
      written_seen_ = connection_.stream().bytes_written();
      connection_.shared().group->spawn("http2 drain", drain(connection_.shared_from_this()));
      return false;
    }
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

rt::Task<> Http2Connection::drain(std::shared_ptr<Connection> connection) {
  Http2Connection& self = *connection->http2();
  auto sent = co_await connection->stream().write(self.unsent_);
  self.unsent_ = std::string();
  self.blocked_ = false;
  if (sent.ok()) {
    self.pump();
  } else {
    self.fail();
  }
}

void Http2Connection::sweep(rt::MonoTime now) {
  const ServerLimits& limits = connection_.shared().limits;
  if (blocked_) {
    if (connection_.stream().bytes_written() != written_seen_) {
      written_seen_ = connection_.stream().bytes_written();
      blocked_from_ = now;
    } else if (now - blocked_from_ > limits.stall_timeout) {
      connection_.stream().abort();
    }
    return;
  }
  const rt::Duration idle_max = session_.greeted() ? limits.idle_timeout : limits.header_timeout;
  if (session_.open_streams() == 0 && running_ == 0 && now - session_.idle_from() > idle_max) {
    shut_down();
    fail();
    return;
  }
  session_.sweep(now);
  wake();
}

void Http2Connection::shut_down() {
  session_.shut_down();
  pump();
}

}  // namespace mk::net
