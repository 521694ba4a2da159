#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mk/base/result.h"
#include "mk/rt/task.h"

// The servers of a cluster as its API shows and changes them. Who composes the process stands behind this
// door.
//
//   POST   /v1-mk/server            with the server token: what every server shares, for one that joins
//   GET    /mk/v1/servers           the servers, as JSON {"items": [...]}
//   POST   /mk/v1/servers           {"id", "peerAddress"}: takes it in
//   DELETE /mk/v1/servers/ID        for good: it must join again under another id
//   POST   /mk/v1/servers/ID/lead   hands it the leadership
//
// The last four are authorized as nonResourceURLs, that is for administrators.
namespace mk::apiserver {

struct ServerInfo {
  std::uint64_t id = 0;
  std::string peer_address, api_address;  // host:port
  bool voter = false, leader = false, reachable = false;
};

class Servers {
 public:
  virtual ~Servers() = default;
  // JSON; secret. Errors tell the person who joins a server what to do.
  virtual Result<std::string> secrets() = 0;
  virtual std::vector<ServerInfo> list() const = 0;
  virtual void set_changed(std::function<void()> changed) = 0;  // the list did
  // Returns once it is a member; it becomes a voter when it has caught up. Again: its addresses are changed.
  virtual rt::Task<Result<void>> add(ServerInfo server) = 0;
  virtual rt::Task<Result<void>> remove(std::uint64_t id) = 0;
  virtual rt::Task<Result<void>> lead(std::uint64_t id) = 0;
};

}  // namespace mk::apiserver
