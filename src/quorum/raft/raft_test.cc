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
  cluster.check();
  for (auto& [id, server] : cluster.servers) {
    cluster.read(server);
    CHECK(cluster.outcome(server.raft->read_index()).value() == server.state.index());
  }
}

TEST_CASE("what is proposed in one turn is one write and one message to each follower") {
  SimCluster cluster(21);
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  cluster.run(1s);
  const std::uint64_t syncs = leader.disk->sync_count(), frames = cluster.network->frames_sent();
  for (int i = 0; i < 256; ++i) REQUIRE(cluster.propose(leader, "small"));
  REQUIRE(cluster.run_until(20ms, [&] { return leader.proposed.empty(); }));
  CHECK(leader.disk->sync_count() - syncs <= 2);
  CHECK(cluster.network->frames_sent() - frames <= 12);
}

TEST_CASE("reads of one moment share one question, from the leader and from followers") {
  SimCluster cluster(22);
  cluster.found(3);
  cluster.write("before");
  cluster.run(1s);
  for (auto& [id, server] : cluster.servers) {
    const std::uint64_t frames = cluster.network->frames_sent(), reads = cluster.reads;
    for (int i = 0; i < 500; ++i) cluster.read(server);
    REQUIRE(cluster.run_until(20ms, [&] { return cluster.reads == reads + 500; }));
    CHECK(cluster.network->frames_sent() - frames < 20);
  }
  cluster.check();
}

TEST_CASE("without a quorum nothing is acknowledged and reads are refused in time") {
  SimCluster cluster(23);
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  for (auto& [id, server] : cluster.servers)
    if (id != leader.id) cluster.kill(server);
  const std::size_t acknowledged = cluster.acknowledged.size();
  REQUIRE(cluster.propose(leader, "alone"));
  const rt::MonoTime begun = cluster.clock.mono();
  CHECK(cluster.outcome(leader.raft->read_index()).error().is(Reason::kServiceUnavailable));
  CHECK(cluster.clock.mono() - begun <= 600ms);
  cluster.run(2s);
  CHECK_FALSE(leader.leading);
  CHECK(cluster.acknowledged.size() == acknowledged);
  CHECK_FALSE(leader.raft->propose(SharedBytes(std::string("refused"))).ok());
  CHECK(cluster.converges());
  cluster.check();
}

TEST_CASE("a server that was cut off comes back without unseating the leader") {
  SimCluster cluster(24);
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  SimServer& away = cluster.servers[leader.id == 1 ? 2 : 1];
  cluster.network->isolate(away.id);
  cluster.run(20s);
  const Term term = leader.raft->status().term;
  CHECK(away.raft->status().term == term);  // pre-votes raise no term
  cluster.network->heal();
  cluster.run(5s);
  CHECK(leader.leading);
  CHECK(leader.raft->status().term == term);
}

TEST_CASE("a deposed leader that does not know it yet serves no stale read") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimCluster cluster(seed);
    cluster.found(3);
    cluster.write("before");
    SimServer& old = cluster.await_leader();
    cluster.network->isolate(old.id);
    for (int i = 0; i < 40; ++i) {
      cluster.run(50ms);
      cluster.read(old);
      SimServer* leader = cluster.leader();
      if (leader != nullptr && leader->id != old.id) cluster.propose(*leader, "newer");
    }
    cluster.network->heal();
    cluster.read(old);
    CHECK(cluster.converges());
    cluster.check();
  }
}

TEST_CASE("a full disk refuses proposals, and the server goes on when there is room") {
  SimCluster cluster(25);
  cluster.found(3);
  cluster.log_reserve = 1 << 20;
  for (auto& [id, server] : cluster.servers) {
    cluster.kill(server);
    cluster.start(server);
  }
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  SimServer& full = cluster.servers[leader.id == 1 ? 2 : 1];
  store::SimDisk::Faults faults;
  faults.capacity = 1 << 20;
  full.disk->set_faults(faults);
  for (int i = 0; i < 100; ++i) cluster.write(std::string(1000, 'x'));  // the other two are a quorum
  CHECK_FALSE(full.failed);
  leader.disk->set_faults(faults);
  bool refused = false;
  for (int i = 0; i < 2000 && !refused; ++i) {
    refused = !leader.raft->propose(SharedBytes(std::string(1000, 'x'))).ok();
    cluster.run(2ms);
  }
  CHECK(refused);
  CHECK_FALSE(leader.failed);
  full.disk->set_faults({});
  leader.disk->set_faults({});
  CHECK(cluster.converges());
  cluster.check();
}

TEST_CASE("a server that takes no frames costs the leader no more than a bound") {
  SimCluster cluster(26);
  cluster.options.peer_queue_bytes = 200'000;
  cluster.options.cache_bytes = 100'000;
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  SimServer& slow = cluster.servers[leader.id == 1 ? 2 : 1];
  std::size_t most = 0;
  SimNetwork::Faults faults;
  faults.bytes_per_second = 300'000;
  cluster.network->set_faults(faults);
  for (int i = 0; i < 200; ++i) {
    cluster.propose(leader, std::string(10'000, 'x'));
    cluster.run(10ms);
    most = std::max(most, leader.links->queued(slow.id));
  }
  CHECK(most < 1'500'000);
  CHECK(cluster.converges(120s));
  cluster.check();
}

TEST_CASE("frames of the front go to the front") {
  SimCluster cluster(27);
  cluster.found(2);
  const std::string frame = std::string(1, static_cast<char>(Channel::kFront)) + "hello";
  cluster.servers[1].raft->send_front(2, SharedBytes(frame));
  REQUIRE(cluster.run_until(1s, [&] { return !cluster.servers[2].front_frames.empty(); }));
  CHECK(cluster.servers[2].front_frames.front() == frame);
}
