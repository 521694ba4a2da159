#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mk/base/result.h"
#include "mk/rt/task.h"
#include "tls.h"

namespace mk::net {

using Socket = boost::asio::ip::tcp::socket;

// A connected socket, with TLS or without. OpenSSL works on the descriptor itself (no memory BIOs), so an
// idle connection owns no buffers. One reader and one writer at a time; wait_for_end() may run beside both.
// Everything is read and written between two awaits, so cancelling an operation loses no byte of the input.
class Stream {
 public:
  Stream(Socket socket, TlsContext context);  // no context: plain
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // `server_name`: whom a client expects. The error of a refused certificate is kUnauthorized.
  rt::Task<Result<void>> accept_tls();
  rt::Task<Result<void>> connect_tls(std::string server_name);

  // Up to `size` bytes, 0 at the end. `data` must live until this returns.
  rt::Task<Result<std::size_t>> read_some(char* data, std::size_t size);
  // What can be had without waiting: -1 when nothing is there (yet), 0 at the end or after an error.
  std::ptrdiff_t try_read(char* data, std::size_t size);
  rt::Task<Result<void>> wait_readable();
  bool has_pending() const;  // bytes are in memory already, ready or not
  // Gives bytes back: the next read returns them first.
  void unread(std::string_view data);

  // All of it. The bytes must live until this returns.
  rt::Task<Result<void>> write(std::string_view data);
  rt::Task<Result<void>> write_pieces(std::vector<std::string_view> pieces);
  // What goes without waiting: -1 when nothing does (yet), 0 after an error. What was not taken must come
  // again first.
  std::ptrdiff_t try_write(std::string_view data);
  std::uint64_t bytes_written() const { return bytes_written_; }

  // Ends when the peer has closed its side or the connection is broken or closed; input that comes meanwhile
  // is kept for the next read.
  rt::Task<> wait_for_end();

  void close_write();  // the peer reads the end; we may read on
  void close();        // pending operations end with an error
  void abort();        // so that the peer notices that something is missing
  bool is_open() const { return !closed_; }
  // The end came without TLS' goodbye: what lasts "until close" may be cut off.
  bool truncated() const { return truncated_; }

  std::string remote_address() const { return remote_address_; }
  int remote_port() const { return remote_port_; }
  rt::Executor executor() { return socket_.get_executor(); }
  SSL* ssl() const { return ssl_.get(); }

 private:
  enum class Io { kDone, kWantRead, kWantWrite, kEnd, kFailed };
  struct Try {
    Io io;
    std::size_t count;
  };

  Try read_once(char* data, std::size_t size);
  Try write_once(std::string_view data);
  Try read_ahead();
  Try classify(int result);
  Try socket_failure(int code);
  rt::Task<Result<void>> handshake();
  rt::Task<Result<void>> wait(Io what);
  Error failure() const;

  Socket socket_;
  SocketEnd end_;
  Ssl ssl_;
  std::string buffered_;  // given back or read ahead
  std::string error_;
  std::string remote_address_;
  int remote_port_ = 0;
  std::uint64_t bytes_written_ = 0;
  bool closed_ = false, failed_ = false, truncated_ = false, established_ = false, write_pending_ = false;
  bool end_seen_ = false;
};

// TCP_NODELAY, and keep-alive probes that find a dead peer within about a minute.
void tune(Socket& socket);

}  // namespace mk::net
