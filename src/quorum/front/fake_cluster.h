#pragma once

#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "front/front.h"
#include "mk/base/temp_dir.h"

// For tests: fronts over a consensus that the test decides: one log, whose entries are committed at once,
// later or never, and a leader that changes when the test says so. No real time passes.
namespace mk::quorum::testing {

class NoLinks : public Links {
 public:
  void set_received(Received) override {}
  void set_peers(std::vector<Peer>) override {}
  void send(ServerId, SharedBytes) override {}
  std::size_t queued(ServerId) const override { return 0; }
};

class InlineWorker : public store::Worker {
 public:
  explicit InlineWorker(rt::Loop& loop) : loop_(loop) {}
  ~InlineWorker() override { *open_ = false; }
  void submit(std::function<void()> job, std::function<void()> done) override {
    job();
    if (!done) return;
    loop_.post([open = open_, done = std::move(done)] {
      if (*open) done();
    });
  }

 private:
  rt::Loop& loop_;
  const std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
};

class Cluster;

class FakeRaft : public Raft {
 public:
  FakeRaft(Cluster& cluster, ServerId id, Handlers handlers, Index applied)
      : cluster_(cluster), id_(id), handlers_(std::move(handlers)), delivered_(applied) {}
  ~FakeRaft() override;

  Result<Position> propose(SharedBytes command) override;
  rt::Task<Result<Index>> read_index() override;
  void send_front(ServerId to, SharedBytes frame) override;
  void trim(Index proven) override { trimmed = proven; }
  rt::Task<Result<void>> add(Peer) override { co_return ok(); }
  rt::Task<Result<void>> promote(ServerId) override { co_return ok(); }
  rt::Task<Result<void>> remove(ServerId) override { co_return ok(); }
  rt::Task<Result<void>> transfer(ServerId) override { co_return ok(); }
  Status status() const override;

  rt::Task<Result<store::Applied>> install(std::string path) { return handlers_.install_snapshot(path); }

  Index trimmed = 0;

 private:
  friend class Cluster;
  Cluster& cluster_;
  const ServerId id_;
  const Handlers handlers_;
  Index delivered_;
};

struct Server {
  std::unique_ptr<Front> front;
  FakeRaft* raft = nullptr;
  std::vector<store::Change> feed;
  std::vector<store::Revision> skipped;
  std::optional<Error> failed;
};

class Cluster {
 public:
  explicit Cluster(std::size_t size, std::uint64_t seed = 1)
      : random(rt::make_random(seed)), disk_(store::make_real_disk()) {
    for (ServerId id = 1; id <= size; ++id) start(id);
  }
  ~Cluster() {
    for (auto& [id, server] : servers) server.front.reset();  // while each is still found here
    servers.clear();
    loop.poll();
  }

  // Reads what is in its folder, as after kill -9 of its process or an orderly end.
  void start(ServerId id) {
    Options options;
    options.dir = dir.path() + "/" + std::to_string(id);
    options.id = id;
    options.lazy_delay = std::chrono::seconds(30);
    Front::Parts parts;
    parts.ledger = std::make_unique<Ledger>(random->next());
    store::StateMachineOptions machine;
    machine.dir = options.dir;
    machine.each_key = [&](std::string_view key, store::Revision create_revision, store::Revision revision) {
      parts.ledger->load(key, create_revision, revision);
    };
    parts.machine = store::open_state_machine(loop, *disk_, std::make_unique<InlineWorker>(loop),
                                              std::move(machine), parts.applied)
                        .value();
    Server& server = servers[id];
    const Index applied = parts.applied.index;
    Quorum doors{loop, clock, *random, *disk_, links, nullptr, nullptr};
    server.front = std::make_unique<Front>(doors, options, std::move(parts));
    server.front->set_feed([&server](const std::vector<store::Change>& changes) {
      server.feed.insert(server.feed.end(), changes.begin(), changes.end());
    });
    server.front->set_skipped([&server](store::Revision to) { server.skipped.push_back(to); });
    server.front->set_failed([&server](Error why) { server.failed = std::move(why); });
    auto raft = std::make_unique<FakeRaft>(*this, id, server.front->handlers(), applied);
    server.raft = raft.get();
    server.front->attach(std::move(raft), [] { return std::uint64_t{0}; });
    deliver();
  }
  void end(ServerId id) {
    if (leader == id) leader = 0;
    servers.erase(id);
    poll();
  }

  // Entries above `keep` (default: what is committed) are not in the new leader's log.
  void lead(ServerId id, std::optional<Index> keep = {}) {
    const ServerId before = leader;
    leader = 0;
    ++term;
    if (const auto old = servers.find(before); old != servers.end())
      old->second.raft->handlers_.role_changed(false);
    log.resize(std::max(committed, keep.value_or(committed)));
    if (id == 0) return;
    cut.erase(id);  // it was elected by the others
    LogEntry barrier;
    barrier.index = log.size() + 1;
    barrier.term = term;
    barrier.kind = LogEntry::Kind::kBarrier;
    log.push_back(barrier);
    committed = log.size();
    leader = id;
    deliver();
    servers[id].raft->handlers_.role_changed(true);
    poll();
  }

  // Commits what is in the log, and delivers it to every server that is reached.
  void commit() {
    committed = log.size();
    deliver();
    poll();
  }
  void deliver() {
    for (auto& [id, server] : servers) {
      if (server.raft == nullptr || cut.contains(id)) continue;
      std::vector<LogEntry> entries;
      for (Index at = server.raft->delivered_; at < committed; ++at) entries.push_back(log[at]);
      server.raft->delivered_ = committed;
      if (!entries.empty()) server.raft->handlers_.committed(std::move(entries));
    }
  }
  void poll() {
    while (loop.poll() > 0) continue;
  }
  // Until nothing more happens by itself within this time.
  void pass(rt::Duration time, rt::Duration step = std::chrono::milliseconds(10)) {
    for (poll(); time.count() > 0; time -= step) {
      clock.advance(step);
      poll();
    }
  }

  template <class T>
  struct Running {
    std::optional<T> result;
  };
  // Runs beside the test.
  template <class T>
  std::shared_ptr<Running<T>> begin(rt::Task<T> task) {
    auto running = std::make_shared<Running<T>>();
    group.spawn("test", into(std::move(task), running));
    poll();
    return running;
  }
  template <class T>
  T run(rt::Task<T> task) {
    auto running = begin(std::move(task));
    for (int round = 0; !running->result && round < 3000; ++round) pass(std::chrono::milliseconds(10));
    REQUIRE(running->result);
    return std::move(*running->result);
  }

  rt::Task<Result<store::Revision>> write(ServerId id, store::Operation operation,
                                          store::Durability durability = store::Durability::kDurable) {
    std::vector<store::Operation> operations;
    operations.push_back(std::move(operation));
    return servers[id].front->commit(std::move(operations), durability);
  }
  static store::Operation put(std::string key, std::string value,
                              store::Revision expected = store::Operation::kAny) {
    return store::Operation(store::Operation::Kind::kPut, std::move(key), SharedBytes(std::move(value)),
                            expected);
  }
  static store::Operation removal(std::string key, store::Revision expected = store::Operation::kAny) {
    return store::Operation(store::Operation::Kind::kRemove, std::move(key), SharedBytes(), expected);
  }
  Server& operator[](ServerId id) { return servers[id]; }
  Front& front(ServerId id) { return *servers[id].front; }
  // "key=value@revision ..." as this server's database has it.
  std::string state(ServerId id) {
    std::string out;
    const auto all = run(front(id).range("", "", 0, 0)).value();
    for (const auto& entry : all.entries)
      out += entry.key + "=" + std::string(entry.value.view()) + "@" + std::to_string(entry.revision) + " ";
    return out;
  }

  using Quorum = quorum::Doors;
  TempDir dir;
  rt::Loop loop;
  rt::ManualClock clock;
  std::unique_ptr<rt::Random> random;
  NoLinks links;
  std::map<ServerId, Server> servers;
  std::vector<LogEntry> log;
  Index committed = 0;
  Term term = 0;
  ServerId leader = 0;
  bool hold = false;       // entries wait for commit()
  bool refuse = false;     // no space
  std::set<ServerId> cut;  // receive nothing
  double frame_loss = 0;   // of those between fronts
  rt::Group group{loop.executor()};

 private:
  template <class T>
  static rt::Task<> into(rt::Task<T> task, std::shared_ptr<Running<T>> running) {
    running->result.emplace(co_await std::move(task));
  }

  std::unique_ptr<store::Disk> disk_;
};

inline FakeRaft::~FakeRaft() {
  if (const auto found = cluster_.servers.find(id_); found != cluster_.servers.end())
    found->second.raft = nullptr;
}

inline Result<Raft::Position> FakeRaft::propose(SharedBytes command) {
  if (cluster_.leader != id_) return Error(Reason::kServiceUnavailable, "not leading");
  if (cluster_.refuse) return Error(Reason::kServiceUnavailable, "no space");
  LogEntry entry;
  entry.index = cluster_.log.size() + 1;
  entry.term = cluster_.term;
  entry.data = std::move(command);
  cluster_.log.push_back(entry);
  if (!cluster_.hold) {
    cluster_.loop.post([&cluster = cluster_] {
      if (cluster.hold || cluster.cut.contains(cluster.leader)) return;
      cluster.committed = cluster.log.size();
      cluster.deliver();
    });
  }
  return Position{entry.index, entry.term};
}

inline rt::Task<Result<Index>> FakeRaft::read_index() {
  co_await rt::yield();
  if (cluster_.leader == 0 || cluster_.cut.contains(id_))
    co_return Error(Reason::kServiceUnavailable, "no quorum");
  co_return cluster_.committed;
}

inline void FakeRaft::send_front(ServerId to, SharedBytes frame) {
  if (cluster_.random->unit() < cluster_.frame_loss) return;
  cluster_.loop.post([&cluster = cluster_, from = id_, to, frame] {
    const auto found = cluster.servers.find(to);
    if (found == cluster.servers.end() || found->second.raft == nullptr) return;
    if (cluster.cut.contains(to) || cluster.cut.contains(from)) return;
    found->second.raft->handlers_.front_frame(from, frame);
  });
}

inline Status FakeRaft::status() const {
  Status out;
  out.leader = cluster_.cut.contains(id_) ? 0 : cluster_.leader;
  out.term = cluster_.term;
  out.applied = out.committed = delivered_;
  for (const auto& [id, server] : cluster_.servers)
    out.members.push_back(Member{Peer{id, ""}, Member::Role::kVoter});
  return out;
}

}  // namespace mk::quorum::testing
