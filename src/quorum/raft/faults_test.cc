#include "members.h"
#include "messages.h"
#include "sim_cluster.h"

using namespace mk;
using namespace mk::quorum;
using namespace std::chrono_literals;

// Faults of libraft 0.22.1 that the driver keeps from happening, and other traps, each by name.

namespace {

std::string ids(const std::vector<Member>& members) {
  std::string out;
  for (const Member& member : members) out += std::to_string(member.peer.id) + " ";
  return out;
}

SimServer& follower_of(SimCluster& cluster, SimServer& leader) {
  for (auto& [id, server] : cluster.servers)
    if (id != leader.id) return server;
  FAIL("no follower");
  return leader;
}

}  // namespace

TEST_CASE("D1: a membership that came in the middle of a message is committed: the next one can follow") {
  SimCluster cluster(11);
  cluster.options.cache_bytes = 4000;
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  SimServer& away = follower_of(cluster, leader);
  cluster.network->isolate(away.id);
  cluster.run(10ms);
  for (int i = 0; i < 5; ++i) cluster.write("missed");
  cluster.add(4, {});
  REQUIRE(cluster.outcome(leader.raft->add(Peer{4, "10.0.0.4:6444"})).ok());
  for (int i = 0; i < 5; ++i) cluster.write("missed too");
  cluster.network->heal();
  REQUIRE(cluster.run_until(10s, [&] { return away.state.index() >= leader.state.index(); }));
  CHECK(cluster.snapshots_made == 0);  // it came as entries
  // As a leader it would refuse every change, waiting for that one.
  REQUIRE(cluster.outcome(leader.raft->transfer(away.id)).ok());
  REQUIRE(cluster.run_until(5s, [&] { return away.leading; }));
  auto changed = cluster.outcome(away.raft->add(Peer{5, "10.0.0.5:6444"}));
  if (!changed.ok()) FAIL(changed.error().message());
  // Its log forgets the entry; what it believes is what it took for committed.
  for (int i = 0; i < 40; ++i) cluster.write(std::string(400, 'x'));
  away.state.proven = away.state.items.size();
  away.raft->trim(away.state.index());
  cluster.run(100ms);
  cluster.kill(away);
  cluster.start(away);
  cluster.run(50ms);
  CHECK(ids(away.raft->status().members) == "1 2 3 4 5 ");
  CHECK(cluster.converges());
  cluster.check();
}

TEST_CASE("D3: a follower whose disk lost what it had stored is brought up to date by a new leadership") {
  for (const std::size_t voters : {2, 3}) {
    SimCluster cluster(12);
    cluster.found(voters);
    for (int i = 0; i < 5; ++i) cluster.write("kept");
    SimServer& leader = cluster.await_leader();
    SimServer& liar = follower_of(cluster, leader);
    liar.disk->set_lying_sync(true);
    for (int i = 0; i < 20; ++i) cluster.write("lost there");
    cluster.run(1s);
    const Term term = leader.raft->status().term;
    liar.state.proven = 0;
    liar.disk->set_lying_sync(false);
    cluster.stop(liar);
    // As if the lie had come out: an empty log beside an empty state, under the same name.
    liar.disk = store::SimDisk::make(*cluster.random);
    liar.state = {};
    cluster.start(liar);
    INFO(voters << " voters");
    CHECK(cluster.run_until(
        20s, [&] { return liar.state.index() >= 25 && liar.state.index() >= leader.state.index(); }));
    CHECK(cluster.await_leader().raft->status().term > term);
    CHECK(cluster.converges());
    cluster.check();
  }
}

TEST_CASE(
    "D5: a lone voter enters a new term at every start, so that a learner never holds another's entry") {
  SimCluster cluster(13);
  cluster.found(1);
  cluster.write("first");
  SimServer& voter = cluster.servers[1];
  SimServer& learner = cluster.add(2, {});
  REQUIRE(cluster.outcome(voter.raft->add(Peer{2, "10.0.0.2:6444"})).ok());
  cluster.write("both have it");
  cluster.run(1s);
  const Term term = voter.raft->status().term;
  // The learner stores an entry that the voter loses.
  REQUIRE(cluster.propose(voter, "only the learner has it"));
  const auto sent = [&] { return cluster.network->frames_sent(); };
  const std::uint64_t frames = sent();
  REQUIRE(cluster.run_until(10ms, [&] { return sent() > frames; }));
  cluster.cut_power(voter);
  cluster.run(100ms);
  cluster.start(voter);
  cluster.await_leader();
  CHECK(voter.raft->status().term > term);
  REQUIRE(cluster.propose(voter, "in its place"));
  CHECK(cluster.converges());
  CHECK(learner.state.index() == voter.state.index());
  cluster.check();
}

TEST_CASE("D6: a follower whose answers were lost, and that forgot what it had told, goes on") {
  SimCluster cluster(14);
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  SimServer& mute = follower_of(cluster, leader);
  cluster.kill(mute);
  cluster.options.cache_bytes = 8000;  // of this one: the leader keeps all it needs
  cluster.start(mute);
  cluster.run(2s);
  cluster.network->cut(mute.id, leader.id);
  // Less than an election timeout: it gets all of it, and keeps only the end.
  for (int i = 0; i < 60; ++i) {
    cluster.propose(leader, std::string(400, 'x'));
    cluster.run(5ms);
  }
  const Term term = leader.raft->status().term;
  cluster.network->heal();
  REQUIRE(cluster.run_until(10s, [&] { return mute.state.index() == leader.state.index(); }));
  cluster.write("after");
  CHECK(cluster.run_until(10s, [&] { return mute.state.index() == leader.state.index(); }));
  CHECK(leader.raft->status().term == term);
  CHECK(cluster.converges());
  cluster.check();
}

TEST_CASE("T6: a state that is ahead of its log, or beside its tail, is where the server starts") {
  SimCluster cluster(15);
  cluster.found(3);
  for (int i = 0; i < 10; ++i) cluster.write("entry");
  REQUIRE(cluster.converges());
  SimServer& server = follower_of(cluster, cluster.await_leader());
  // Ahead: the log lost all, the state nothing.
  cluster.stop(server);
  LogOptions options;
  options.dir = "/log";
  options.cluster = "sim";
  options.segment_size = 64 << 10;
  options.reserve = 0;
  {
    LogContent content;
    auto log = open_log(*server.disk, options, content).value();
    REQUIRE(log->truncate_after(2).ok());
    REQUIRE(log->sync().ok());
  }
  cluster.start(server);
  cluster.write("after");
  CHECK(cluster.run_until(10s, [&] { return server.state.index() == cluster.leader()->state.index(); }));
  // Beside: the log has another term's entries where the state is.
  cluster.run(1s);
  cluster.stop(server);
  {
    LogContent content;
    auto log = open_log(*server.disk, options, content).value();
    const Index last = content.base_index + content.entries.size();
    REQUIRE(server.state.index() == last);
    REQUIRE(log->truncate_after(last - 1).ok());
    LogEntry stale;
    stale.index = last;
    stale.term = 1;
    stale.data = SharedBytes(std::string("never committed"));
    REQUIRE(log->append({stale}).ok());
    REQUIRE(log->sync().ok());
  }
  cluster.start(server);
  cluster.write("after that");
  CHECK(cluster.converges());
  cluster.check();
}

TEST_CASE("T10: a state sent over a slow link is sent once and holds up no heartbeat") {
  SimCluster cluster(16);
  cluster.options.cache_bytes = 8000;
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  SimServer& away = follower_of(cluster, leader);
  cluster.kill(away);
  cluster.run(1s);
  for (int i = 0; i < 300; ++i) {
    cluster.propose(leader, std::string(20'000, 'x'));
    cluster.run(2ms);
  }
  cluster.write("mark");
  const Term term = leader.raft->status().term;
  SimNetwork::Faults slow;
  slow.bytes_per_second = 2'000'000;  // 6 MB take 3 s
  cluster.network->set_faults(slow);
  cluster.start(away);
  CHECK(cluster.run_until(20s, [&] { return away.state.index() >= leader.state.index(); }));
  CHECK(cluster.snapshots_made == 1);
  CHECK(cluster.snapshots_installed == 1);
  CHECK(leader.raft->status().term == term);
  CHECK(cluster.converges());
  cluster.check();
}

TEST_CASE("a state whose transfer is cut goes on where it was, and everything arrives") {
  SimCluster cluster(17);
  cluster.options.cache_bytes = 8000;
  cluster.found(3);
  cluster.write("before");
  SimServer& leader = cluster.await_leader();
  SimServer& away = follower_of(cluster, leader);
  cluster.kill(away);
  cluster.run(1s);
  for (int i = 0; i < 100; ++i) {
    cluster.propose(leader, std::string(20'000, 'x'));
    cluster.run(2ms);
  }
  cluster.write("mark");
  std::uint64_t bytes = 0;  // of chunks
  cluster.network->set_filter([&bytes](ServerId, ServerId, SharedBytes frame) {
    if (static_cast<Channel>(frame.view().front()) == Channel::kSnapshot) bytes += frame.size();
    return true;
  });
  SimNetwork::Faults slow;
  slow.bytes_per_second = 2'000'000;
  cluster.network->set_faults(slow);
  cluster.start(away);
  REQUIRE(cluster.run_until(20s, [&] { return bytes > 1'000'000; }));
  cluster.network->isolate(away.id);
  cluster.run(2s);
  cluster.network->heal();
  CHECK(cluster.run_until(20s, [&] { return away.state.index() >= leader.state.index(); }));
  CHECK(bytes < 3'000'000);  // of two million
  CHECK(cluster.snapshots_made == 1);
  CHECK(cluster.converges());
  cluster.check();
}

TEST_CASE("the checkers see disks that lie") {
  std::size_t seen = 0;
  for (std::uint64_t seed = 1; seed <= 10 && seen == 0; ++seed) {
    SimCluster cluster(seed);
    cluster.expect_failures = true;
    cluster.found(3);
    cluster.await_leader();
    for (auto& [id, server] : cluster.servers) server.disk->set_lying_sync(true);
    for (int i = 0; i < 30; ++i) cluster.write("acknowledged");
    for (auto& [id, server] : cluster.servers) {
      server.disk->set_lying_sync(false);
      server.state.proven = 0;
      cluster.cut_power(server);
      server.state.items.clear();
      cluster.forget_members_after(server.state);
    }
    (void)cluster.converges(5s);
    cluster.compare();
    seen += cluster.violations.size();
  }
  CHECK(seen > 0);
}
