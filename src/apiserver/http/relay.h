#pragma once

#include <string>

#include "http/call.h"
#include "mk/net/client.h"

namespace mk::apiserver {

// Passes a call on to a backend and its answer back.
struct Relay {
  net::HttpClient& backend;
  std::string path;  // with query, as the backend sees it
  // Where the backend's "/" is to the client ("/api/v1/.../proxy"): links of HTML pages and redirects are
  // moved below it. "": the answer goes back as it is.
  std::string prefix;
};

// What a proxied request carries besides the client's own headers is who asked (RFC 7239's older
// X-Forwarded-*); credentials of the API stay here.
rt::Task<> relay_request(Call& call, Relay relay);

// The upgrade request goes to the backend as it is and its 101 comes back as it is: whatever protocol the two
// agree on (WebSocket, SPDY) runs between them.
rt::Task<> relay_upgrade(Call& call, Relay relay);

}  // namespace mk::apiserver
