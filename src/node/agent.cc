#include <cstdio>

#include "agent_servers.h"
#include "host.h"
#include "join.h"
#include "mk/base/log.h"
#include "mk/client/https_client.h"

namespace mk::node {
namespace {

class AgentRole : public Role {
 public:
  AgentRole(Process& process, Options options) : process_(process), options_(std::move(options)) {}

  rt::Task<Result<void>> start() override;
  rt::Task<> stop() override {
    if (worker_) co_await worker_->stop();
    if (servers_) co_await servers_->stop();
  }

 private:
  Process& process_;
  Options options_;
  std::unique_ptr<AgentServers> servers_;
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<Worker> worker_;
};

rt::Task<Result<void>> AgentRole::start() {
  if (options_.join.empty() || options_.token.empty())
    co_return Error(Reason::kInvalid,
                    "an agent needs --join https://SERVER:6443 and --token; the server's file node-token "
                    "holds the token");
  const std::string name = options_.node_name.empty() ? host_name() : options_.node_name;
  const std::string address = options_.node_ip.empty() ? primary_address() : options_.node_ip;
  std::vector<std::string> addresses = {address};
  MK_CO_ASSIGN(Membership membership, co_await join_cluster(process_, options_, name, std::move(addresses)));
  net::ClientOptions connection;
  connection.base_url = options_.join;
  connection.ca_pem = membership.ca_pem;
  connection.client_certificate = membership.client;
  // Of several servers another one answers: a silent one is not waited for long.
  connection.connect_timeout = std::chrono::seconds(3);
  connection.request_timeout = std::chrono::seconds(15);
  MK_CO_ASSIGN(servers_,
               AgentServers::open(process_, std::move(connection), options_.data_dir + "/agent/servers"));
  client_ = client::make_https_client(servers_->http(), "kubelet");
  servers_->follow(*client_);
  WorkerOptions worker;
  worker.options = options_;
  worker.cluster = membership.cluster;
  worker.node_name = name;
  worker.node_ip = address;
  worker.kubelet_identity.certificate = membership.serving;
  worker.kubelet_identity.client_ca_pem = membership.ca_pem;
  // Services, slices and nodes are what a node may read anyway, so one identity serves all parts of it.
  Worker::Clients clients{*client_, *client_, *client_};
  worker_ = std::make_unique<Worker>(process_.loop, *process_.clock, *process_.random, process_.pool, clients,
                                     std::move(worker));
  co_return co_await worker_->start();
}

}  // namespace

int run_agent(Options options) {
  if (options.debug) Log::set_level(LogLevel::kDebug);
  Process process;
  AgentRole role(process, std::move(options));
  return run(process, role);
}

}  // namespace mk::node
