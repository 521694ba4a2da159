#include "front/fake_cluster.h"

using namespace mk;
using namespace mk::quorum;
using namespace mk::quorum::testing;
using store::Durability;
using store::Revision;

// Writers on all servers while leaders change, entries are kept or lost, frames vanish and servers are cut
// off; a ledger apart from the code knows what was promised to whom.
namespace {

class Chaos {
 public:
  explicit Chaos(std::uint64_t seed) : c_(3, seed), random_(*c_.random) { c_.lead(1); }

  void step() {
    const auto what = random_.below(100);
    if (what < 60) {
      write();
    } else if (what < 70) {
      c_.lead(1 + random_.below(3), c_.committed + random_.below(3));
    } else if (what < 73) {
      c_.lead(0, c_.committed + random_.below(3));
    } else if (what < 80) {
      c_.hold = !c_.hold;
      if (!c_.hold && c_.leader != 0) c_.commit();
    } else if (what < 85) {
      c_.cut.insert(1 + random_.below(3));
      if (c_.cut.size() > 1) c_.cut.clear();
    } else if (what < 90) {
      c_.cut.clear();
      c_.deliver();
    } else if (what < 92) {
      c_.frame_loss = random_.below(2) == 0 ? 0 : 0.3;
    } else {
      c_.pass(std::chrono::milliseconds(random_.below(3000)), std::chrono::milliseconds(50));
    }
  }

  void heal_and_check() {
    c_.cut.clear();
    c_.hold = false;
    c_.frame_loss = 0;
    c_.lead(1 + random_.below(3));
    c_.pass(std::chrono::seconds(40), std::chrono::milliseconds(100));
    for (const auto& [value, promise] : promises_) {
      INFO(value);
      REQUIRE(promise.outcome->result);
    }
    for (ServerId id = 1; id <= 3; ++id) check_server(id);
  }

 private:
  struct Promise {
    bool lazy = false;
    std::shared_ptr<Cluster::Running<Result<Revision>>> outcome;
  };

  void write() {
    const ServerId id = 1 + random_.below(3);
    const std::string value = "v" + std::to_string(promises_.size());
    const std::string key = "/k" + std::to_string(random_.below(8));
    Promise promise;
    promise.lazy = random_.below(3) == 0;
    // As clients do: of what this server shows, or whatever is there.
    Revision expected = store::Operation::kAny;
    if (random_.below(2) == 0) {
      expected = 0;
      for (const auto& change : c_[id].feed) {
        if (change.key == key) expected = change.removed ? 0 : change.revision;
      }
    }
    promise.outcome = c_.begin(
        c_.write(id, c_.put(key, value, expected), promise.lazy ? Durability::kLazy : Durability::kDurable));
    promises_[value] = promise;
  }

  void check_server(ServerId id) {
    REQUIRE(!c_[id].failed);
    const auto history = c_.run(c_.front(id).history(0, 100'000)).value();
    std::map<std::string, std::vector<Revision>> written;
    std::map<std::string, std::string> state, seen;
    for (const auto& change : history) {
      written[std::string(change.value.view())].push_back(change.revision);
      state[change.key] = std::string(change.value.view());
    }
    Revision last = 0;
    for (const auto& change : c_[id].feed) {
      REQUIRE(change.revision > last);
      last = change.revision;
      seen[change.key] = std::string(change.value.view());
      // Whoever shows a revision shows the same change under it.
      const auto [first, fresh] = named_.emplace(change.revision, change.value.view());
      REQUIRE((fresh || first->second == change.value.view()));
    }
    REQUIRE(seen == state);
    for (const auto& [value, promise] : promises_) {
      INFO(value << " on server " << id);
      const auto& outcome = *promise.outcome->result;
      const auto& at = written[value];
      if (!promise.lazy) REQUIRE(at.size() <= 1);
      if (outcome.ok() && !promise.lazy) REQUIRE((at.size() == 1 && at[0] == *outcome));
      if (!outcome.ok() && !outcome.error().is(Reason::kTimeout)) REQUIRE(at.empty());
    }
  }

  Cluster c_;
  rt::Random& random_;
  std::map<std::string, Promise> promises_;
  std::map<Revision, std::string> named_;
};

}  // namespace

TEST_CASE("nothing acknowledged is lost, nothing refused happens, and nobody keeps a state that is gone") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    Chaos chaos(seed);
    for (int i = 0; i < 120; ++i) chaos.step();
    chaos.heal_and_check();
  }
}
