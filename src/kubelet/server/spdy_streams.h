#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mk/kubelet/runtime.h"
#include "mk/net/server.h"

namespace mk::kubelet {

bool wants_spdy(const net::Request& request);

// Switches to SPDY/3.1 with the first of the client's X-Stream-Protocol-Version that is in `protocols`.
rt::Task<Result<std::shared_ptr<net::RawStream>>> upgrade_to_spdy(std::shared_ptr<net::Exchange> exchange,
                                                                  std::vector<std::string> protocols);

// exec and attach for clients that speak SPDY only: one stream each for stdin, stdout, stderr, the error and,
// with a tty, the size. `open` starts the program once the streams are there.
rt::Task<Result<void>> serve_spdy_streams(
    rt::Clock& clock, std::shared_ptr<net::Exchange> exchange, ExecOptions options,
    std::function<rt::Task<Result<std::unique_ptr<ExecSession>>>()> open);

}  // namespace mk::kubelet
