#include "registry/lister.h"

#include "http/status.h"
#include "registry/test_api.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Object;
using client::ListOptions;
using client::PatchType;

namespace {

const api::Gvr& kMaps = api::resources::kConfigMaps;
using Texts = std::vector<std::string>;

std::string config_map(const std::string& name, const std::string& label = "x") {
  return "{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name + ", labels: {l: " + label + "}}}";
}

Texts names(const ListResult& list) {
  Texts out;
  for (const auto& object : list.items) out.emplace_back(object.name());
  return out;
}

ListOptions page(std::int64_t limit, std::string token = "") {
  ListOptions out;
  out.limit = limit;
  out.continue_token = std::move(token);
  return out;
}

ListOptions at(std::string version, std::string match = "", std::int64_t limit = 0) {
  ListOptions out;
  out.resource_version = std::move(version);
  out.resource_version_match = std::move(match);
  out.limit = limit;
  return out;
}

const Error& error_of(const Result<ListResult>& result) {
  REQUIRE(!result.ok());
  return result.error();
}

}  // namespace

TEST_CASE("pages of one list show one moment, whatever is written in between") {
  TestApi api;
  std::vector<Object> made;
  for (const char* name : {"a", "b", "c", "d", "e"}) made.push_back(api.create(config_map(name)));
  auto first = api.list(kMaps, page(2)).value();
  CHECK(names(first) == Texts{"a", "b"});
  CHECK(first.remaining == 3);
  REQUIRE(!first.continue_token.empty());
  REQUIRE(api.try_remove(made[2]).ok());
  api.create(config_map("bb"));
  api.patch(PatchType::kMerge, made[3], "{data: {k: v}}");
  auto second = api.list(kMaps, page(2, first.continue_token)).value();
  CHECK(names(second) == Texts{"c", "d"});
  CHECK(second.revision == first.revision);
  CHECK(second.remaining == 1);
  CHECK(second.items[1].resource_version() == made[3].resource_version());
  auto third = api.list(kMaps, page(2, second.continue_token)).value();
  CHECK(names(third) == Texts{"e"});
  CHECK(third.continue_token.empty());
  // A page that ends with the list has no token.
  CHECK(api.list(kMaps, page(5)).value().continue_token.empty());
}

TEST_CASE("pages with a selector are full and say nothing about the rest") {
  TestApi api;
  for (const char* name : {"a", "b", "c", "d", "e", "f"})
    api.create(config_map(name, *name % 2 ? "odd" : "even"));
  ListOptions options = page(2);
  options.label_selector = "l=even";
  auto first = api.list(kMaps, options).value();
  CHECK(names(first) == Texts{"b", "d"});
  CHECK(first.remaining == -1);
  options.continue_token = first.continue_token;
  auto second = api.list(kMaps, options).value();
  CHECK(names(second) == Texts{"f"});
  CHECK(second.continue_token.empty());
}

TEST_CASE("a continue token whose moment is compacted away tells how to go on") {
  TestApi api;
  for (const char* name : {"a", "b", "c"}) api.create(config_map(name));
  const auto first = api.list(kMaps, page(1)).value();
  api.create(config_map("d"));
  REQUIRE(api.run(api.store().compact(api.store().revision())).ok());
  const auto late = api.list(kMaps, page(1, first.continue_token));
  const Error& error = error_of(late);
  CHECK(error.is(Reason::kExpired));
  CHECK(error.message().starts_with(
      "The provided continue parameter is too old to display a consistent list result."));
  CHECK(error_of(api.list(kMaps, page(1, "nonsense"))).message() == "continue key is not valid");
}

TEST_CASE("the token of an expired list goes on, from the present") {
  TestApi api;
  for (const char* name : {"a", "b", "c"}) api.create(config_map(name));
  const auto first = api.list(kMaps, page(1)).value();
  api.create(config_map("d"));
  REQUIRE(api.run(api.store().compact(api.store().revision())).ok());
  const auto late = api.list(kMaps, page(0, first.continue_token));
  const api::Json status = status_of(error_of(late));
  const std::string token(api::str(status, "metadata.continue"));
  REQUIRE(!token.empty());
  CHECK(api::find(status, "details.causes") == nullptr);
  const auto rest = api.list(kMaps, page(0, token)).value();
  CHECK(names(rest) == Texts{"b", "c", "d"});
  CHECK(rest.revision == api.store().revision());
}

TEST_CASE("resourceVersion and resourceVersionMatch of lists") {
  TestApi api;
  const Object a = api.create(config_map("a"));
  const Object b = api.create(config_map("b"));
  const std::string past(a.resource_version()), now(b.resource_version());
  CHECK(names(api.list(kMaps, at("")).value()).size() == 2);
  CHECK(names(api.list(kMaps, at("0")).value()).size() == 2);
  CHECK(names(api.list(kMaps, at(past)).value()).size() == 2);
  CHECK(names(api.list(kMaps, at(past, "NotOlderThan")).value()).size() == 2);
  CHECK(names(api.list(kMaps, at(past, "NotOlderThan", 1)).value()) == Texts{"a"});
  const auto exact = api.list(kMaps, at(past, "Exact")).value();
  CHECK(names(exact) == Texts{"a"});
  CHECK(std::to_string(exact.revision) == past);
  CHECK(names(api.list(kMaps, at(past, "", 5)).value()) == Texts{"a"});
  CHECK(names(api.list(kMaps, at(now, "Exact")).value()).size() == 2);

  const auto future = api.list(kMaps, at("999999"));
  CHECK(error_of(future).is(Reason::kTimeout));
  CHECK(error_of(future).message() == "Timeout: Too large resource version: 999999, current: " + now);
  CHECK(error_of(future).causes[0].type == "ResourceVersionTooLarge");
  CHECK(error_of(api.list(kMaps, at("abc"))).is(Reason::kBadRequest));
  CHECK(error_of(api.list(kMaps, at("", "Exact"))).message() ==
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is "
        "forbidden "
        "unless resourceVersion is provided");
  CHECK(error_of(api.list(kMaps, at("0", "Exact"))).is(Reason::kInvalid));
  CHECK(error_of(api.list(kMaps, at(past, "Sometimes"))).is(Reason::kInvalid));
  ListOptions both = page(1, "x");
  both.resource_version = past;
  CHECK(error_of(api.list(kMaps, both)).message() ==
        "specifying resource version is not allowed when using continue");
}

TEST_CASE("watches start with what is there, with what comes, or with both marked off") {
  TestApi api;
  const Object a = api.create(config_map("a"));
  const auto start = [&](std::string version, bool initial) {
    client::WatchOptions options;
    options.resource_version = std::move(version);
    options.send_initial_events = initial;
    return start_watch(api.cacher(), *api::find_builtin(kMaps), "default", options);
  };
  CHECK(start("", false)->initial.size() == 1);
  CHECK(!start("", false)->bookmark_after_initial);
  CHECK(start("0", false)->initial.size() == 1);
  CHECK(start(std::string(a.resource_version()), false)->initial.empty());
  CHECK(start("", true)->bookmark_after_initial);
  CHECK(start(std::string(a.resource_version()), true)->initial.size() == 1);
  CHECK(start("99999", true).error().is(Reason::kTimeout));
  const Object mark = bookmark(*api::find_builtin(kMaps), 7, true);
  CHECK(mark.resource_version() == "7");
  CHECK(mark.annotation("k8s.io/initial-events-end") == "true");
}
