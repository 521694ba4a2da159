#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/net/client.h"

namespace mk::client {

// One HTTP client for the several servers of a cluster: it speaks to one of them, and to the next when that
// one does not answer. A request that changes nothing is then sent again, at most once to each server; of any
// other the caller gets the error, because it may have been done. Streams from a server that was given up
// end.
class AnyServer : public net::HttpClient {
 public:
  // "https://10.0.0.1:6443", ... : replaces the list; the server in use stays in use if it is still there. An
  // empty list is ignored.
  virtual void set_servers(std::vector<std::string> urls) = 0;
  virtual std::string current() const = 0;
};

// `options.base_url` is the first server; the others have the same CA and accept the same credentials.
Result<std::unique_ptr<AnyServer>> make_any_server(rt::Loop& loop, rt::Clock& clock,
                                                   net::ClientOptions options);

}  // namespace mk::client
