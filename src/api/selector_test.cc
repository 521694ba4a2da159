#include "mk/api/selector.h"

#include <catch2/catch.hpp>

using namespace mk;
using namespace mk::api;

TEST_CASE("label selectors of the query form") {
  const JsonObject labels{{"app", "web"}, {"tier", "front"}, {"n", "5"}, {"empty", ""}};
  const std::pair<const char*, bool> table[] = {{"", true},
                                                {"app=web", true},
                                                {"app==web", true},
                                                {"app = web", true},
                                                {"app=db", false},
                                                {"app!=db", true},
                                                {"missing!=x", true},
                                                {"app in (web,db)", true},
                                                {"app in (db)", false},
                                                {"app notin (db)", true},
                                                {"missing notin (db)", true},
                                                {"app", true},
                                                {"!app", false},
                                                {"!missing", true},
                                                {"app=web,tier=front", true},
                                                {"app=web,tier=back", false},
                                                {"n>4", true},
                                                {"n<5", false},
                                                {"empty=", true},
                                                {"app=", false},
                                                {"empty", true},
                                                {"app in (web, db),!x", true},
                                                {"app in ()", false},
                                                {"empty in ()", true}};
  for (const auto& [text, matches] : table) {
    INFO(text);
    const auto selector = LabelSelector::parse(text);
    REQUIRE(selector.ok());
    CHECK(selector->matches(labels) == matches);
    const auto again = LabelSelector::parse(selector->str());
    REQUIRE(again.ok());
    CHECK(again->matches(labels) == matches);
  }
  for (const char* text : {"a=b=c", "a in b", "a in (b", "=a", "!a=b", "a,", ",a", "a b", "a=b c", "a>x",
                           "-a=b", "a=-b", "a/b/c=d"}) {
    INFO(text);
    CHECK(!LabelSelector::parse(text).ok());
  }
}

TEST_CASE("metav1.LabelSelector") {
  const auto select = [](const char* text) {
    const auto json = parse_json(text).value();
    return LabelSelector::from_json(&json);
  };
  const JsonObject labels{{"app", "web"}};
  CHECK(select("{}")->everything());
  CHECK(select("{}")->matches(labels));
  CHECK(!LabelSelector::from_json(nullptr)->matches(labels));
  CHECK(!LabelSelector::from_json(nullptr)->everything());
  CHECK(select(R"({"matchLabels":{"app":"web"}})")->matches(labels));
  CHECK(
      select(
          R"({"matchExpressions":[{"key":"app","operator":"In","values":["web"]},{"key":"x","operator":"DoesNotExist"}]})")
          ->matches(labels));
  CHECK(!select(R"({"matchExpressions":[{"key":"app","operator":"In","values":[]}]})").ok());
  CHECK(!select(R"({"matchExpressions":[{"key":"app","operator":"Equals","values":["a"]}]})").ok());
  CHECK(!select(R"({"matchExpressions":[{"key":"app","operator":"Exists","values":["a"]}]})").ok());
  CHECK(LabelSelector::from_map(labels).str() == "app=web");
}

TEST_CASE("field selectors") {
  const auto terms = parse_field_selector("metadata.name=x,status.phase!=Running,a==b\\,c");
  REQUIRE(terms.ok());
  REQUIRE(terms->size() == 3);
  CHECK((*terms)[0].path == "metadata.name");
  CHECK((*terms)[1].equal == false);
  CHECK((*terms)[2].value == "b,c");
  CHECK(!parse_field_selector("metadata.name").ok());
  CHECK(!parse_field_selector("a!b").ok());
  CHECK(parse_field_selector("")->empty());
}
