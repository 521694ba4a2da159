#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mk/base/result.h"
#include "mk/net/server.h"
#include "mk/rt/loop.h"

namespace mk::net {

// What a gRPC server answered to a unary call: the code of its trailers (0 is OK; the others are gRPC's own
// list), their text, and the protobuf message, if there is one.
struct GrpcAnswer {
  int code = 0;
  std::string text, message;
};

struct GrpcCall {
  std::string authority;  // "10.42.0.7:9000"
  std::string method;     // "/grpc.health.v1.Health/Check"
  std::string message;    // protobuf
  std::string user_agent;
};

// One unary call (gRPC over HTTP/2, RFC 9113 with prior knowledge, no TLS) on a connection of its own, which
// it uses up. kServiceUnavailable: the peer went away or does not speak HTTP/2; answers of more than 4 MiB
// are kInvalid. Time limits are the caller's.
rt::Task<Result<GrpcAnswer>> call_grpc(RawStream& connection, GrpcCall call);

// A connection to a unix socket. kNotFound: there is none of that path; kServiceUnavailable: nobody listens.
rt::Task<Result<std::unique_ptr<RawStream>>> connect_unix(std::string path);

// Answers one unary call: `message` is the request of `method`. The calls of a connection run side by side.
using GrpcHandler = std::function<rt::Task<GrpcAnswer>(std::string method, std::string message)>;

// A gRPC server on a unix socket.
class GrpcServer {
 public:
  virtual ~GrpcServer() = default;
  // Stops listening, cancels what runs, and removes the socket.
  virtual rt::Task<> stop() = 0;
};

// Replaces a socket that lies there. Only root may connect (mode 0600). Requests of more than 4 MiB end their
// connection.
Result<std::unique_ptr<GrpcServer>> listen_grpc(rt::Loop& loop, const std::string& path, GrpcHandler handler);

}  // namespace mk::net
