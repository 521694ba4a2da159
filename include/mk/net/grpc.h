#pragma once

#include <string>

#include "mk/base/result.h"
#include "mk/net/server.h"

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

}  // namespace mk::net
