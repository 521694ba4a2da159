#include <cstdlib>

#include "mk/base/log.h"
#include "sim_cluster.h"

using namespace mk;
using namespace mk::quorum;
using namespace std::chrono_literals;

// Whole clusters under random faults, each run from a seed: MK_SEED=N runs that one, MK_SEEDS=N so many.

namespace {

struct Storm {
  explicit Storm(std::uint64_t seed) : cluster(seed) {
    auto& random = *cluster.random;
    cluster.options.cache_bytes = 2000 + random.below(60'000);  // small: servers fall behind what is kept
    cluster.found(1 + random.below(5));
  }

  SimServer& any() {
    auto at = cluster.servers.begin();
    std::advance(at, cluster.random->below(cluster.servers.size()));
    return at->second;
  }

  void propose_some() {
    for (auto& [id, server] : cluster.servers)
      for (std::uint64_t n = server.leading ? cluster.random->below(12) : 0; n > 0; --n) {
        const std::size_t size = cluster.random->below(10) == 0 ? cluster.random->below(20'000) : 20;
        cluster.propose(server, fmt::format("{}:", ++written) + std::string(size, 'x'));
      }
  }

  void strike() {
    auto& random = *cluster.random;
    SimServer& server = any();
    switch (random.below(14)) {
      case 0:
        cluster.kill(server);
        break;
      case 1:
        cluster.cut_power(server);
        break;
      case 2:
      case 3:
      case 4:
        if (!server.raft) cluster.start(server);
        break;
      case 5:
        cluster.network->cut(server.id, any().id);
        break;
      case 6:
        cluster.network->isolate(server.id);
        break;
      case 7:
        cluster.network->heal();
        break;
      case 8: {
        SimNetwork::Faults faults;
        faults.drop = random.below(3) == 0 ? 0.2 * random.unit() : 0;
        faults.longest = random.below(4) == 0 ? 80ms : 1ms;
        cluster.network->set_faults(faults);
        break;
      }
      case 9:
      case 10:
        prove(server);
        break;
      case 11:
        if (server.raft)
          cluster.tasks.spawn("transfer", transfer(server, random.below(2) == 0 ? 0 : any().id));
        break;
      default:
        change_members(server);
        break;
    }
  }

  // The state machine's file is synced: the log need not keep it.
  void prove(SimServer& server) {
    if (!server.raft || server.state.items.empty()) return;
    server.state.proven = server.state.items.size();
    server.raft->trim(server.state.index());
  }

  // Asked of any server. Those that were removed stay gone: their ids are not used again.
  void change_members(SimServer& server) {
    if (!server.raft) return;
    const ServerId next = cluster.servers.rbegin()->first + 1;
    const auto members = server.raft->status().members;
    const std::uint64_t choice = cluster.random->below(3);
    if (choice == 0 && next <= 8 && members.size() < 6) {
      cluster.add(next, {});
      cluster.tasks.spawn("add", add(server, next));
    } else if (choice == 1) {
      for (const Member& member : members)
        if (member.role == Member::Role::kLearner)
          cluster.tasks.spawn("promote", promote(server, member.peer.id));
    } else if (choice == 2 && members.size() > 2) {
      cluster.tasks.spawn("remove", remove(server, members[cluster.random->below(members.size())].peer.id));
    }
  }
  static rt::Task<> add(SimServer& server, ServerId id) {
    if (!server.raft) co_return;
    const Peer peer{id, fmt::format("10.0.0.{}:6444", id)};
    auto done = co_await server.raft->add(peer);
    if (done.ok()) ++changes;
  }
  static rt::Task<> promote(SimServer& server, ServerId id) {
    if (!server.raft) co_return;
    auto done = co_await server.raft->promote(id);
    if (done.ok()) ++changes;
  }
  static rt::Task<> remove(SimServer& server, ServerId id) {
    if (!server.raft) co_return;
    auto done = co_await server.raft->remove(id);
    if (done.ok()) ++changes;
  }

  static rt::Task<> transfer(SimServer& server, ServerId to) {
    if (server.raft) (void)(co_await server.raft->transfer(to)).ok();
  }

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      cluster.run(std::chrono::milliseconds(1 + cluster.random->below(40)));
      propose_some();
      for (auto& [id, server] : cluster.servers) {
        if (server.raft && cluster.random->below(4) == 0) cluster.read(server);
      }
      if (cluster.random->below(6) == 0) strike();
    }
  }

  SimCluster cluster;
  std::uint64_t written = 0;
  static inline std::uint64_t changes = 0;  // of the servers, done
};

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_CASE("no storm makes servers disagree, forget what they acknowledged or answer stale reads") {
  mk::Log::set_level(std::getenv("MK_SEED") == nullptr ? LogLevel::kError : LogLevel::kInfo);
  const std::uint64_t first = number_from("MK_SEED", 1);
  const std::uint64_t count = number_from("MK_SEEDS", std::getenv("MK_SEED") == nullptr ? 100 : 1);
  std::uint64_t acknowledged = 0, reads = 0, installed = 0, terms = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    INFO("MK_SEED=" << seed);
    Storm storm(seed);
    storm.run(200);
    if (!storm.cluster.converges()) FAIL("no convergence:" << storm.cluster.describe());
    storm.cluster.check();
    if (!storm.cluster.violations.empty()) break;
    acknowledged += storm.cluster.acknowledged.size();
    reads += storm.cluster.reads;
    installed += storm.cluster.snapshots_installed;
    terms += storm.cluster.leaders.size();
  }
  mk::Log::set_level(LogLevel::kInfo);
  WARN(fmt::format("{} seeds: {} acknowledged, {} reads, {} snapshots, {} leaders", count, acknowledged,
                   reads, installed, terms));
  if (count >= 100) {
    CHECK(acknowledged > 1000);
    CHECK(reads > 1000);
    CHECK(installed > 10);
    CHECK(Storm::changes > 10);
  }
}
