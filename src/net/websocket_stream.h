#pragma once

#include <memory>
#include <string>

#include "mk/net/websocket.h"
#include "mk/rt/clock.h"
#include "stream.h"

namespace mk::net {

enum class WebSocketSide { kServer, kClient };

// The frames of RFC 6455 on a connection whose handshake is done.
std::unique_ptr<WebSocket> make_websocket(std::shared_ptr<Stream> stream, rt::Clock& clock,
                                          WebSocketSide side, std::string subprotocol);

std::string make_websocket_key();                    // Sec-WebSocket-Key
std::string websocket_accept(std::string_view key);  // Sec-WebSocket-Accept

}  // namespace mk::net
