#pragma once

#include "auth/authenticator.h"
#include "auth/authorizer.h"
#include "http/join.h"
#include "http/metrics.h"
#include "http/paths.h"
#include "http/resource_handlers.h"
#include "http/server_paths.h"
#include "resources/resource_table.h"

namespace mk::apiserver {

// What the authorizer is asked about a call.
Attributes attributes_of(const Call& call);

// Life of an HTTP request: who is it (authenticate, impersonate), what does it want (parse, negotiate), is
// it its turn (priority and fairness), may it (authorize), then the handler of the resource or path.
class Front {
 public:
  struct Parts {
    Authenticator& authenticator;
    Authorizer& authorizer;
    const ResourceTable& table;
    ResourceHandlers& resources;
    Paths& paths;
    Join& join;
    ServerPaths& servers;
    Metrics& metrics;
    Fairness& fairness;
    rt::Clock& clock;
  };
  explicit Front(Parts parts) : parts_(parts) {}

  rt::Task<> handle(std::shared_ptr<net::Exchange> exchange);

 private:
  rt::Task<> answer(Call& call);
  rt::Task<> answer_in_turn(Call& call, Result<Accepted> accepted);
  Result<UserInfo> identify(const net::Exchange& exchange);
  Result<void> authorize(Call& call);

  Parts parts_;
};

}  // namespace mk::apiserver
