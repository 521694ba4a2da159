#include <catch2/catch.hpp>

#include <map>
#include <set>

#include "mk/quorum/replicated_store.h"
#include "mk/quorum/sim_network.h"
#include "mk/rt/group.h"
#include "mk/store/sim_disk.h"

// Whole stores - front, consensus, log, SQLite - on simulated clock, network and disks, while the power goes.
using namespace mk;
using namespace mk::quorum;
using store::Durability;
using store::Operation;
using store::Revision;

namespace {

class Sim {
 public:
  Sim(std::size_t size, std::uint64_t seed) : random_(rt::make_random(seed)), tasks_(loop_.executor()) {
    network_ = SimNetwork::make(clock_, *random_);
    for (ServerId id = 1; id <= size; ++id)
      founders_.push_back(Member{Peer{id, "10.0.0." + std::to_string(id) + ":6444"}, Member::Role::kVoter});
    for (ServerId id = 1; id <= size; ++id) {
      servers_[id].disk = store::SimDisk::make(*random_);
      start(id);
    }
    REQUIRE(clock_.run_until(loop_, std::chrono::seconds(30), [this] { return leader() != 0; }));
  }
  ~Sim() {
    tasks_.cancel();
    for (auto& [id, server] : servers_) stop(server);
  }

  void step() {
    const auto what = random_->below(100);
    const ServerId id = 1 + random_->below(servers_.size());
    if (what < 70) {
      write(id);
    } else if (what < 90) {
      clock_.run(loop_, std::chrono::milliseconds(random_->below(20)));
    } else if (what < 94) {
      crash(id, random_->below(3) != 0);
    } else if (what < 96 && servers_.size() > 1) {
      network_->isolate(id);
    } else if (what < 98) {
      network_->heal();
      clock_.run(loop_, std::chrono::milliseconds(random_->below(2000)));
    } else {
      cut_everywhere();
    }
  }

  void check() {
    network_->heal();
    clock_.run(loop_, std::chrono::seconds(45));
    REQUIRE(leader() != 0);
    for (auto& [id, server] : servers_) {
      INFO("server " << id);
      REQUIRE(!server.failed);
      auto reached = run(server.store->linearize());
      if (!reached.ok()) FAIL(reached.error().message());
      check_history(*server.store);
      REQUIRE(server.store->status().applied == servers_[1].store->status().applied);
    }
  }

  std::size_t cuts = 0, acknowledged = 0;

 private:
  struct Server {
    std::unique_ptr<store::SimDisk> disk;
    std::unique_ptr<store::Disk> mount;
    std::unique_ptr<Links> links;
    std::unique_ptr<ReplicatedStore> store;
    std::unique_ptr<rt::Group> writers;  // end before the store they use
    bool failed = false;
  };
  struct Promise {
    bool lazy = false;
    std::shared_ptr<std::optional<Result<Revision>>> outcome;
  };

  void start(ServerId id) {
    Server& server = servers_[id];
    server.mount = server.disk->mount();
    server.links = network_->attach(id);
    server.writers = std::make_unique<rt::Group>(loop_.executor());
    server.failed = false;
    quorum::Options options;
    options.dir = "/db";
    options.cluster = "sim";
    options.id = id;
    options.founders = founders_;
    const auto make_worker = [this](const char*) {
      return store::make_sim_worker(loop_, clock_, *random_, std::chrono::microseconds(50),
                                    std::chrono::microseconds(900));
    };
    Doors doors{loop_, clock_, *random_, *server.mount, *server.links, make_worker};
    auto opened = open_replicated_store(std::move(doors), std::move(options));
    if (!opened.ok()) FAIL(opened.error().message());
    server.store = std::move(opened).value();
    server.store->set_feed([this](const std::vector<store::Change>& changes) {
      for (const auto& change : changes) {
        const auto [first, fresh] = named_.emplace(change.revision, change.value.view());
        REQUIRE((fresh || first->second == change.value.view()));
      }
    });
    server.store->set_failed([&server](Error) { server.failed = true; });
  }

  void crash(ServerId id, bool power) {
    Server& server = servers_[id];
    if (power) {
      server.disk->cut_power();
      ++cuts;
    } else {
      server.disk->kill();
    }
    stop(server);
    start(id);
  }

  void stop(Server& server) {
    server.writers->cancel();
    while (loop_.poll() > 0) continue;
    server.store.reset();
    server.links.reset();
    server.mount.reset();
    while (loop_.poll() > 0) continue;
  }

  void cut_everywhere() {
    for (auto& [id, server] : servers_) crash(id, true);
  }

  ServerId leader() {
    for (auto& [id, server] : servers_) {
      if (server.store->status().leading) return id;
    }
    return 0;
  }

  static rt::Task<> into(rt::Task<Result<Revision>> task,
                         std::shared_ptr<std::optional<Result<Revision>>> outcome) {
    outcome->emplace(co_await std::move(task));
  }

  void write(ServerId id) {
    const std::string value = "v" + std::to_string(promises_.size()) + std::string(random_->below(3000), '.');
    Promise promise;
    promise.lazy = random_->below(4) == 0;
    promise.outcome = std::make_shared<std::optional<Result<Revision>>>();
    std::vector<Operation> operations;
    operations.emplace_back(Operation::Kind::kPut, "/k" + std::to_string(random_->below(12)),
                            SharedBytes(value), Operation::kAny);
    auto task = servers_[id].store->commit(std::move(operations),
                                           promise.lazy ? Durability::kLazy : Durability::kDurable);
    servers_[id].writers->spawn("writer", into(std::move(task), promise.outcome));
    promises_[value] = promise;
  }

  template <class T>
  T run(rt::Task<T> task) {
    auto out = std::make_shared<std::optional<T>>();
    auto body = [](rt::Task<T> work, std::shared_ptr<std::optional<T>> to) -> rt::Task<> {
      to->emplace(co_await std::move(work));
    };
    tasks_.spawn("check", body(std::move(task), out));
    REQUIRE(clock_.run_until(loop_, std::chrono::seconds(60), [&] { return out->has_value(); }));
    return std::move(**out);
  }

  void check_history(ReplicatedStore& store) {
    auto history = run(store.history(0, 1'000'000));
    REQUIRE(history.ok());
    std::map<std::string, std::vector<Revision>> written;
    std::map<std::string, std::string> state;
    Revision last = 0;
    for (const auto& change : *history) {
      REQUIRE(change.revision > last);
      last = change.revision;
      written[std::string(change.value.view())].push_back(change.revision);
      state[change.key] = std::string(change.value.view());
      const auto [first, fresh] = named_.emplace(change.revision, change.value.view());
      REQUIRE((fresh || first->second == change.value.view()));
    }
    const auto all = run(store.range("", "", 0, 0)).value();
    REQUIRE(all.entries.size() == state.size());
    for (const auto& entry : all.entries) REQUIRE(state[entry.key] == entry.value.view());
    for (const auto& [value, promise] : promises_) {
      const auto& at = written[value];
      INFO(value.substr(0, 6) << " was written " << at.size() << " times, first at "
                              << (at.empty() ? 0 : at.front()) << ", last at "
                              << (at.empty() ? 0 : at.back()));
      if (!promise.lazy) REQUIRE(at.size() <= 1);
      if (!promise.outcome->has_value() || promise.lazy) continue;
      const auto& outcome = **promise.outcome;
      if (outcome.ok()) REQUIRE((at.size() == 1 && at[0] == *outcome));
      if (outcome.ok()) ++acknowledged;
      if (!outcome.ok() && !outcome.error().is(Reason::kTimeout)) REQUIRE(at.empty());
    }
  }

  std::unique_ptr<rt::Random> random_;
  rt::Loop loop_;
  rt::SimClock clock_;
  rt::Group tasks_;
  std::unique_ptr<SimNetwork> network_;
  std::vector<Member> founders_;
  std::map<ServerId, Server> servers_;
  std::map<std::string, Promise> promises_;
  std::map<Revision, std::string> named_;
};

void simulate(std::size_t servers, std::uint64_t seeds, int steps) {
  std::size_t cuts = 0, acknowledged = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    INFO("seed " << seed);
    Sim sim(servers, seed);
    for (int i = 0; i < steps; ++i) sim.step();
    sim.check();
    cuts += sim.cuts;
    acknowledged += sim.acknowledged;
  }
  CHECK(cuts > seeds * 4);
  CHECK(acknowledged > seeds * 30);
}

}  // namespace

TEST_CASE("one server under power cuts keeps what it acknowledged and gives no revision twice") {
  simulate(1, 20, 150);
}

TEST_CASE("three servers under power cuts and partitions keep what they acknowledged and agree") {
  simulate(3, 10, 150);
}
