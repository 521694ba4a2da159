#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "kept.h"
#include "mk/net/server.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "parser.h"
#include "stream.h"

namespace mk::net {

class Connection;
class Http2Connection;
struct ServerShared;

// A request that waits for its answer, until told() or its end.
class Unanswered {
 public:
  explicit Unanswered(std::shared_ptr<ServerShared> shared);
  ~Unanswered() { told(); }
  Unanswered(const Unanswered&) = delete;
  Unanswered& operator=(const Unanswered&) = delete;
  void told();

 private:
  std::shared_ptr<ServerShared> shared_;
};

// What the connections of a server share. Outlives the server while one of them lives.
struct ServerShared {
  ServerShared(rt::Clock& clock_, ServerLimits limits_, Handler handler_)
      : clock(clock_), limits(std::move(limits_)), handler(std::move(handler_)) {}

  rt::Clock& clock;
  ServerLimits limits;
  Handler handler;
  rt::Group* group = nullptr;  // the server's: connections and the streams of HTTP/2; null once it is gone
  TlsContext tls;              // of new connections
  std::string client_ca_pem;
  std::unordered_set<Connection*> connections;
  Kept::Total kept;
  std::size_t unanswered = 0;  // requests whose handler runs and has said nothing yet
  rt::Event connections_changed;
  // Where input lands first. Nobody holds on to it across an await, so one buffer serves every connection.
  std::string scratch = std::string(64 << 10, '\0');
  std::string output;  // frames of HTTP/2 on their way to a socket; as short-lived
  std::string date;    // of the Date header
  std::int64_t date_second = 0;

  const std::string& date_now();
};

// One client: handshake, then request after request. The server's sweep closes it when its deadline passes.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerShared> shared, Socket socket);
  ~Connection();

  static rt::Task<> serve(std::shared_ptr<Connection> self);

  // Closes the connection if it is late; a write that makes progress gets more time.
  void sweep(rt::MonoTime now);
  void close() { stream_.close(); }
  // Tells a client that the connection ends, where its protocol can say so.
  void shut_down();

  // For the exchanges.
  Http2Connection* http2() { return http2_.get(); }  // nullptr: HTTP/1.1
  // What a handler throws, other than a cancellation, becomes a log line.
  rt::Task<> run_handler(std::shared_ptr<Exchange> exchange);
  static Response handler_failed();
  Response refusal(int code) const;  // 400, 413, 431 or 503
  ServerShared& shared() { return *shared_; }
  const std::shared_ptr<ServerShared>& shared_handle() const { return shared_; }
  Stream& stream() { return stream_; }
  std::shared_ptr<Stream> stream_handle() { return std::shared_ptr<Stream>(shared_from_this(), &stream_); }
  const std::optional<pki::CertificateInfo>& client_certificate() const { return client_certificate_; }
  const std::string& client_certificate_error() const { return client_certificate_error_; }
  rt::Task<Result<void>> write(std::vector<std::string_view> pieces);
  // How much of it went without waiting; the rest is for write(), which also tells of an error.
  std::size_t write_now(std::string_view data) {
    const auto count = stream_.try_write(data);
    return count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  // Bytes behind the request belong to the protocol that takes over.
  void give_back_input();

 private:
  rt::Task<bool> handshake();
  void check_client(const std::string& ca_pem);
  // Nothing when the connection has come to its end; a refused request was answered.
  rt::Task<std::unique_ptr<RequestParser>> read_request();
  rt::Task<Result<void>> read_message(RequestParser& parser);
  Result<void> feed(RequestParser& parser, std::string_view data);
  rt::Task<bool> answer(std::unique_ptr<RequestParser> parser);
  rt::Task<> refuse(Error error);
  rt::Task<> linger();
  void set_deadline(rt::Duration from_now);
  void no_deadline() { deadline_ = rt::MonoTime::max(); }

  std::shared_ptr<ServerShared> shared_;
  Stream stream_;
  std::unique_ptr<Http2Connection> http2_;
  std::optional<pki::CertificateInfo> client_certificate_;
  std::string client_certificate_error_;
  Kept kept_;
  std::string input_;  // the part of a message that the parser wants to see again with more behind it
  rt::MonoTime deadline_ = rt::MonoTime::max();
  std::uint64_t written_seen_ = 0;
  bool writing_ = false;
};

// {"kind":"Status", ...} as kubectl prints it.
Response status_response(int code, std::string_view reason, std::string_view message);

}  // namespace mk::net
