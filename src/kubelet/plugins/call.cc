#include "plugins/call.h"

#include <fmt/core.h>

#include <array>

#include "mk/net/grpc.h"

namespace mk::kubelet {
namespace {

struct Code {
  const char* name;
  Reason reason;
};
// gRPC's status codes, by number.
constexpr std::array<Code, 17> kCodes{{{"OK", Reason::kInternalError},
                                       {"Canceled", Reason::kTimeout},
                                       {"Unknown", Reason::kInternalError},
                                       {"InvalidArgument", Reason::kInvalid},
                                       {"DeadlineExceeded", Reason::kTimeout},
                                       {"NotFound", Reason::kNotFound},
                                       {"AlreadyExists", Reason::kAlreadyExists},
                                       {"PermissionDenied", Reason::kForbidden},
                                       {"ResourceExhausted", Reason::kTooManyRequests},
                                       {"FailedPrecondition", Reason::kConflict},
                                       {"Aborted", Reason::kConflict},
                                       {"OutOfRange", Reason::kInvalid},
                                       {"Unimplemented", Reason::kMethodNotAllowed},
                                       {"Internal", Reason::kInternalError},
                                       {"Unavailable", Reason::kServiceUnavailable},
                                       {"DataLoss", Reason::kInternalError},
                                       {"Unauthenticated", Reason::kUnauthorized}}};

rt::Task<Result<net::GrpcAnswer>> connect_and_call(std::string socket, net::GrpcCall call) {
  MK_CO_ASSIGN(const auto stream, co_await net::connect_unix(std::move(socket)));
  co_return co_await net::call_grpc(*stream, std::move(call));
}

}  // namespace

rt::Task<Result<std::string>> call_plugin(rt::Clock& clock, std::string socket, std::string method,
                                          Message request, rt::Duration limit) {
  net::GrpcCall call{"localhost", std::move(method), request.bytes(), "mk"};
  auto answer = co_await rt::with_timeout(clock, limit, connect_and_call(std::move(socket), std::move(call)));
  if (!answer)
    co_return Error(Reason::kTimeout, "rpc error: code = DeadlineExceeded desc = context deadline exceeded");
  if (!answer->ok()) {
    const auto& error = answer->error();
    co_return Error(error.reason(), fmt::format("rpc error: code = Unavailable desc = connection error: {}",
                                                error.message()));
  }
  auto& value = **answer;
  if (value.code == 0) co_return std::move(value.message);
  const auto code = static_cast<std::size_t>(value.code);
  const Code known = code < kCodes.size() ? kCodes[code] : kCodes[2];
  co_return Error(known.reason, fmt::format("rpc error: code = {} desc = {}", known.name, value.text));
}

}  // namespace mk::kubelet
