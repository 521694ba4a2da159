#include "mk/api/quantity.h"

#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::api;

TEST_CASE("quantities have one canonical form") {
  const std::pair<const char*, const char*> table[] = {
      {"1.5Gi", "1536Mi"},  {"1e3", "1e3"},       {"100m", "100m"},
      {"0.1", "100m"},      {"12E", "12E"},       {"1024Ki", "1Mi"},
      {"-1", "-1"},         {"-100m", "-100m"},   {"1000", "1k"},
      {"1000000", "1M"},    {"1500", "1500"},     {"0", "0"},
      {"0Gi", "0"},         {"0.5Ki", "512"},     {"1000Ki", "1000Ki"},
      {"0.1Ki", "102400m"}, {".5", "500m"},       {"5.", "5"},
      {"+3", "3"},          {"1E3", "1e3"},       {"100e-3", "100e-3"},
      {"1e2", "100"},       {"1n", "1n"},         {"0.1n", "1n"},
      {"-0.1n", "-1n"},     {"1u", "1u"},         {"1000m", "1"},
      {"2500m", "2500m"},   {"1Ei", "1Ei"},       {"128974848", "128974848"},
      {"129e6", "129e6"},   {"129M", "129M"},     {"123Mi", "123Mi"},
      {"0001", "1"},        {"1023Ki", "1023Ki"}, {"512Ki", "512Ki"},
      {"2048", "2048"}};
  for (const auto& [text, canonical] : table) {
    INFO(text);
    const auto quantity = Quantity::parse(text);
    REQUIRE(quantity.ok());
    CHECK(quantity->str() == canonical);
    const auto again = Quantity::parse(quantity->str());
    REQUIRE(again.ok());
    CHECK(*again == *quantity);
    CHECK(again->str() == canonical);
  }
}

TEST_CASE("what is no quantity") {
  for (const char* text : {"", "a", "1.2.3", "1KiB", "1 Gi", "Gi", "-", "+", ".", "1e", "1ee3", "1K", "0x1",
                           "1Mi ", "--1", "1kk", "1e99999999999"}) {
    INFO(text);
    CHECK(!Quantity::parse(text).ok());
  }
  CHECK(Quantity::parse("x").error().message() ==
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

TEST_CASE("quantities count, compare and saturate") {
  const auto q = [](const char* text) { return Quantity::parse(text).value(); };
  CHECK(q("1.5Gi").value() == 1610612736);
  CHECK(q("100m").value() == 1);
  CHECK(q("100m").milli_value() == 100);
  CHECK(q("-100m").value() == -1);
  CHECK(q("1n").milli_value() == 1);
  CHECK(q("12E").value() == INT64_MAX);
  CHECK(q("99999999999999999999999999999999999999999999").value() == INT64_MAX);
  CHECK(q("0.0000000000000000000000000000000001").str() == "1n");
  CHECK((q("1") + q("500m")).str() == "1500m");
  CHECK((q("1Gi") - q("512Mi")).str() == "512Mi");
  CHECK((Quantity() + q("1Gi")).str() == "1Gi");
  CHECK(q("1") < q("1001m"));
  CHECK(q("1024") == q("1Ki"));
  CHECK(Quantity::of(3).str() == "3");
  CHECK(Quantity::milli(250).str() == "250m");
}

TEST_CASE("any decimal text weighs what its digits say") {
  std::uint32_t seed = 7;
  const auto next = [&] { return seed = seed * 1664525u + 1013904223u; };
  for (int i = 0; i < 2000; ++i) {
    const auto millis = static_cast<std::int64_t>(next() % 2'000'000'000u) - 1'000'000'000;
    const auto text = std::to_string(millis) + "m";
    CHECK(Quantity::parse(text)->milli_value() == millis);
    CHECK(Quantity::parse(Quantity::milli(millis).str())->milli_value() == millis);
    const auto units = static_cast<std::int64_t>(next());
    CHECK(Quantity::parse(std::to_string(units) + "Ki")->value() == units * 1024);
  }
}
