#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/client/any_server.h"
#include "mk/client/informer.h"
#include "mk/rt/group.h"
#include "process.h"

namespace mk::node {

// The servers that an agent may speak to: the one that it joined, and whoever the kubernetes Service names.
// Kept in a file, so that an agent that starts while its first server is away finds the others.
class AgentServers {
 public:
  // `connection.base_url` is the server that was joined.
  static Result<std::unique_ptr<AgentServers>> open(Process& process, net::ClientOptions connection,
                                                    std::string file);
  AgentServers(Process& process, std::unique_ptr<client::AnyServer> http, std::string file);

  net::HttpClient& http() { return *http_; }
  // Follows the Service's endpoints through `client`, which speaks over http().
  void follow(client::Client& client);
  rt::Task<> stop();

 private:
  void learn(const api::Object& slice);

  Process& process_;
  const std::unique_ptr<client::AnyServer> http_;
  const std::string file_;
  std::unique_ptr<client::Informer> slices_;
  rt::Group group_;
};

}  // namespace mk::node
