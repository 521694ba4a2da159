#pragma once

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "members.h"
#include "mk/quorum/sim_network.h"
#include "mk/rt/group.h"
#include "mk/store/sim_disk.h"
#include "raft.h"
#include "wire.h"

// For tests: one to five drivers with simulated clock, network and disks, and what must hold whatever happens
// to them. The state machine is a list of what was committed; its checkers know nothing of the driver.
namespace mk::quorum {

struct SimCluster;

// What a server's state machine has, and had when it was last safe from a power cut.
struct SimState {
  struct Item {
    Index index;
    Term term;
    std::string data;
  };
  std::vector<Item> items;
  std::vector<Member> members;
  Index members_index = 0;
  std::size_t proven = 0;  // items that survive everything

  Index index() const { return items.empty() ? 0 : items.back().index; }
  Term term() const { return items.empty() ? 0 : items.back().term; }
};

inline std::string encode_state(const SimState& state) {
  std::string out;
  put_number(out, state.members_index);
  put_bytes(out, encode_members(state.members).view());
  put_number(out, state.items.size());
  for (const auto& item : state.items) {
    put_number(out, item.index);
    put_number(out, item.term);
    put_bytes(out, item.data);
  }
  return out;
}

inline SimState decode_state(std::string_view bytes) {
  WireReader in(bytes);
  SimState state;
  state.members_index = in.number();
  state.members = decode_members(in.bytes()).value();
  const std::uint64_t count = in.number();
  for (std::uint64_t i = 0; i < count; ++i) {
    const Index index = in.number();
    const Term term = in.number();
    state.items.push_back({index, term, std::string(in.bytes())});
  }
  REQUIRE(in.finished());
  return state;
}

// One server; its parts are there while it runs, its disk and state outlive it.
struct SimServer {
  ServerId id = 0;
  std::unique_ptr<store::SimDisk> disk;
  SimState state;
  std::vector<Member> founders;

  std::unique_ptr<store::Disk> mount;
  std::unique_ptr<Links> links;
  std::unique_ptr<Raft> raft;
  std::uint64_t life = 0;
  bool failed = false, removed = false, leading = false;
  std::map<Index, Term> proposed;  // in this life, not yet known what became of it
  std::vector<std::string> front_frames;
};

struct SimCluster {
  explicit SimCluster(std::uint64_t seed) : random(rt::make_random(seed)), tasks(loop.executor()) {
    network = SimNetwork::make(clock, *random);
  }
  ~SimCluster() {
    for (auto& [id, server] : servers) stop(server);
    loop.poll();
  }

  SimServer& add(ServerId id, std::vector<Member> founders) {
    SimServer& server = servers[id];
    server.id = id;
    server.disk = store::SimDisk::make(*random);
    server.founders = std::move(founders);
    start(server);
    return server;
  }

  void found(std::size_t count) {
    std::vector<Member> founders;
    for (ServerId id = 1; id <= count; ++id) {
      Member member;
      member.peer = Peer{id, fmt::format("10.0.0.{}:6444", id)};
      founders.push_back(std::move(member));
    }
    for (ServerId id = 1; id <= count; ++id) add(id, founders);
  }

  void start(SimServer& server);

  void stop(SimServer& server) {
    server.raft.reset();
    server.links.reset();
    server.mount.reset();
    server.leading = false;
    server.proposed.clear();
    ++server.life;
  }

  void kill(SimServer& server) {
    if (!server.raft) return;
    stop(server);
    server.disk->kill();
  }

  // What the state machine had not proven is lost by chance; so is what the disk had not synced.
  void cut_power(SimServer& server) {
    if (!server.raft) return;
    stop(server);
    server.disk->cut_power();
    auto& items = server.state.items;
    const std::size_t kept = server.state.proven + random->below(items.size() - server.state.proven + 1);
    items.resize(kept);
    forget_members_after(server.state);
  }

  void forget_members_after(SimState& state) {
    state.members.clear();
    state.members_index = 0;
    for (const auto& [index, members] : memberships)
      if (index <= state.index()) {
        state.members = members;
        state.members_index = index;
      }
  }

  SimServer* leader() {
    SimServer* found = nullptr;
    for (auto& [id, server] : servers)
      if (server.raft && server.leading &&
          (found == nullptr || server.raft->status().term > found->raft->status().term))
        found = &server;
    return found;
  }

  // Proposes on `server`; what comes of it is watched.
  bool propose(SimServer& server, std::string data) {
    auto position = server.raft->propose(SharedBytes(std::move(data)));
    if (!position.ok()) return false;
    server.proposed[position->index] = position->term;
    ++proposals;
    return true;
  }

  // Asks for a read point, which must be as new as all that is acknowledged now.
  void read(SimServer& server) { tasks.spawn("read", read_and_check(server.id)); }

  rt::Task<> read_and_check(ServerId id) {
    if (!servers[id].raft) co_return;
    const Index least = acknowledged.empty() ? 0 : acknowledged.rbegin()->first;
    auto index = co_await servers[id].raft->read_index();
    if (!index.ok()) co_return;
    ++reads;
    if (*index < least)
      violate(fmt::format("stale read on {}: {} while {} was acknowledged", id, *index, least));
  }

  void on_committed(SimServer& server, std::vector<LogEntry> entries) {
    for (const LogEntry& entry : entries) {
      const std::string data(entry.data.view());
      const auto [at, first] = history.emplace(entry.index, std::make_pair(entry.term, data));
      if (at->second.first != entry.term || at->second.second != data)
        violate(fmt::format("server {} has another entry {} (term {}, others {})", server.id, entry.index,
                            entry.term, at->second.first));
      if (entry.index <= server.state.index())
        violate(fmt::format("server {} got entry {} after {}", server.id, entry.index, server.state.index()));
      server.state.items.push_back({entry.index, entry.term, data});
      if (entry.kind == LogEntry::Kind::kMembership) {
        server.state.members = *decode_members(data);
        server.state.members_index = entry.index;
        memberships[entry.index] = server.state.members;
      }
      const auto mine = server.proposed.find(entry.index);
      if (mine == server.proposed.end()) continue;
      if (mine->second == entry.term) acknowledged[entry.index] = data;
      server.proposed.erase(mine);
    }
  }

  void on_role(SimServer& server, bool leading) {
    server.leading = leading;
    if (!leading) return;
    const Status status = server.raft->status();
    const auto [at, first] = leaders.emplace(status.term, server.id);
    if (at->second != server.id) violate(fmt::format("two leaders in term {}", status.term));
    const Index least = acknowledged.empty() ? 0 : acknowledged.rbegin()->first;
    if (server.state.index() < least)
      violate(fmt::format("leader {} of term {} lacks acknowledged entry {}", server.id, status.term, least));
  }

  // All that run agree, and hold all that was acknowledged.
  void check() {
    compare();
    for (const std::string& violation : violations) UNSCOPED_INFO(violation);
    CHECK(violations.empty());
  }

  void compare() {
    std::optional<std::size_t> size;
    for (auto& [id, server] : servers) {
      if (!server.raft || server.removed || !is_member(id)) continue;
      if (!size) size = server.state.items.size();
      if (server.state.items.size() != *size) violate(fmt::format("server {} has not all entries", id));
      std::map<Index, const std::string*> has;
      for (const auto& item : server.state.items) {
        if (history.at(item.index).second != item.data)
          violate(fmt::format("server {} differs at {}", id, item.index));
        has[item.index] = &item.data;
      }
      for (const auto& [index, data] : acknowledged)
        if (has.count(index) == 0 || *has[index] != data)
          violate(fmt::format("acknowledged entry {} is lost", index));
    }
  }

  bool is_member(ServerId id) {
    return memberships.empty() || find_member(memberships.rbegin()->second, id) != nullptr;
  }

  // Everybody runs, a leader leads, a new entry is everywhere.
  bool converges(rt::Duration limit = std::chrono::seconds(30)) {
    network->heal();
    network->set_faults({});
    for (auto& [id, server] : servers)
      if (!server.raft) start(server);
    Index mark = 0;
    const auto settled = [this, &mark] {
      SimServer* first = leader();
      if (first == nullptr) return false;
      if (mark == 0 || (first->proposed.count(mark) == 0 && acknowledged.count(mark) == 0)) {
        auto position = first->raft->propose(SharedBytes(std::string("mark")));
        if (!position.ok()) return false;
        mark = position->index;
        first->proposed[mark] = position->term;
        return false;
      }
      if (acknowledged.count(mark) == 0) return false;
      for (auto& [id, server] : servers)
        if (is_member(id) && server.state.index() != first->state.index()) return false;
      return true;
    };
    return clock.run_until(loop, limit, settled);
  }

  void violate(std::string what) {
    if (violations.size() < 20) violations.push_back(std::move(what));
  }

  std::string describe() {
    std::string out;
    for (auto& [id, server] : servers) {
      out += fmt::format("\n{}: state {}", id, server.state.index());
      if (!server.raft) continue;
      const Status status = server.raft->status();
      out += fmt::format(" term {} leader {} applied {} committed {} leading {} members {} proposed {}",
                         status.term, status.leader, status.applied, status.committed, status.leading,
                         status.members.size(), server.proposed.size());
    }
    return out;
  }

  void run(rt::Duration time) { clock.run(loop, time); }
  bool run_until(rt::Duration limit, const std::function<bool()>& condition) {
    return clock.run_until(loop, limit, condition);
  }
  SimServer& await_leader() {
    REQUIRE(run_until(std::chrono::seconds(30), [this] { return leader() != nullptr; }));
    return *leader();
  }
  // Proposes and waits until it is everywhere.
  void write(std::string data) {
    const std::size_t before = acknowledged.size();
    REQUIRE(propose(await_leader(), std::move(data)));
    REQUIRE(run_until(std::chrono::seconds(30), [this, before] { return acknowledged.size() > before; }));
  }
  // The outcome of a task that ends by itself.
  template <class T>
  T outcome(rt::Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    tasks.spawn("outcome", keep(std::move(task), result));
    REQUIRE(run_until(std::chrono::seconds(120), [result] { return result->has_value(); }));
    return std::move(**result);
  }

  rt::Loop loop;
  rt::SimClock clock;
  std::unique_ptr<rt::Random> random;
  std::unique_ptr<SimNetwork> network;
  rt::Group tasks;
  Timing timing;
  RaftOptions options;  // id and directory are each server's own
  std::map<ServerId, SimServer> servers;

  std::map<Index, std::pair<Term, std::string>> history;  // what anyone was ever given
  std::map<Index, std::vector<Member>> memberships;       // committed
  std::map<Index, std::string> acknowledged;
  std::map<Term, ServerId> leaders;
  std::vector<std::string> violations;
  bool expect_failures = false;
  std::uint64_t log_reserve = 0;
  std::uint64_t proposals = 0, reads = 0, snapshots_made = 0, snapshots_installed = 0;

 private:
  template <class T>
  static rt::Task<> keep(rt::Task<T> task, std::shared_ptr<std::optional<T>> out) {
    out->emplace(co_await std::move(task));
  }
  Raft::Handlers handlers_of(SimServer& server);
  rt::Task<Result<store::SnapshotFile>> make_snapshot(ServerId id, std::uint64_t life);
  rt::Task<Result<store::Applied>> install_snapshot(ServerId id, std::uint64_t life, std::string path);
};

inline rt::Task<Result<store::SnapshotFile>> SimCluster::make_snapshot(ServerId id, std::uint64_t life) {
  SimServer& server = servers[id];
  const std::string bytes = encode_state(server.state);
  store::SnapshotFile out;
  out.path = fmt::format("/snapshots/{}", ++snapshots_made);
  out.size = bytes.size();
  out.applied.index = server.state.index();
  out.applied.term = server.state.term();
  co_await clock.sleep_for(std::chrono::milliseconds(1 + random->below(20)));
  if (server.life != life) co_return Error(Reason::kInternalError, "the server is gone");
  if (auto made = server.mount->make_dirs("/snapshots"); !made.ok()) co_return std::move(made).error();
  auto file = server.mount->open(out.path, store::Disk::Open::kCreate);
  if (!file.ok()) co_return std::move(file).error();
  if (auto wrote = (*file)->write(0, bytes); !wrote.ok()) co_return std::move(wrote).error();
  co_return out;
}

inline rt::Task<Result<store::Applied>> SimCluster::install_snapshot(ServerId id, std::uint64_t life,
                                                                     std::string path) {
  SimServer& server = servers[id];
  co_await clock.sleep_for(std::chrono::milliseconds(1 + random->below(20)));
  if (server.life != life) co_return Error(Reason::kInternalError, "the server is gone");
  auto file = server.mount->open(path, store::Disk::Open::kExisting);
  if (!file.ok()) co_return std::move(file).error();
  auto bytes = (*file)->read(0, (*file)->size().value_or(0));
  if (!bytes.ok()) co_return std::move(bytes).error();
  server.state = decode_state(*bytes);
  server.state.proven = server.state.items.size();
  ++snapshots_installed;
  store::Applied applied;
  applied.index = server.state.index();
  applied.term = server.state.term();
  applied.membership = encode_members(server.state.members);
  applied.membership_index = server.state.members_index;
  co_return applied;
}

inline Raft::Handlers SimCluster::handlers_of(SimServer& server) {
  const ServerId id = server.id;
  const std::uint64_t life = server.life;
  Raft::Handlers handlers;
  handlers.committed = [this, id](std::vector<LogEntry> entries) {
    on_committed(servers[id], std::move(entries));
  };
  handlers.role_changed = [this, id](bool leading) { on_role(servers[id], leading); };
  handlers.front_frame = [this, id](ServerId, SharedBytes frame) {
    servers[id].front_frames.emplace_back(frame.view());
  };
  handlers.make_snapshot = [this, id, life] { return make_snapshot(id, life); };
  handlers.install_snapshot = [this, id, life](std::string path) {
    return install_snapshot(id, life, std::move(path));
  };
  handlers.failed = [this, id](Error error) {
    servers[id].failed = true;
    if (!expect_failures) violate(fmt::format("server {} failed: {}", id, error.message()));
  };
  handlers.removed = [this, id] { servers[id].removed = true; };
  return handlers;
}

inline void SimCluster::start(SimServer& server) {
  server.mount = server.disk->mount();
  server.links = network->attach(server.id);
  server.failed = false;
  LogOptions log_options;
  log_options.dir = "/log";
  log_options.cluster = "sim";
  log_options.segment_size = 64 << 10;
  log_options.reserve = log_reserve;
  Raft::Start start;
  auto log = open_log(*server.mount, log_options, start.log);
  if (!log.ok()) return violate(log.error().message());
  start.applied = server.state.index();
  start.applied_term = server.state.term();
  start.members = server.state.index() == 0 ? server.founders : server.state.members;
  start.members_index = server.state.members_index;
  const auto make_worker = [this](const char*) {
    return store::make_sim_worker(loop, clock, *random, std::chrono::microseconds(50),
                                  std::chrono::microseconds(900));
  };
  const ServerId id = server.id;
  auto writer = std::make_unique<LogWriter>(std::move(*log), make_worker("log"), [this, id](Error error) {
    servers[id].failed = true;
    if (!expect_failures) violate(fmt::format("the log of server {} failed: {}", id, error.message()));
  });
  Doors doors{loop, clock, *random, *server.mount, *server.links, make_worker};
  RaftOptions raft_options = options;
  raft_options.id = server.id;
  raft_options.timing = timing;
  raft_options.snapshot_dir = "/incoming";
  auto raft =
      start_raft(std::move(doors), raft_options, std::move(writer), std::move(start), handlers_of(server));
  if (!raft.ok()) FAIL(raft.error().message());
  server.raft = std::move(*raft);
}

}  // namespace mk::quorum
