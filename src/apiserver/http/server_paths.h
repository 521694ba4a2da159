#pragma once

#include "http/call.h"
#include "mk/apiserver/servers.h"

namespace mk::apiserver {

// /mk/v1/servers: the servers of the cluster, for administrators (mk/apiserver/servers.h).
class ServerPaths {
 public:
  explicit ServerPaths(Servers* servers) : servers_(servers) {}  // none: a server that is alone for good
  static bool handles(const RequestInfo& info);
  rt::Task<> handle(Call& call);

 private:
  rt::Task<Result<api::Json>> answer(Call& call);
  api::Json listed() const;

  Servers* servers_;
};

}  // namespace mk::apiserver
