#include "cacher/cacher.h"

#include "registry/strategies/test_cluster.h"
#include "registry/test_api.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Object;
using client::PatchType;
using Type = WatchItem::Type;

namespace {

const api::Gvr& kMaps = api::resources::kConfigMaps;

std::string config_map(const std::string& name, const std::string& label = "",
                       const std::string& ns = "default") {
  return "{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name + ", namespace: " + ns +
         ", labels: {l: '" + label + "'}}}";
}

Filter filter(std::string ns, std::string_view labels = "", std::string_view fields = "") {
  return make_filter(*api::find_builtin(kMaps), std::move(ns), labels, fields).value();
}

// "ADDED a", "DELETED b" ...
std::vector<std::string> drain(CacheWatcher& watcher) {
  std::vector<std::string> out;
  while (auto item = watcher.try_next()) {
    const char* type = item->type == Type::kAdded      ? "ADDED "
                       : item->type == Type::kModified ? "MODIFIED "
                                                       : "DELETED ";
    CHECK(item->object.resource_version() == std::to_string(item->revision));
    out.push_back(type + std::string(item->object.name()));
  }
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a watch sees what enters, changes within and leaves its filter") {
  TestApi api;
  auto& cache = api.cacher().resource(kMaps);
  const auto since = api.cacher().revision();
  auto all = cache.watch(filter(""), since).value();
  auto red = cache.watch(filter("default", "l=red"), since).value();
  auto named = cache.watch(filter("default", "", "metadata.name=b"), since).value();
  auto elsewhere = cache.watch(filter("kube-system"), since).value();
  const Object a = api.create(config_map("a", "red"));
  api.patch(PatchType::kMerge, a, "{data: {k: v}}");
  api.patch(PatchType::kMerge, a, "{metadata: {labels: {l: blue}}}");
  api.patch(PatchType::kMerge, a, "{metadata: {labels: {l: red}}}");
  const Object b = api.create(config_map("b", "blue"));
  REQUIRE(api.try_remove(a).ok());
  REQUIRE(api.try_remove(b).ok());
  CHECK(drain(*all) ==
        Texts{"ADDED a", "MODIFIED a", "MODIFIED a", "MODIFIED a", "ADDED b", "DELETED a", "DELETED b"});
  CHECK(drain(*red) == Texts{"ADDED a", "MODIFIED a", "DELETED a", "ADDED a", "DELETED a"});
  CHECK(drain(*named) == Texts{"ADDED b", "DELETED b"});
  CHECK(drain(*elsewhere).empty());
  CHECK(elsewhere->caught_up());
}

TEST_CASE("an object that leaves a filter is shown as it was when it matched") {
  TestApi api;
  auto watcher = api.cacher().resource(kMaps).watch(filter("", "l=red"), api.cacher().revision()).value();
  const Object a = api.create(config_map("a", "red"));
  const Object after = api.patch(PatchType::kMerge, a, "{metadata: {labels: {l: blue}}}");
  (void)watcher->try_next();
  const auto gone = watcher->try_next();
  REQUIRE(gone);
  CHECK(gone->object.label("l") == "red");
  CHECK(gone->object.resource_version() == after.resource_version());
}

TEST_CASE("watches share the cache's bytes") {
  TestApi api;
  auto one = api.cacher().resource(kMaps).watch(filter(""), api.cacher().revision()).value();
  auto two = api.cacher().resource(kMaps).watch(filter("default"), api.cacher().revision()).value();
  const Object a = api.create(config_map("a"));
  const auto bytes = a.bytes().view().data();
  CHECK(one->try_next()->object.bytes().view().data() == bytes);
  CHECK(two->try_next()->object.bytes().view().data() == bytes);
}

TEST_CASE("a watch resumes from a past revision, until that is too old") {
  FakeStore store;
  Cacher cacher(store);
  const auto bytes = encode_stored(TestApi::yaml(config_map("a")));
  const auto change = [&] { store.change("configmaps/default/a", bytes, false); };
  change();
  change();
  auto& cache = cacher.resource(kMaps);
  auto watcher = cache.watch(filter(""), 1).value();
  CHECK(drain(*watcher) == Texts{"MODIFIED a"});
  for (int i = 0; i < 999; ++i) change();
  CHECK(cache.watch(filter(""), 1).ok());
  change();
  const auto late = cache.watch(filter(""), 1);
  REQUIRE(!late.ok());
  CHECK(late.error().is(Reason::kExpired));
  CHECK(late.error().message() == "too old resource version: 1 (2)");
  CHECK(drain(*watcher).size() == 1000);
}

TEST_CASE("a watcher that falls too far behind is closed") {
  FakeStore store;
  Cacher cacher(store);
  auto slow = cacher.resource(kMaps).watch(filter(""), 0).value();
  const auto bytes = encode_stored(TestApi::yaml(config_map("a")));
  for (int i = 0; i < 10'001; ++i) store.change("configmaps/default/a", bytes, false);
  CHECK(slow->lagging());
  CHECK(!slow->caught_up());
  CHECK(drain(*slow).size() == 10'000);
}

TEST_CASE("a restart finds everything, and watches from before it resume without a gap") {
  TestApi api;
  const Object a = api.create(config_map("a", "red"));
  const Object b = api.create(config_map("b", "red"));
  const auto seen = revision_of(b);
  const Object changed = api.patch(PatchType::kMerge, a, "{metadata: {labels: {l: blue}}}");
  REQUIRE(api.try_remove(b).ok());
  api.create(config_map("c", "red"));
  api.restart();
  CHECK(api.get(a).bytes().view() == changed.bytes().view());
  CHECK(!api.get(b));
  CHECK(api.cacher().resource(kMaps).list(filter("")).size() == 2);
  auto watcher = api.cacher().resource(kMaps).watch(filter("", "l=red"), seen).value();
  CHECK(drain(*watcher) == Texts{"DELETED a", "DELETED b", "ADDED c"});
}

TEST_CASE("after compaction and a restart, older watches must list again") {
  TestApi api;
  const Object a = api.create(config_map("a"));
  const Object b = api.create(config_map("b"));
  api.patch(PatchType::kMerge, a, "{data: {k: v}}");
  REQUIRE(api.run(api.store().compact(revision_of(b))).ok());
  api.restart();
  auto& cache = api.cacher().resource(kMaps);
  CHECK(cache.list(filter("")).size() == 2);
  CHECK(cache.watch(filter(""), revision_of(a)).error().is(Reason::kExpired));
  CHECK(drain(*cache.watch(filter(""), revision_of(b)).value()) == Texts{"MODIFIED a"});
}

TEST_CASE("filters: fields a kind has, and errors of those it has not") {
  const auto bad = make_filter(*api::find_builtin(kMaps), "", "", "spec.foo=1");
  REQUIRE(!bad.ok());
  CHECK(bad.error().message() == "field label not supported: spec.foo");
  CHECK(!make_filter(*api::find_builtin(kMaps), "", "a in", "").ok());
  TestApi api;
  const std::string spec = "spec: {containers: [{name: c, image: i}]}}";
  const Object one = api.create("{apiVersion: v1, kind: Pod, metadata: {name: p1}, " + spec);
  api.create("{apiVersion: v1, kind: Pod, metadata: {name: p2}, " + spec);
  api.patch(PatchType::kMerge, one, "{status: {phase: Failed}}", "status");
  const auto names = [&](std::string_view fields) {
    Texts out;
    const auto pods = make_filter(*api::find_builtin(api::resources::kPods), "default", "", fields).value();
    for (const auto& pod : api.cacher().resource(api::resources::kPods).list(pods))
      out.emplace_back(pod.name());
    return out;
  };
  CHECK(names("status.phase=Failed") == Texts{"p1"});
  CHECK(names("status.phase!=Failed") == Texts{"p2"});
  CHECK(names("spec.nodeName=") == Texts{"p1", "p2"});
  CHECK(names("metadata.name=p2,status.phase=Failed").empty());
  CHECK(names("metadata.name!=p2") == Texts{"p1"});
}

TEST_CASE("changes find their watchers by name, field and namespace, and forget those that are gone") {
  TestApi api;
  auto& cache = api.cacher().resource(api::resources::kPods);
  const auto since = api.cacher().revision();
  const auto watch = [&](std::string ns, std::string_view labels, std::string_view fields) {
    return cache
        .watch(make_filter(*api::find_builtin(api::resources::kPods), std::move(ns), labels, fields).value(),
               since)
        .value();
  };
  for (int i = 0; i < 200; ++i) (void)watch("", "", "spec.nodeName=gone" + std::to_string(i));
  auto mine = watch("", "", "spec.nodeName=n1"), other = watch("", "", "spec.nodeName=n2");
  auto unset = watch("default", "", "spec.nodeName="), named = watch("", "a=b", "metadata.name=p");
  auto ended = watch("", "", "status.phase=Failed"), rest = watch("", "", "spec.nodeName!=n1");
  const Object pod = api.create(
      "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {a: b}}, spec: {nodeName: n1, containers: "
      "[{name: c, image: i}]}}");
  const Object loose = api.create(
      "{apiVersion: v1, kind: Pod, metadata: {name: q}, spec: {containers: [{name: c, image: i}]}}");
  api.patch(PatchType::kMerge, pod, "{status: {phase: Failed}}", "status");
  REQUIRE(api.try_remove(loose).ok());
  CHECK(drain(*mine) == Texts{"ADDED p", "MODIFIED p"});
  CHECK(drain(*other).empty());
  CHECK(drain(*unset) == Texts{"ADDED q", "DELETED q"});
  CHECK(drain(*named) == Texts{"ADDED p", "MODIFIED p"});
  CHECK(drain(*ended) == Texts{"ADDED p"});
  CHECK(drain(*rest) == Texts{"ADDED q", "DELETED q"});
}

TEST_CASE("the source of an event is its component, or who reports it") {
  const auto event = [](const char* text) { return api::Object(api::parse_yaml(text).value()); };
  CHECK(selected_value(event("{source: {component: a}, reportingComponent: b}"), "source") == "a");
  CHECK(selected_value(event("{reportingComponent: b}"), "source") == "b");
  CHECK(selected_value(event("{}"), "source").empty());
}
