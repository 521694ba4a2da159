#include "members.h"

#include "sim_cluster.h"

using namespace mk;
using namespace mk::quorum;
using namespace std::chrono_literals;

namespace {

std::string ids(const std::vector<Member>& members) {
  std::string out;
  for (const Member& member : members)
    out += std::to_string(member.peer.id) + (member.role == Member::Role::kVoter ? " " : "? ");
  return out;
}

void grow(SimCluster& cluster, SimServer& asked, ServerId id) {
  cluster.add(id, {});
  auto added = cluster.outcome(asked.raft->add(Peer{id, fmt::format("10.0.0.{}:6444", id)}));
  if (!added.ok()) FAIL(added.error().message());
  auto promoted = cluster.outcome(asked.raft->promote(id));
  if (!promoted.ok()) FAIL(promoted.error().message());
}

}  // namespace

TEST_CASE("one server becomes three, asked of any of them, and one again") {
  SimCluster cluster(3);
  cluster.found(1);
  cluster.write("alone");
  grow(cluster, cluster.servers[1], 2);
  grow(cluster, cluster.servers[2], 3);  // a follower asks the leader
  cluster.write("three");
  CHECK(ids(cluster.await_leader().raft->status().members) == "1 2 3 ");
  cluster.kill(cluster.servers[1]);
  cluster.write("two of three");
  SimServer& leader = cluster.await_leader();
  CHECK(leader.id != 1);
  REQUIRE(cluster.outcome(leader.raft->remove(1)).ok());
  const ServerId other = leader.id == 2 ? 3 : 2;
  REQUIRE(cluster.outcome(leader.raft->remove(other)).ok());
  cluster.write("alone again");
  CHECK(ids(leader.raft->status().members) == std::to_string(leader.id) + " ");
  CHECK(cluster.outcome(leader.raft->remove(leader.id)).error().is(Reason::kForbidden));
  cluster.check();
}

TEST_CASE("a leader that removes itself hands over first") {
  SimCluster cluster(4);
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  const ServerId id = leader.id;
  auto removed = cluster.outcome(leader.raft->remove(id));
  if (!removed.ok()) FAIL(removed.error().message());
  cluster.write("after");
  CHECK(cluster.await_leader().id != id);
  CHECK(cluster.await_leader().raft->status().members.size() == 2);
  CHECK(cluster.converges());
  cluster.check();
}

TEST_CASE("a server that was removed while it was away is told, and disturbs nobody") {
  SimCluster cluster(5);
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  SimServer& away = cluster.servers[leader.id == 3 ? 2 : 3];
  cluster.kill(away);
  REQUIRE(cluster.outcome(leader.raft->remove(away.id)).ok());
  const Term term = leader.raft->status().term;
  cluster.start(away);
  CHECK(cluster.run_until(10s, [&] { return away.removed; }));
  cluster.run(10s);
  CHECK(leader.raft->status().term == term);
  CHECK(leader.leading);
  cluster.write("after");
  CHECK(cluster.converges());
  cluster.check();
}

TEST_CASE("a learner that is away is not promoted, and a change is one at a time") {
  SimCluster cluster(6);
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  cluster.add(4, {});
  REQUIRE(cluster.outcome(leader.raft->add(Peer{4, "10.0.0.4:6444"})).ok());
  REQUIRE(cluster.outcome(leader.raft->add(Peer{4, "10.0.0.4:6444"})).ok());  // is there
  cluster.kill(cluster.servers[4]);
  cluster.write("missed");
  auto promoted = std::make_shared<std::optional<bool>>();
  cluster.tasks.spawn("promote", [](SimServer& asked, auto out) -> rt::Task<> {
    out->emplace((co_await asked.raft->promote(4)).ok());
  }(leader, promoted));
  cluster.run(100ms);
  CHECK(cluster.outcome(leader.raft->remove(4)).error().is(Reason::kConflict));
  REQUIRE(cluster.run_until(60s, [&] { return promoted->has_value(); }));
  CHECK_FALSE(**promoted);
  CHECK(leader.raft->status().members.size() == 4);
  CHECK(count_voters(leader.raft->status().members) == 3);
  REQUIRE(cluster.outcome(leader.raft->remove(4)).ok());
}

TEST_CASE("leadership is transferred at once and loses nothing") {
  SimCluster cluster(7);
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  const ServerId to = leader.id == 1 ? 2 : 1;
  for (int i = 0; i < 20; ++i) cluster.propose(leader, "on its way");
  const rt::MonoTime begun = cluster.clock.mono();
  REQUIRE(cluster.outcome(leader.raft->transfer(to)).ok());
  REQUIRE(cluster.run_until(1s, [&] { return cluster.servers[to].leading; }));
  CHECK(cluster.clock.mono() - begun < 300ms);
  CHECK(cluster.outcome(cluster.servers[to].raft->transfer(99)).error().is(Reason::kNotFound));
  CHECK(cluster.converges());
  cluster.check();
}

TEST_CASE("a server that moved is known by its new address everywhere") {
  SimCluster cluster(8);
  cluster.found(3);
  cluster.write("before");
  REQUIRE(cluster.outcome(cluster.servers[1].raft->add(Peer{2, "10.9.9.9:6444"})).ok());
  CHECK(cluster.converges());
  for (auto& [id, server] : cluster.servers) {
    CHECK(find_member(server.state.members, 2)->peer.address == "10.9.9.9:6444");
    CHECK(is_voter(server.state.members, 2));
  }
}
