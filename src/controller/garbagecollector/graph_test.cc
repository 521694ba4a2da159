#include "garbagecollector/graph.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::controller::gc;

namespace {
Node node(std::string uid, std::vector<std::string> owners, bool blocks = true) {
  Node made;
  made.uid = std::move(uid);
  for (auto& owner : owners) {
    Owner reference;
    reference.uid = owner;
    reference.blocks = blocks;
    made.owners.push_back(reference);
  }
  return made;
}
}  // namespace

TEST_CASE("what becomes of an object, by the state of its owners") {
  struct Row {
    Owners owners;
    bool dependents;
    Verdict verdict;
  };
  const Row rows[] = {
      {{1, 0, 0}, false, Verdict::kKeep},
      {{1, 0, 1}, false, Verdict::kDropReferences},
      {{1, 1, 0}, true, Verdict::kDropReferences},
      {{0, 0, 1}, true, Verdict::kDelete},
      {{0, 1, 0}, false, Verdict::kDelete},
      {{0, 1, 0}, true, Verdict::kDeleteForeground},
      {{0, 1, 1}, true, Verdict::kDeleteForeground},
  };
  for (const auto& row : rows) CHECK(judge(row.owners, row.dependents) == row.verdict);
}

TEST_CASE("the graph knows dependents of owners it has not seen, and who is concerned by a change") {
  Graph graph;
  CHECK(graph.put(node("child", {"parent"})) == std::vector<std::string>{"child"});
  CHECK(graph.dependents("parent") == std::vector<std::string>{"child"});
  CHECK(graph.blocked("parent"));
  CHECK(graph.put(node("parent", {})).empty());
  CHECK(graph.remove("parent") == std::vector<std::string>{"child"});

  CHECK_FALSE(graph.put(node("child", {"parent"}, false)).empty());
  CHECK_FALSE(graph.blocked("parent"));
  const auto concerned = graph.put(node("child", {}));
  CHECK(std::find(concerned.begin(), concerned.end(), "parent") != concerned.end());
  CHECK(graph.dependents("parent").empty());
}
