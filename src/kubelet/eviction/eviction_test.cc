#include <catch2/catch.hpp>

#include "eviction/disk_use.h"
#include "eviction/eviction_manager.h"
#include "testing/pods_on_node.h"

using namespace mk;
using namespace mk::kubelet;
using namespace std::chrono_literals;

namespace {

const Threshold& threshold_of(const KubeletSettings& settings, Signal signal) {
  for (const auto& each : settings.thresholds)
    if (each.signal == signal) return each;
  FAIL("no such threshold");
  return settings.thresholds.front();
}

PodUse use_of(const std::string& name, std::int64_t usage, const std::string& request, int priority = 0) {
  const std::string resources = request.empty() ? "{}"
                                                : R"({"requests":{"memory":")" + request +
                                                      R"(","ephemeral-storage":")" + request + "\"}}";
  auto pod = api::parse_json(R"({"metadata":{"name":")" + name + R"("},"spec":{"priority":)" +
                             std::to_string(priority) + R"(,"containers":[{"name":"a","resources":)" +
                             resources + "}]}}");
  REQUIRE(pod.ok());
  return {api::Object(std::move(*pod)), usage, {{"a", usage}}};
}

std::string names_of(const std::vector<PodUse>& pods) {
  std::string out;
  for (const auto& each : pods) out += std::string(each.pod.name()) + " ";
  return out;
}

constexpr std::int64_t kMi = 1 << 20;
const rt::MonoTime kBegin{};

// A node whose memory or disk always counts as short.
struct ShortNode : PodsOnNode {
  explicit ShortNode(const std::string& argument) {
    auto settings = parse_kubelet_arguments({argument});
    REQUIRE(settings.ok());
    pods->refuse = [this](const Json& pod) { return refuse_under_pressure(pod, context.pressure); };
    EvictionManager::Hooks hooks{[this] { ++told; },
                                 [this]() -> rt::Task<> {
                                   ++rooms;
                                   co_return;
                                 }};
    manager = std::make_unique<EvictionManager>(context, *pods, *settings, std::move(hooks));
  }
  ~ShortNode() { rt::run_until_done(loop, group.stop()); }
  void begin() {
    manager->start(group);
    for (int i = 0; i < 20; ++i) advance(200ms);
  }
  std::string reason(const std::string& name) {
    return std::string(api::str(get(name).json(), "status.reason"));
  }
  std::string condition(const std::string& name, const std::string& type) {
    const api::Object pod = get(name);
    for (const Json& each : api::list(pod.json(), "status.conditions"))
      if (api::str(each, "type") == type) return std::string(api::str(each, "reason"));
    return "absent";
  }
  int told = 0, rooms = 0;
  std::unique_ptr<EvictionManager> manager;
};

}  // namespace

TEST_CASE("the eviction settings have Kubernetes' defaults and read its flags") {
  const auto defaults = *parse_kubelet_arguments({});
  CHECK(defaults.thresholds.size() == 5);
  CHECK(threshold_of(defaults, Signal::kMemory).least.value == 100 * kMi);
  CHECK(threshold_of(defaults, Signal::kNodeFs).least.of(200) == 20);
  CHECK(threshold_of(defaults, Signal::kImageFs).least.of(200) == 30);
  CHECK(defaults.pressure_transition == 5min);
  const auto own = *parse_kubelet_arguments(
      {"--eviction-hard=memory.available<1Gi,nodefs.available<0%", "eviction-soft=memory.available<2Gi",
       "eviction-soft-grace-period=memory.available=1m30s", "eviction-minimum-reclaim=memory.available=10Mi",
       "eviction-max-pod-grace-period=60"});
  REQUIRE(own.thresholds.size() == 2);
  CHECK(own.thresholds[0].least.value == 1024 * kMi);
  CHECK(own.thresholds[0].reclaim.value == 10 * kMi);
  CHECK(own.thresholds[1].soft);
  CHECK(own.thresholds[1].grace == 90s);
  CHECK(own.pod_grace_max == 60s);
}

TEST_CASE("malformed kubelet arguments are refused") {
  for (const char* wrong :
       {"eviction-hard=memory<1Gi", "eviction-hard=memory.available", "evict-hard=x", "eviction-hard",
        "eviction-hard=nodefs.available<110%", "eviction-soft=memory.available<1Gi",
        "image-gc-high-threshold=101", "eviction-pressure-transition-period=5"})
    CHECK_FALSE(parse_kubelet_arguments({wrong}).ok());
  CHECK_FALSE(parse_kubelet_arguments({"image-gc-high-threshold=50", "image-gc-low-threshold=60"}).ok());
}

TEST_CASE("durations are read in Go's form") {
  CHECK(*parse_go_duration("1h2m3s") == 3723s);
  CHECK(*parse_go_duration("500ms") == 500ms);
  CHECK(*parse_go_duration("1.5s") == 1500ms);
  CHECK(*parse_go_duration("0") == 0s);
  for (const char* wrong : {"", "5", "s", "5x", "-5s", "5s3"}) CHECK_FALSE(parse_go_duration(wrong).ok());
}

TEST_CASE("a crossed threshold is pressure at once and for the transition period after") {
  PressureTracker tracker(parse_kubelet_arguments({"eviction-hard=memory.available<100Mi"})->thresholds,
                          5min);
  auto look = [&](std::int64_t available, rt::Duration at) {
    return tracker.look({{Signal::kMemory, {available * kMi, 1000 * kMi}}}, kBegin + at);
  };
  CHECK_FALSE(look(100, 0s).pressure.memory);
  const Verdict crossed = look(99, 1s);
  CHECK(crossed.pressure.memory);
  CHECK_FALSE(crossed.pressure.disk);
  REQUIRE(crossed.act.size() == 1);
  CHECK(crossed.act[0].seen.available == 99 * kMi);
  const Verdict over = look(500, 2s);
  CHECK(over.pressure.memory);
  CHECK(over.act.empty());
  CHECK(look(500, 5min).pressure.memory);
  CHECK_FALSE(look(500, 5min + 1s).pressure.memory);
}

TEST_CASE("a soft threshold acts after its grace, and starts anew when it was over meanwhile") {
  PressureTracker tracker(parse_kubelet_arguments({"eviction-hard=", "eviction-soft=nodefs.available<10%",
                                                   "eviction-soft-grace-period=nodefs.available=1m"})
                              ->thresholds,
                          5min);
  auto look = [&](std::int64_t available, rt::Duration at) {
    return tracker.look({{Signal::kNodeFs, {available, 1000}}}, kBegin + at);
  };
  CHECK(look(99, 0s).pressure.disk);
  CHECK(look(99, 59s).act.empty());
  CHECK(look(100, 60s).act.empty());
  CHECK(look(99, 61s).act.empty());
  CHECK(look(99, 121s).act.size() == 1);
}

TEST_CASE("with a minimum to reclaim, a threshold is over only beyond it; memory is more urgent than disk") {
  PressureTracker tracker(parse_kubelet_arguments({"eviction-hard=nodefs.available<10%,memory.available<10",
                                                   "eviction-minimum-reclaim=nodefs.available=50"})
                              ->thresholds,
                          0s);
  auto look = [&](std::int64_t disk, std::int64_t memory) {
    return tracker.look({{Signal::kNodeFs, {disk, 1000}}, {Signal::kMemory, {memory, 1000}}}, kBegin);
  };
  const Verdict both = look(50, 5);
  REQUIRE(both.act.size() == 2);
  CHECK(both.act[0].threshold.signal == Signal::kMemory);
  CHECK(look(149, 10).act.size() == 1);
  CHECK(look(150, 10).act.empty());
}

TEST_CASE("pods over their request go first, then by priority, then by how much they are over") {
  const auto order = rank(
      {use_of("fine", 50 * kMi, "100Mi"), use_of("over", 150 * kMi, "100Mi", 5),
       use_of("much", 300 * kMi, "100Mi", 5), use_of("none", 10 * kMi, ""), use_of("large", 90 * kMi, "", 1)},
      Signal::kMemory);
  CHECK(names_of(order) == "none large much over fine ");
  const auto by_pids =
      rank({use_of("few", 5, ""), use_of("many", 50, ""), use_of("dear", 500, "", 9)}, Signal::kPids);
  CHECK(names_of(by_pids) == "many few dear ");
}

TEST_CASE("an evicted pod is told what was short and what it used") {
  const Breach breach{{Signal::kMemory, {100 * kMi, -1}, {}, 0s, false}, {52 * kMi, 1000 * kMi}};
  CHECK(eviction_message(use_of("a", 200 * kMi, "100Mi"), breach) ==
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi. Container a was "
        "using "
        "200Mi, request is 100Mi, has larger consumption of memory. ");
  CHECK(eviction_message(use_of("a", 50 * kMi, "100Mi"), breach).find("Container") == std::string::npos);
}

TEST_CASE("a pod's own limits of local storage") {
  const Json pod = *api::parse_json(R"({"spec":{
    "volumes":[{"name":"v","emptyDir":{"sizeLimit":"1Mi"}},{"name":"m","emptyDir":{"medium":"Memory","sizeLimit":"1"}}],
    "containers":[{"name":"a","resources":{"limits":{"ephemeral-storage":"2Mi"}}},{"name":"b"}]}})");
  CHECK(has_storage_limit(pod));
  CHECK_FALSE(has_storage_limit(use_of("x", 0, "5Mi").pod.json()));
  CHECK_FALSE(storage_excess(pod, {{{"a", kMi}, {"b", 0}}, {{"v", kMi}}}));
  CHECK(*storage_excess(pod, {{}, {{"v", kMi + 1}}}) ==
        "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ");
  CHECK(*storage_excess(pod, {{{"a", 3 * kMi}}, {}}) ==
        "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ");
  CHECK(storage_excess(pod, {{{"a", kMi}, {"b", kMi}}, {{"v", kMi}}}));
  const Json two = *api::parse_json(R"({"spec":{"containers":[
    {"name":"a","resources":{"limits":{"ephemeral-storage":"2Mi"}}},
    {"name":"b","resources":{"limits":{"ephemeral-storage":"2Mi"}}}]}})");
  CHECK(*storage_excess(two, {{{"a", 3 * kMi}}, {}}) ==
        "Container a exceeded its local ephemeral storage limit \"2Mi\". ");
}

TEST_CASE(
    "a node under pressure takes critical pods, and under memory pressure those that asked for memory") {
  const Json best = use_of("a", 0, "").pod.json(), burst = use_of("a", 0, "1Mi").pod.json();
  const Json critical = use_of("a", 0, "", 2'000'000'000).pod.json();
  CHECK_FALSE(refuse_under_pressure(best, {}));
  CHECK(refuse_under_pressure(best, {true, false, false})->message ==
        "The node had condition: [MemoryPressure]. ");
  CHECK_FALSE(refuse_under_pressure(burst, {true, false, false}));
  CHECK(refuse_under_pressure(burst, {true, true, false})->reason == "Evicted");
  CHECK_FALSE(refuse_under_pressure(critical, {true, true, true}));
  Json tolerant = best;
  api::set(tolerant, "spec.tolerations",
           *api::parse_json(R"([{"key":"node.kubernetes.io/memory-pressure","operator":"Exists"}])"));
  CHECK_FALSE(refuse_under_pressure(tolerant, {true, false, false}));
}

TEST_CASE("disk use counts what a folder holds, and hard links once") {
  char name[] = "/tmp/mk-disk-use-XXXXXX";
  const std::string dir = ::mkdtemp(name);
  REQUIRE(make_dirs(dir + "/sub").ok());
  REQUIRE(write_file(dir + "/sub/file", std::string(64 << 10, 'x')).ok());
  const DiskUse before = disk_use(dir);
  CHECK(before.inodes == 3);
  CHECK(before.bytes >= 64 << 10);
  REQUIRE(::link((dir + "/sub/file").c_str(), (dir + "/again").c_str()) == 0);
  CHECK(disk_use(dir).inodes == 3);
  CHECK(disk_use(dir + "/none").bytes == 0);
  (void)remove_tree(dir);
}

TEST_CASE("what this machine has free is seen") {
  const auto seen = read_signals("/tmp");
  for (const Signal signal : {Signal::kMemory, Signal::kNodeFs, Signal::kPids}) {
    REQUIRE(seen.count(signal) == 1);
    CHECK(seen.at(signal).available > 0);
    CHECK(seen.at(signal).available < seen.at(signal).capacity);
  }
}

TEST_CASE("under pressure pods end as evicted, critical ones stay, and new ones are refused") {
  ShortNode node("eviction-hard=memory.available<100%");
  node.create("web", R"({"containers":[{"name":"a","image":"img"}],"terminationGracePeriodSeconds":30})");
  node.create("core", R"({"priority":2000001000,"containers":[{"name":"a","image":"img"}]})");
  node.containers().ignores_signal.insert("a");
  node.begin();
  CHECK(node.phase("web") == "Failed");
  CHECK(node.reason("web") == "Evicted");
  CHECK(node.condition("web", "DisruptionTarget") == "TerminationByKubelet");
  CHECK(node.phase("core") == "Running");
  CHECK(node.condition("core", "DisruptionTarget") == "absent");
  CHECK(node.context.pressure.memory);
  CHECK(node.told == 1);
  CHECK(node.rooms == 0);
  node.create("late", R"({"containers":[{"name":"a","image":"img"}]})");
  CHECK(node.phase("late") == "Failed");
  CHECK(node.reason("late") == "Evicted");
}

TEST_CASE("a disk that fills is emptied of what nobody needs before pods go") {
  ShortNode node("eviction-hard=nodefs.available<100%");
  node.containers().exits_at_once["b"] = 0;
  node.create("done", R"({"restartPolicy":"Never","containers":[{"name":"b","image":"img"}]})");
  REQUIRE(node.phase("done") == "Succeeded");
  CHECK(node.pods->by_uid("uid-done")->has_dead_weight());
  node.create("web", R"({"containers":[{"name":"a","image":"img"}]})");
  node.begin();
  CHECK(node.rooms >= 1);
  CHECK_FALSE(node.pods->by_uid("uid-done")->has_dead_weight());
  CHECK(node.phase("done") == "Succeeded");
  CHECK(api::num(node.status_of("done"), "state.terminated.exitCode", -1) == 0);
  CHECK(node.reason("web") == "Evicted");
  CHECK(node.context.pressure.disk);
}

TEST_CASE("a pod that passes the size limit of its emptyDir goes, without pressure") {
  ShortNode node("eviction-hard=");
  node.create("web", R"({"volumes":[{"name":"v","emptyDir":{"sizeLimit":"32Ki"}}],
                         "containers":[{"name":"a","image":"img"}]})");
  node.begin();
  CHECK(node.phase("web") == "Running");
  REQUIRE(write_file(node.options.data_dir + "/pods/uid-web/volumes/kubernetes.io~empty-dir/v/big",
                     std::string(64 << 10, 'x'))
              .ok());
  for (int i = 0; i < 60; ++i) node.advance(200ms);
  CHECK(node.reason("web") == "Evicted");
  CHECK_FALSE(node.context.pressure.disk);
}
