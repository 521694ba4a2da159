#include "raft.h"

#include "mk/base/log.h"
#include "sim_cluster.h"

using namespace mk;
using namespace mk::quorum;
using namespace std::chrono_literals;

TEST_CASE("a lone server leads and commits without waiting for a tick") {
  SimCluster cluster(1);
  cluster.found(1);
  REQUIRE(cluster.run_until(20ms, [&] { return cluster.leader() != nullptr; }));
  SimServer& server = cluster.servers[1];
  REQUIRE(cluster.propose(server, "first"));
  // The log's sync, and nothing else.
  REQUIRE(cluster.run_until(2ms, [&] { return cluster.acknowledged.size() == 1; }));
  CHECK(cluster.outcome(server.raft->read_index()).value() == server.state.index());
}

TEST_CASE("three servers elect a leader, commit and agree") {
  SimCluster cluster(2);
  cluster.found(3);
  cluster.await_leader();
  for (int i = 0; i < 50; ++i) cluster.write(fmt::format("entry {}", i));
  CHECK(cluster.converges());
  cluster.check_converged();
  for (auto& [id, server] : cluster.servers) {
    cluster.read(server);
    CHECK(cluster.outcome(server.raft->read_index()).value() == server.state.index());
  }
}
