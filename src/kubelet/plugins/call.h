#pragma once

#include <string>

#include "mk/base/result.h"
#include "mk/rt/clock.h"
#include "plugins/message.h"

namespace mk::kubelet {

// A unary call to a plugin on its unix socket; the answer's bytes. A failure reads as Kubernetes' own do
// ("rpc error: code = NotFound desc = ..."); its reason: kNotFound, kTimeout (DeadlineExceeded too),
// kAlreadyExists, kInvalid, kNotImplemented... where gRPC's code has one, else kInternalError.
rt::Task<Result<std::string>> call_plugin(rt::Clock& clock, std::string socket, std::string method,
                                          Message request, rt::Duration limit);

}  // namespace mk::kubelet
