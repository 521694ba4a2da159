#include "server_group.h"

#include <algorithm>

#include "cluster_secrets.h"
#include "mk/base/log.h"

namespace mk::node {

namespace {

constexpr Log kLog("node");
constexpr auto kPromoteAgain = std::chrono::milliseconds(500);

bool is_learner(const quorum::Member& member) {
  return member.role == quorum::Member::Role::kLearner;
}

}  // namespace

ServerGroup::ServerGroup(Process& process, const Options& options, const ServerFiles& files, std::string host)
    : process_(process),
      options_(options),
      files_(files),
      host_(std::move(host)),
      group_(process.loop.executor()) {}

quorum::Peer ServerGroup::self() const {
  return quorum::Peer{files_.server_id, host_ + ":" + std::to_string(options_.peer_port)};
}

Result<void> ServerGroup::listen() {
  if (links_) return ok();
  quorum::PeerIdentity identity;
  identity.id = files_.server_id;
  identity.cluster = files_.cluster_id;
  identity.address = self().address;
  identity.certificate = files_.peer;
  identity.ca_pem = files_.peer_ca.certificate_pem;
  auto links = quorum::listen_peers(process_.loop, *process_.clock, *process_.random, options_.bind_address,
                                    options_.peer_port, std::move(identity));
  if (!links.ok())
    return std::move(links).error().wrap("open --peer-port " + std::to_string(options_.peer_port));
  links_ = std::move(links).value();
  links_->set_received(received_);
  links_->set_peers(peers_);
  return ok();
}

bool ServerGroup::is_member() const {
  const auto members = store_->status().members;
  return std::any_of(members.begin(), members.end(),
                     [this](const auto& member) { return member.peer.id == files_.server_id; });
}

void ServerGroup::attach(quorum::ReplicatedStore& store) {
  store_ = &store;
  store.set_members_changed([this] {
    members_changed_.notify_all();
    if (changed_) changed_();
  });
  group_.spawn("promote servers that have caught up", promote_learners());
}

rt::Task<> ServerGroup::stop() {
  co_await group_.stop();
  if (links_) co_await links_->stop();
}

void ServerGroup::set_received(Received received) {
  received_ = std::move(received);
  if (links_) links_->set_received(received_);
}

void ServerGroup::set_peers(std::vector<quorum::Peer> peers) {
  peers_ = std::move(peers);
  const bool others = std::any_of(peers_.begin(), peers_.end(),
                                  [this](const auto& peer) { return peer.id != files_.server_id; });
  if (others && !links_) {
    const auto opened = listen();
    if (!opened.ok()) kLog.error("the other servers cannot be reached", "error", opened.error().message());
    return;
  }
  if (links_) links_->set_peers(peers_);
}

void ServerGroup::send(quorum::ServerId to, SharedBytes frame) {
  if (links_) links_->send(to, std::move(frame));
}

std::size_t ServerGroup::queued(quorum::ServerId to) const {
  return links_ ? links_->queued(to) : 0;
}

// Who asks will speak to us over the links, so they are open before it knows how.
Result<std::string> ServerGroup::secrets() {
  MK_TRY(listen());
  return share_secrets(files_, options_);
}

// The servers of a cluster have their APIs on the same port.
std::string ServerGroup::api_address(const quorum::Peer& peer) const {
  return peer.address.substr(0, peer.address.rfind(':')) + ":" + std::to_string(options_.https_listen_port);
}

std::vector<apiserver::ServerInfo> ServerGroup::list() const {
  std::vector<apiserver::ServerInfo> out;
  if (store_ == nullptr) return out;
  const auto status = store_->status();
  for (const auto& member : status.members) {
    apiserver::ServerInfo server;
    server.id = member.peer.id;
    server.peer_address = member.peer.address;
    server.api_address = api_address(member.peer);
    server.voter = !is_learner(member);
    server.leader = member.peer.id == status.leader;
    server.reachable = member.peer.id == files_.server_id || (links_ && links_->connected(member.peer.id));
    out.push_back(std::move(server));
  }
  return out;
}

rt::Task<Result<void>> ServerGroup::add(apiserver::ServerInfo server) {
  return store_->add(quorum::Peer{server.id, server.peer_address});
}

rt::Task<Result<void>> ServerGroup::remove(std::uint64_t id) {
  return store_->remove(id);
}

rt::Task<Result<void>> ServerGroup::lead(std::uint64_t id) {
  return store_->transfer_leadership(id);
}

// By whoever leads, so that it goes on after a change of leader.
rt::Task<> ServerGroup::promote_learners() {
  for (;;) {
    const auto status = store_->status();
    const auto learner = std::find_if(status.members.begin(), status.members.end(), is_learner);
    if (!status.leading || learner == status.members.end()) {
      co_await members_changed_.wait();
      continue;
    }
    const auto promoted = co_await store_->promote(learner->peer.id);
    if (promoted.ok()) kLog.info("a server has caught up and votes now", "id", learner->peer.id);
    if (!promoted.ok()) co_await process_.clock->sleep_for(kPromoteAgain);
  }
}

}  // namespace mk::node
