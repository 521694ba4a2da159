#pragma once

#include <memory>
#include <string>

#include "mk/base/result.h"
#include "mk/net/http.h"
#include "mk/net/server.h"

// The server's side of SPDY/3.1, which Kubernetes' clients still speak for port-forward (inside a WebSocket
// since 1.31) and, the older ones, for exec and attach. No flow control, as theirs has none: what a stream
// does not read holds up its connection.
namespace mk::net {

// A stream that the client opened and that has been answered.
class SpdyStream {
 public:
  virtual ~SpdyStream() = default;
  virtual const Headers& headers() const = 0;        // names in lower case
  virtual rt::Task<Result<std::string>> read() = 0;  // "" at the client's end
  virtual rt::Task<Result<void>> write(std::string data) = 0;
  virtual rt::Task<> finish() = 0;  // ends our half
};

class SpdySession {
 public:
  virtual ~SpdySession() = default;
  // Reads the connection until it ends, breaks, or says what is no SPDY. Runs beside accept() and the
  // streams.
  virtual rt::Task<> run() = 0;
  virtual rt::Task<std::shared_ptr<SpdyStream>> accept() = 0;  // nullptr: the connection has ended
};
std::unique_ptr<SpdySession> serve_spdy(std::shared_ptr<RawStream> connection);

// The bytes of binary WebSocket messages as one stream.
std::shared_ptr<RawStream> tunnel_in(std::shared_ptr<WebSocket> socket);

}  // namespace mk::net
