#include "http/event_frames.h"

#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::apiserver;

TEST_CASE("an event that many watchers are sent is encoded once, and never mistaken for another") {
  EventFrames frames;
  int made = 0;
  const auto get = [&](const SharedBytes& object, std::string_view type, int variant) {
    return std::string(frames.get(object, type, variant, [&] {
      ++made;
      return SharedBytes(std::string(object.view()) + std::string(type) + std::to_string(variant));
    }));
  };
  const SharedBytes one(std::string("one")), same(std::string("one"));
  for (int i = 0; i < 3; ++i) CHECK(get(one, "ADDED", 0) == "oneADDED0");
  CHECK(made == 1);
  CHECK(get(same, "ADDED", 0) == "oneADDED0");  // another version of the object, though it looks the same
  CHECK(made == 2);
  CHECK(get(one, "DELETED", 0) == "oneDELETED0");
  CHECK(get(one, "DELETED", 1) == "oneDELETED1");
  for (int i = 0; i < 10000; ++i) {
    const std::string text = std::to_string(i);
    CHECK(get(SharedBytes(std::string(text)), "MODIFIED", 0) == text + "MODIFIED0");
  }
}
