#include "front/fake_cluster.h"

using namespace mk;
using namespace mk::quorum;
using namespace mk::quorum::testing;
using store::Durability;
using store::Revision;

namespace {

// As a fresh look at a server's feed: key -> value of what is there.
std::map<std::string, std::string> seen(const Server& server) {
  std::map<std::string, std::string> out;
  for (const auto& change : server.feed) {
    if (change.removed) {
      out.erase(change.key);
    } else {
      out[change.key] = std::string(change.value.view());
    }
  }
  return out;
}

bool ascending(const std::vector<store::Change>& feed) {
  for (std::size_t at = 1; at < feed.size(); ++at) {
    if (feed[at].revision <= feed[at - 1].revision) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a commit is shown on every server, answered with its revision, and in the database") {
  Cluster c(3);
  c.lead(1);
  CHECK(c.run(c.write(1, c.put("/a", "1"))).value() == 1);
  CHECK(c.run(c.write(1, c.put("/a", "2", 1))).value() == 2);
  CHECK(c.run(c.write(1, c.put("/b", "x", 0))).value() == 3);
  CHECK(c.run(c.write(1, c.removal("/b", 3))).value() == 4);
  for (ServerId id = 1; id <= 3; ++id) {
    CHECK(c.state(id) == "/a=2@2 ");
    REQUIRE(c[id].feed.size() == 4);
    CHECK(c[id].feed[1].create_revision == 1);
    CHECK(c[id].feed[3].removed);
    CHECK(c.front(id).revision() == 4);
  }
}

TEST_CASE("what arrives in one turn or while an entry is on its way shares the next entry") {
  Cluster c(1);
  c.lead(1);
  REQUIRE(c.run(c.write(1, c.put("/first", "x"))).ok());
  const std::size_t before = c.log.size();
  c.hold = true;
  std::vector<std::shared_ptr<Cluster::Running<Result<Revision>>>> writers;
  writers.push_back(c.begin(c.write(1, c.put("/lone", "x"))));
  CHECK(c.log.size() == before + 1);  // without delay
  for (int i = 0; i < 100; ++i) writers.push_back(c.begin(c.write(1, c.put("/k" + std::to_string(i), "x"))));
  CHECK(c.log.size() == before + 1);
  c.commit();
  CHECK(c.log.size() == before + 2);
  c.commit();
  Revision last = 1;
  for (const auto& writer : writers) CHECK(writer->result->value() == ++last);
}

TEST_CASE("operations of one commit see each other and happen whole or not at all") {
  Cluster c(1);
  c.lead(1);
  std::vector<store::Operation> operations{c.put("/a", "1", 0), c.put("/a", "2", 1), c.removal("/a", 2)};
  CHECK(c.run(c.front(1).commit(operations, Durability::kDurable)).value() == 3);
  operations = {c.put("/b", "1", 0), c.put("/c", "1", 99)};
  CHECK(c.run(c.front(1).commit(operations, Durability::kDurable)).error().is(Reason::kConflict));
  CHECK(c.state(1).empty());
  CHECK(c.run(c.write(1, c.put("/b", "x", 0))).value() == 4);
  CHECK(c.run(c.write(1, c.removal("/none"))).error().is(Reason::kConflict));
}

TEST_CASE("nobody hears of a conflict with what may never have been") {
  Cluster c(3);
  c.lead(1);
  c.hold = true;
  auto first = c.begin(c.write(1, c.put("/a", "1", 0)));
  auto second = c.begin(c.write(1, c.put("/a", "2", 0)));
  c.pass(std::chrono::milliseconds(100));
  CHECK(!second->result);
  SECTION("it is committed: the conflict is told once it is shown") {
    c.commit();
    CHECK(first->result->value() == 1);
    CHECK(second->result->error().is(Reason::kConflict));
  }
  SECTION("it is lost with its leader: the first of both that reaches the next one wins") {
    c.hold = false;
    c.lead(2);
    c.pass(std::chrono::seconds(2));
    CHECK(first->result->ok() != second->result->ok());
    CHECK(seen(c[1]).size() == 1);
  }
}

TEST_CASE("lazy changes are answered from memory and travel with the next entry, the last of each key") {
  Cluster c(3);
  c.lead(1);
  REQUIRE(c.run(c.write(1, c.put("/durable", "1"))).ok());  // reserves revisions on its way
  const std::size_t before = c.log.size();
  for (int i = 0; i < 10; ++i)
    CHECK(c.run(c.write(1, c.put("/beat", std::to_string(i)), Durability::kLazy)).value() == 2 + i);
  CHECK(c.log.size() == before);
  CHECK(seen(c[1])["/beat"] == "9");
  CHECK(seen(c[2]).count("/beat") == 0);
  SECTION("with a durable one") {
    CHECK(c.run(c.write(1, c.put("/durable", "2"))).value() == 12);
    CHECK(c.log.size() == before + 1);
    CHECK(c.state(2) == "/beat=9@11 /durable=2@12 ");
    CHECK(c[2].feed.size() == 3);
    CHECK(c[2].feed[1].create_revision == 2);
  }
  SECTION("after a while by themselves") {
    c.pass(std::chrono::seconds(31), std::chrono::seconds(1));
    CHECK(c.log.size() == before + 1);
    CHECK(seen(c[3])["/beat"] == "9");
  }
  SECTION("before a range is read") {
    CHECK(c.state(1) == "/beat=9@11 /durable=1@1 ");
  }
  SECTION("before a read point of another server") {
    CHECK(seen(c[3]).count("/beat") == 0);
    REQUIRE(c.run(c.front(3).linearize()).ok());
    CHECK(seen(c[3])["/beat"] == "9");
  }
  SECTION("a life that began and ended in memory is nobody else's business") {
    REQUIRE(c.run(c.write(1, c.put("/event", "x", 0), Durability::kLazy)).ok());
    REQUIRE(c.run(c.write(1, c.removal("/event"), Durability::kLazy)).ok());
    REQUIRE(c.run(c.write(1, c.put("/event", "y", 0), Durability::kLazy)).ok());
    REQUIRE(c.run(c.write(1, c.removal("/event"), Durability::kLazy)).ok());
    CHECK(c.state(1) == "/beat=9@11 /durable=1@1 ");
    CHECK(c[2].feed.size() == 2);
    CHECK(c.run(c.write(1, c.put("/event", "z", 0))).value() == 16);
  }
}

TEST_CASE("a revision that was seen never names another change, whoever leads next") {
  Cluster c(3);
  c.lead(1);
  REQUIRE(c.run(c.write(1, c.put("/a", "1"))).ok());
  const Revision lazy = c.run(c.write(1, c.put("/beat", "x"), Durability::kLazy)).value();
  c.cut.insert(1);
  c.lead(2);
  const Revision next = c.run(c.write(2, c.put("/a", "2"))).value();
  CHECK(next > lazy);
  REQUIRE(c[2].skipped.size() == 1);
  CHECK(c[2].skipped[0] == next - 1);
  CHECK(c[3].skipped == c[2].skipped);
  SECTION("and none is skipped twice") {
    c.lead(3);
    CHECK(c.run(c.write(3, c.put("/a", "3"))).value() > next);
  }
}

TEST_CASE("who saw a lazy change that is lost sees a later one of that key") {
  Cluster c(3);
  c.lead(1);
  REQUIRE(c.run(c.write(1, c.put("/beat", "durable"))).ok());
  REQUIRE(c.run(c.write(1, c.put("/gone", "durable"))).ok());
  REQUIRE(c.run(c.write(1, c.put("/theirs", "durable"))).ok());
  REQUIRE(c.run(c.write(1, c.put("/beat", "seen"), Durability::kLazy)).ok());
  REQUIRE(c.run(c.write(1, c.put("/theirs", "seen"), Durability::kLazy)).ok());
  REQUIRE(c.run(c.write(1, c.put("/new", "seen"), Durability::kLazy)).ok());
  REQUIRE(c.run(c.write(1, c.removal("/gone"), Durability::kLazy)).ok());
  c.cut.insert(1);
  c.lead(2);
  REQUIRE(c.run(c.write(2, c.put("/theirs", "newer"))).ok());
  c.cut.clear();
  c.deliver();
  c.pass(std::chrono::seconds(2));
  // What it offered under new revisions, and what was in its way.
  CHECK(c.state(1) == c.state(2));
  CHECK(seen(c[1]) == seen(c[2]));
  CHECK(seen(c[2])["/beat"] == "seen");
  CHECK(seen(c[2])["/theirs"] == "newer");
  CHECK(seen(c[2])["/new"] == "seen");
  CHECK(seen(c[2]).count("/gone") == 0);
  CHECK(ascending(c[1].feed));
}

TEST_CASE("what was on its way when leadership was lost ends as it really ended") {
  Cluster c(3);
  c.lead(1);
  c.hold = true;
  auto writer = c.begin(c.write(1, c.put("/a", "1", 0)));
  auto behind = c.begin(c.write(1, c.put("/b", "1", 0)));
  SECTION("the next leader has it: done") {
    c.hold = false;
    c.lead(2, c.log.size());
    c.pass(std::chrono::seconds(1));
    CHECK(writer->result->value() == 1);
    CHECK(behind->result->ok());
  }
  SECTION("the next leader does not: written there, once") {
    c.hold = false;
    c.lead(2);
    c.pass(std::chrono::seconds(1));
    REQUIRE(writer->result);
    CHECK(writer->result->ok());
    CHECK(seen(c[2]).size() == 2);
  }
  SECTION("nobody can tell: a timeout, and no failure") {
    c.lead(0, c.log.size());
    c.pass(std::chrono::seconds(4));
    CHECK(writer->result->error().is(Reason::kTimeout));
    CHECK(!behind->result);  // it never left: it may still be written
    c.hold = false;
    c.lead(3, c.log.size());
    c.pass(std::chrono::seconds(1));
    CHECK(seen(c[1]).size() == 2);
    CHECK(behind->result->ok());
  }
}

TEST_CASE("any server takes a commit, and has shown it when it answers") {
  Cluster c(3);
  c.lead(1);
  const Revision first = c.run(c.write(2, c.put("/a", "1", 0))).value();
  CHECK(seen(c[2])["/a"] == "1");
  CHECK(c.run(c.write(3, c.put("/a", "2", 0))).error().is(Reason::kConflict));
  CHECK(c.run(c.write(3, c.put("/a", "2", first))).value() > first);
  const Revision lazy = c.run(c.write(2, c.put("/beat", "x"), Durability::kLazy)).value();
  CHECK(c[2].feed.back().revision == lazy);
}

TEST_CASE("a forwarded commit survives lost frames and happens once") {
  Cluster c(3);
  c.lead(1);
  c.frame_loss = 0.5;
  Revision last = 0;
  for (int i = 0; i < 20; ++i) {
    auto written = c.run(c.write(2 + i % 2, c.put("/counter", std::to_string(i), last)));
    REQUIRE(written.ok());
    last = *written;
  }
  CHECK(c[1].feed.size() == 20);
}

TEST_CASE("a forwarded commit is retried across leaders only when it cannot happen twice") {
  Cluster c(3);
  c.lead(1);
  c.hold = true;
  auto writer = c.begin(c.write(2, c.put("/a", "1", 0)));
  REQUIRE(c.log.size() == 2);
  SECTION("the old leader's entry is kept") {
    c.hold = false;
    c.lead(3, c.log.size());
    c.pass(std::chrono::seconds(2));
    CHECK(writer->result->ok());
  }
  SECTION("the old leader's entry is gone") {
    c.hold = false;
    c.lead(3);
    c.pass(std::chrono::seconds(2));
    CHECK(writer->result->ok());
  }
  SECTION("the server itself leads now") {
    c.hold = false;
    c.lead(2);
    c.pass(std::chrono::seconds(2));
    CHECK(writer->result->ok());
  }
  SECTION("nobody leads any more") {
    c.lead(0, c.log.size());
    c.pass(std::chrono::seconds(12), std::chrono::milliseconds(100));
    CHECK(writer->result->error().is(Reason::kTimeout));
    return;
  }
  CHECK(c[2].feed.size() == 1);
}

TEST_CASE("without a quorum nothing is written and nothing read that must be current") {
  Cluster c(3);
  auto written = c.begin(c.write(2, c.put("/a", "1")));
  auto read = c.begin(c.front(2).linearize());
  c.pass(std::chrono::seconds(11), std::chrono::milliseconds(100));
  CHECK(written->result->error().is(Reason::kServiceUnavailable));
  CHECK(read->result->error().is(Reason::kServiceUnavailable));
}

TEST_CASE("a refused entry fails its writers, gives its revisions back and keeps lazy changes") {
  Cluster c(1);
  c.lead(1);
  REQUIRE(c.run(c.write(1, c.put("/a", "1"))).ok());
  REQUIRE(c.run(c.write(1, c.put("/beat", "1"), Durability::kLazy)).ok());
  c.refuse = true;
  CHECK(c.run(c.write(1, c.put("/a", "2", 1))).error().is(Reason::kServiceUnavailable));
  CHECK(seen(c[1])["/a"] == "1");
  c.refuse = false;
  CHECK(c.run(c.write(1, c.put("/a", "3", 1))).value() == 3);
  CHECK(c.state(1) == "/a=3@3 /beat=1@2 ");
}

TEST_CASE("an orderly end keeps lazy changes and skips no revision; kill -9 skips") {
  Cluster c(1);
  c.lead(1);
  REQUIRE(c.run(c.write(1, c.put("/a", "1"))).ok());
  const Revision lazy = c.run(c.write(1, c.put("/beat", "1"), Durability::kLazy)).value();
  const bool orderly = GENERATE(true, false);
  if (orderly) {
    auto stop = [&]() -> rt::Task<bool> {
      co_await c.front(1).stop();
      co_return true;
    };
    c.run(stop());
    CHECK(c.run(c.write(1, c.put("/late", "1"))).error().is(Reason::kServiceUnavailable));
  } else {
    c.leader = 0;  // nothing it does at its end reaches the log
  }
  c.end(1);
  c.committed = c.log.size();
  c.start(1);
  c.lead(1);
  CHECK(c.run(c.write(1, c.put("/b", "1"))).value() == (orderly ? lazy + 1 : 100'001 + 1));
  CHECK((c.state(1).find("/beat") != std::string::npos) == orderly);
  CHECK(c[1].skipped.size() == (orderly ? 0 : 1));
}

TEST_CASE("a compaction is one for all servers") {
  Cluster c(3);
  c.lead(1);
  for (int i = 0; i < 5; ++i) REQUIRE(c.run(c.write(1, c.put("/a", std::to_string(i)))).ok());
  REQUIRE(c.run(c.front(1).compact(3)).ok());
  for (ServerId id = 1; id <= 3; ++id) {
    CHECK(c.front(id).compacted() == 3);
    CHECK(c.run(c.front(id).range("", "", 0, 2)).error().is(Reason::kExpired));
    CHECK(c.run(c.front(id).history(3, 10)).value().size() == 2);
  }
  CHECK(c.run(c.front(1).compact(100)).ok());
  CHECK(c.front(1).compacted() == 5);
}

TEST_CASE("a single voter that leads is current; any other asks") {
  Cluster one(1), three(3);
  CHECK(!one.front(1).current());
  one.lead(1);
  three.lead(1);
  CHECK(one.front(1).current());
  CHECK(!three.front(1).current());
  CHECK(!three.front(2).current());
  CHECK(three.run(three.front(1).linearize()).ok());
}

TEST_CASE("a server that was behind goes on from a snapshot without a gap in its feed") {
  Cluster c(3);
  c.lead(1);
  REQUIRE(c.run(c.write(1, c.put("/a", "1"))).ok());
  c.cut.insert(3);
  for (int i = 0; i < 10; ++i) REQUIRE(c.run(c.write(1, c.put("/k" + std::to_string(i), "x"))).ok());
  REQUIRE(c.run(c.write(1, c.removal("/k3"))).ok());
  const std::string path = c.dir.path() + "/copy.db";
  REQUIRE(c.run(c.front(1).save_snapshot(path)).ok());
  SECTION("within what history is kept") {
    REQUIRE(c.run(c[3].raft->install(path)).ok());
    CHECK(c[3].feed.size() == 12);
    CHECK(seen(c[3]) == seen(c[1]));
    CHECK(c.state(3) == c.state(1));
    c.cut.clear();
    c.lead(3);
    CHECK(c.run(c.write(3, c.put("/k1", "y", 0))).error().is(Reason::kConflict));
    CHECK(c.run(c.write(3, c.put("/k1", "y", 3))).ok());
  }
  SECTION("later than that it starts again") {
    REQUIRE(c.run(c.front(1).compact(5)).ok());
    REQUIRE(c.run(c.front(1).save_snapshot(path)).ok());
    CHECK(!c.run(c[3].raft->install(path)).ok());
    CHECK(c[3].failed);
  }
}

TEST_CASE("an entry that no server can read stops it") {
  Cluster c(1);
  c.lead(1);
  LogEntry bad;
  bad.index = c.log.size() + 1;
  bad.term = c.term;
  bad.data = SharedBytes(std::string("\x7f nonsense"));
  c.log.push_back(bad);
  c.commit();
  REQUIRE(c[1].failed);
  CHECK(c.run(c.write(1, c.put("/a", "1"))).error().message().find("newer") != std::string::npos);
}
