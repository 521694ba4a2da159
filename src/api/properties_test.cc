#include <catch2/catch.hpp>

#include "mk/api/patch.h"
#include "mk/api/resource.h"
#include "mk/api/table.h"

// Properties that hold for any object of any kind, tried on random ones (fixed seeds).
using namespace mk;
using namespace mk::api;

namespace {

class Generator {
 public:
  explicit Generator(std::uint32_t seed) : state_(seed) {}

  std::uint32_t below(std::uint32_t bound) {
    state_ = state_ * 1664525u + 1013904223u;
    return (state_ >> 8) % bound;
  }

  // A value of the type; with `wrong` in a hundred leaves of some other type.
  Json value(const Type& type, int depth, std::uint32_t wrong) {
    if (below(100) < wrong) return nonsense();
    switch (type.kind) {
      case Type::Kind::kObject:
        return fields(type, depth, wrong);
      case Type::Kind::kMap: {
        JsonObject out;
        for (auto n = below(3); n > 0 && depth > 0; --n)
          out.emplace(word(), value(*type.element, depth - 1, wrong));
        return out;
      }
      case Type::Kind::kArray: {
        JsonArray out;
        for (auto n = below(3); n > 0 && depth > 0; --n)
          out.push_back(value(*type.element, depth - 1, wrong));
        return out;
      }
      case Type::Kind::kString:
        return type.format == "date-time" ? Json("2026-01-02T03:04:05Z")
               : type.format == "byte"    ? Json("YQ==")
                                          : Json(word());
      case Type::Kind::kInteger:
        return below(5);
      case Type::Kind::kNumber:
        return 1.5;
      case Type::Kind::kBoolean:
        return below(2) == 0;
      case Type::Kind::kIntOrString:
        return below(2) ? Json(below(9)) : Json("10%");
      case Type::Kind::kQuantity:
        return "1500m";
      case Type::Kind::kAny:
        return JsonObject{{word(), below(3)}};
    }
    return nullptr;
  }

 private:
  Json fields(const Type& type, int depth, std::uint32_t wrong) {
    JsonObject out;
    for (const auto& field : type.fields) {
      if (depth <= 0 || (below(3) != 0 && !field.required)) continue;
      if (field.name == "managedFields") continue;
      out.emplace(field.name, value(*field.type, depth - 1, wrong));
    }
    return out;
  }

  std::string word() { return std::string(1, static_cast<char>('a' + below(4))); }

  Json nonsense() {
    switch (below(6)) {
      case 0:
        return nullptr;
      case 1:
        return "x";
      case 2:
        return -7;
      case 3:
        return JsonArray{1, "a", JsonObject(), nullptr};
      case 4:
        return JsonObject{{"a", nullptr}, {"$patch", "delete"}};
      default:
        return true;
    }
  }

  std::uint32_t state_;
};

ApplyOptions by(const char* manager) {
  ApplyOptions options;
  options.manager = manager;
  options.api_version = "v1";
  options.now = "2026-01-01T00:00:00Z";
  return options;
}

template <class F>
void for_each_kind(F&& visit) {
  std::uint32_t seed = 1;
  for (const auto& resource : builtin_resources()) {
    if (const auto* type = builtin_schema().type(resource.gvk())) {
      INFO(resource.kind);
      visit(resource, *type, Generator(seed++));
    }
  }
}

}  // namespace

TEST_CASE("well-formed objects decode, and decoding and defaulting settle at once") {
  for_each_kind([](const ResourceInfo& resource, const Type& type, Generator random) {
    for (int i = 0; i < 5; ++i) {
      auto value = random.value(type, 7, 0);
      FieldProblems unknown;
      const auto result = decode(type, value, unknown);
      INFO((result.ok() ? "" : result.error().message()));
      REQUIRE(result.ok());
      CHECK(unknown.empty());
      auto again = value;
      REQUIRE(decode(type, again, unknown).ok());
      CHECK(again == value);
      apply_defaults(type, value);
      again = value;
      apply_defaults(type, again);
      CHECK(again == value);
      REQUIRE(decode(type, again, unknown).ok());
      CHECK(again == value);
      CHECK(parse_json(to_json(value)).value() == value);
      CHECK(parse_yaml(to_yaml(value)).value() == value);
    }
  });
}

TEST_CASE("an update that changes nothing changes no ownership, and what is tracked can be applied again") {
  for_each_kind([](const ResourceInfo& resource, const Type& type, Generator random) {
    auto live = random.value(type, 7, 0);
    FieldProblems unknown;
    REQUIRE(decode(type, live, unknown).ok());
    const auto applied = live;
    track_update(type, nullptr, live, by("a"));
    auto same = live;
    track_update(type, &live, same, by("b"));
    CHECK(same == live);
    const auto first = server_side_apply(type, nullptr, applied, by("c"));
    if (!first.ok()) return;  // random lists may repeat a key: refused, as it should be
    const auto second = server_side_apply(type, &*first, applied, by("c"));
    REQUIRE(second.ok());
    CHECK(*second == *first);
    CHECK(apply_strategic_merge_patch(type, live, Json(JsonObject())).value() == live);
    CHECK(apply_merge_patch(live, Json(JsonObject())).value() == live);
  });
}

TEST_CASE("nonsense is refused or survived, never fatal") {
  for_each_kind([](const ResourceInfo& resource, const Type& type, Generator random) {
    for (int i = 0; i < 10; ++i) {
      auto good = random.value(type, 6, 0), bad = random.value(type, 6, 8);
      table_cells(resource.gvk(), bad, 0);
      (void)apply_strategic_merge_patch(type, good, bad).ok();
      (void)apply_json_patch(good, bad).ok();
      (void)server_side_apply(type, &good, bad, by("m")).ok();
      auto written = bad;
      track_update(type, &good, written, by("m"));
      FieldProblems unknown;
      if (decode(type, bad, unknown).ok()) apply_defaults(type, bad);
    }
  });
  SUCCEED();
}
