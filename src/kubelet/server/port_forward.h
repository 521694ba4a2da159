#pragma once

#include <memory>
#include <string>

#include "mk/kubelet/runtime.h"
#include "mk/net/server.h"
#include "mk/rt/loop.h"

namespace mk::kubelet {

// kubectl port-forward: a SPDY connection, by upgrade or inside a WebSocket ("SPDY/3.1+portforward.k8s.io"),
// with two streams for every TCP connection (headers streamtype: data|error, port, requestid). Ends with the
// client. Other clients ask for ports (query `port`) over the channels of a WebSocket, one connection each
// (port_channels.h). kBadRequest when the request asks for none of these.
rt::Task<Result<void>> forward_ports(rt::Loop& loop, ContainerRuntime& runtime,
                                     std::shared_ptr<net::Exchange> exchange, std::string sandbox_id);

}  // namespace mk::kubelet
