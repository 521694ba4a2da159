#pragma once

#include <memory>

#include "mk/kubelet/runtime.h"
#include "mk/net/websocket.h"

namespace mk::kubelet {

// exec and attach over a WebSocket: every message begins with its channel (0 stdin, 1 stdout, 2 stderr, 3 the
// final metav1.Status, 4 terminal size; in v5 also 255: close the channel named by the next byte). Ends when
// the program has ended and its output was sent, or when the client has gone, which kills the program.
rt::Task<> run_stream_session(std::unique_ptr<net::WebSocket> socket, std::unique_ptr<ExecSession> session,
                              ExecOptions options);

// The subprotocols, best first.
std::vector<std::string> stream_protocols();

// What the error channel carries at the end.
std::string exit_status_json(const Result<int>& exit_code);

// For a program that cannot be started: tells why on the error channel, and closes.
rt::Task<> refuse_stream_session(std::unique_ptr<net::WebSocket> socket, Error error);

}  // namespace mk::kubelet
