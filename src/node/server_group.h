#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mk/apiserver/servers.h"
#include "mk/node/options.h"
#include "mk/quorum/peer_links.h"
#include "mk/quorum/replicated_store.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "process.h"
#include "server_files.h"

namespace mk::node {

// This server among the others: its links, which open when there is somebody to speak to, and what its API
// says of the servers and does with them.
class ServerGroup : public apiserver::Servers, public quorum::Links {
 public:
  ServerGroup(Process& process, const Options& options, const ServerFiles& files, std::string host);

  quorum::Peer self() const;
  Result<void> listen();
  // From here on the store answers for the members; before, only the links work.
  void attach(quorum::ReplicatedStore& store);
  rt::Task<> stop();

  // quorum::Links
  void set_received(Received received) override;
  void set_peers(std::vector<quorum::Peer> peers) override;
  void send(quorum::ServerId to, SharedBytes frame) override;
  std::size_t queued(quorum::ServerId to) const override;

  // apiserver::Servers
  Result<std::string> secrets() override;
  std::vector<apiserver::ServerInfo> list() const override;
  void set_changed(std::function<void()> changed) override { changed_ = std::move(changed); }
  bool is_member() const;
  // To be called when the leadership comes or goes.
  void leading_changed() { members_changed_.notify_all(); }
  rt::Task<Result<void>> add(apiserver::ServerInfo server) override;
  rt::Task<Result<void>> remove(std::uint64_t id) override;
  rt::Task<Result<void>> lead(std::uint64_t id) override;

 private:
  rt::Task<> promote_learners();
  std::string api_address(const quorum::Peer& peer) const;

  Process& process_;
  const Options& options_;
  const ServerFiles& files_;
  const std::string host_;  // how others reach this server
  Received received_;
  std::vector<quorum::Peer> peers_;
  std::unique_ptr<quorum::PeerLinks> links_;
  quorum::ReplicatedStore* store_ = nullptr;
  std::function<void()> changed_;
  rt::Event members_changed_;
  rt::Group group_;
};

}  // namespace mk::node
