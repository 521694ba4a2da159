#pragma once

#include <deque>
#include <memory>
#include <string>

#include "http2_session.h"

namespace mk::net {

class Connection;

// HTTP/2 on a Connection: moves bytes between its stream and the session, and runs the handlers. Answers made
// in the same turn of the loop leave in the same records. Owned by the connection.
class Http2Connection {
 public:
  explicit Http2Connection(Connection& connection);

  // Reads until the connection ends. Handlers may outlive it: they hold the connection.
  static rt::Task<> run(std::shared_ptr<Connection> connection);

  Http2Session& session() { return session_; }
  void wake();  // something is there to send: soon
  void sweep(rt::MonoTime now);
  void shut_down();  // says goodbye, as far as the socket takes it at once

 private:
  class Running;

  bool read();
  void start_ready();
  static rt::Task<> serve(std::shared_ptr<Connection> connection, std::shared_ptr<Http2Stream> stream);
  void pump();
  bool write_out(std::string& out);
  static rt::Task<> drain(std::shared_ptr<Connection> connection);
  void fail();

  Connection& connection_;
  Http2Session session_;
  std::deque<std::shared_ptr<Http2Stream>> waiting_;  // requests beyond the number that may run
  std::size_t running_ = 0;
  std::string unsent_;  // what the socket did not take
  rt::MonoTime blocked_from_;
  std::uint64_t written_seen_ = 0;
  bool wake_posted_ = false, blocked_ = false, ended_ = false;
};

}  // namespace mk::net
