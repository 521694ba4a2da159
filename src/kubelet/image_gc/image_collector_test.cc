#include <catch2/catch.hpp>

#include "image_gc/image_collector.h"
#include "testing/pods_on_node.h"

using namespace mk;
using namespace mk::kubelet;
using namespace std::chrono_literals;

namespace {

ImageInfo image(const std::string& id, bool pinned = false) {
  ImageInfo out;
  out.id = id;
  out.size = 10;
  out.pinned = pinned;
  return out;
}

std::string ids_of(const std::vector<ImageInfo>& images) {
  std::string out;
  for (const auto& each : images) out += each.id + " ";
  return out;
}

}  // namespace

TEST_CASE("unused images go in the order in which they were used last, but not young, pinned or used ones") {
  const rt::WallTime now = rt::WallTime() + 10h;
  const std::map<std::string, ImageAge> ages = {
      {"new", {now - 1min, {}}},      {"pinned", {now - 5h, {}}},      {"used", {now - 5h, now}},
      {"late", {now - 5h, now - 1h}}, {"early", {now - 5h, now - 2h}}, {"never", {now - 3h, {}}},
      {"longest", {now - 6h, {}}}};
  const auto out = unused_images({image("new"), image("pinned", true), image("used"), image("late"),
                                  image("early"), image("never"), image("longest"), image("unknown")},
                                 {"used"}, ages, now, 2min);
  CHECK(ids_of(out) == "longest never early late ");
}

TEST_CASE("above the high threshold, as much must go as leads to the low one") {
  CHECK(bytes_to_free(160, 1000, 85, 80) == 0);
  CHECK(bytes_to_free(150, 1000, 85, 80) == 50);
  CHECK(bytes_to_free(0, 1000, 85, 80) == 200);
  CHECK(bytes_to_free(0, 0, 85, 80) == 0);
}

TEST_CASE("images that pods have, in containers and volumes, stay when room is made") {
  PodsOnNode node;
  node.images().add("volume");
  node.images().add("spare");
  node.create("web", R"({"volumes":[{"name":"v","image":{"reference":"volume","pullPolicy":"IfNotPresent"}}],
                         "containers":[{"name":"a","image":"img","imagePullPolicy":"IfNotPresent"}]})");
  REQUIRE(node.phase("web") == "Running");
  ImageCollector collector(node.context, *node.pods, *parse_kubelet_arguments({}));
  auto once = [&](rt::Task<> task) {
    rt::run_until_done(node.loop, std::move(task));
    node.settle();
  };
  once(collector.make_room());
  CHECK(node.images().list().size() == 3);  // too young to go
  node.advance(3min);
  once(collector.make_room());
  CHECK(node.images().find("img"));
  CHECK(node.images().find("volume"));
  CHECK_FALSE(node.images().find("spare"));
  node.remove("web", 0);
  node.advance(1s);
  once(collector.make_room());
  CHECK(node.images().list().empty());
}
