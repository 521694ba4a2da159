#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "mk/api/resource.h"
#include "mk/base/files.h"
#include "mk/base/temp_dir.h"
#include "mk/client/attachment.h"
#include "mk/client/fake_client.h"
#include "mk/net/grpc.h"
#include "mk/rt/group.h"
#include "pods/events.h"
#include "testing/fake_mounter.h"
#include "testing/fake_runtime.h"
#include "volumes/csi/csi_volumes.h"
#include "volumes/csi/folders.h"
#include "volumes/object_watcher.h"
#include "volumes/ownership.h"

using namespace mk;
using namespace mk::kubelet;
using namespace std::chrono_literals;

namespace {

const api::Gvr kCsiNodes{"storage.k8s.io", "v1", "csinodes"}, kDrivers{"storage.k8s.io", "v1", "csidrivers"},
    kAttachments{"storage.k8s.io", "v1", "volumeattachments"};

// A CSI driver of our own, on real sockets: it writes down what it is asked. "Mounting" is making the target.
class Driver {
 public:
  Driver(rt::Loop& loop, std::string folder) : endpoint_(folder + "/csi.sock") {
    const auto answer = [this](std::string method, std::string message) {
      return reply(std::move(method), std::move(message));
    };
    service_ = net::listen_grpc(loop, endpoint_, answer).value();
    registrar_ = net::listen_grpc(loop, folder + "/plugins_registry/test-reg.sock", answer).value();
  }
  rt::Task<> unregister() { co_await registrar_->stop(); }
  rt::Task<> stop() {
    co_await registrar_->stop();
    co_await service_->stop();
  }

  std::vector<std::pair<std::string, std::string>> calls;  // method and request
  std::string refuse;                                      // a method that fails
  std::string last(const std::string& method) const {
    for (auto it = calls.rbegin(); it != calls.rend(); ++it)
      if (it->first == method) return it->second;
    return "never";
  }
  std::size_t count(const std::string& method) const {
    return static_cast<std::size_t>(
        std::count_if(calls.begin(), calls.end(), [&](const auto& call) { return call.first == method; }));
  }

 private:
  rt::Task<net::GrpcAnswer> reply(std::string path, std::string message) {
    const auto method = path.substr(path.rfind('/') + 1);
    calls.emplace_back(method, message);
    net::GrpcAnswer out;
    Message answer;
    if (method == refuse) {
      out.code = 5;
      out.text = "no such volume";
    } else if (method == "GetInfo") {
      answer.text(1, "CSIPlugin").text(2, "test.csi.mk").text(3, endpoint_).text(4, "1.0.0");
    } else if (method == "NodeGetInfo") {
      Message topology;
      topology.map(1, {{"topology.test/zone", "z1"}});
      answer.text(1, "node-id-7").number(2, 16).message(3, topology);
    } else if (method == "NodeGetCapabilities") {
      Message rpc, capability;
      rpc.number(1, 1);
      capability.message(1, rpc);
      answer.message(1, capability);
    } else if (method == "NodePublishVolume") {
      CHECK(make_dirs(std::string(Fields::parse(message)->text(4))).ok());
    } else if (method == "NodeUnpublishVolume") {
      CHECK(remove_tree(std::string(Fields::parse(message)->text(2))).ok());
    }
    out.message = answer.bytes();
    co_return out;
  }

  std::string endpoint_;
  std::unique_ptr<net::GrpcServer> service_, registrar_;
};

api::Object object(const std::string& yaml) {
  return api::Object(api::parse_yaml(yaml).value());
}

struct Node {
  TempDir dir;
  rt::Loop loop;
  std::unique_ptr<rt::Clock> clock = rt::make_real_clock();
  std::unique_ptr<rt::Random> random = rt::make_random(1);
  rt::BlockingPool pool{2};
  client::FakeClient api{*clock};
  NodeRuntime runtime;
  KubeletOptions options;
  EventRecorder events{api, *clock, "n1"};
  ObjectWatcher objects{loop, api, *clock, *random};
  FakeMounter mounter;
  client::Informer services{api, *clock, *random, api::resources::kServices, "", client::ListOptions()};
  Context context{loop, *clock, *random, pool, api, runtime, options, events, objects, mounter, services, {}};
  std::unique_ptr<PluginRegistry> registry;
  std::unique_ptr<CsiVolumes> csi;
  std::unique_ptr<Driver> driver;
  std::unique_ptr<rt::Group> group;

  Node() {
    options.node_name = "n1";
    options.data_dir = dir.path();
    REQUIRE(make_dirs(dir.path() + "/plugins_registry").ok());
    api.put(api::resources::kNodes,
            object("{apiVersion: v1, kind: Node, metadata: {name: n1, uid: nu}}").json());
    start();
    driver = std::make_unique<Driver>(loop, dir.path());
    until([this] { return driver->count("NotifyRegistrationStatus") > 0; });
  }
  ~Node() {
    rt::run_until_done(loop, driver->stop());
    rt::run_until_done(loop, group->stop());
    rt::run_until_done(loop, objects.stop());
  }
  void start() {
    group = std::make_unique<rt::Group>(loop.executor());
    registry = std::make_unique<PluginRegistry>(context, dir.path() + "/plugins_registry");
    csi = std::make_unique<CsiVolumes>(context, *registry, dir.path());
    const auto begin = [](CsiVolumes& of) -> rt::Task<> { CHECK((co_await of.start()).ok()); };
    rt::run_until_done(loop, begin(*csi));
    REQUIRE(registry->start(*group).ok());
  }
  void restart() {
    rt::run_until_done(loop, group->stop());
    const auto before = driver->count("NotifyRegistrationStatus");
    start();
    until([&] { return driver->count("NotifyRegistrationStatus") > before; });
  }
  template <class F>
  void until(F condition) {
    for (int i = 0; i < 20000 && !condition(); ++i) {
      if (loop.poll() == 0) std::this_thread::sleep_for(1ms);
    }
    REQUIRE(condition());
    for (int i = 0; i < 100; ++i) loop.poll();
  }
  Result<CsiVolumes::Mounted> set_up(const api::Object& pod, const api::Json& volume,
                                     const api::Object& persistent = {}) {
    std::optional<Result<CsiVolumes::Mounted>> out;
    const auto run = [](CsiVolumes& of, api::Object pod_, CsiVolume wanted, auto& to) -> rt::Task<> {
      to.emplace(co_await of.set_up(std::move(pod_), std::move(wanted)));
    };
    auto wanted = csi_volume(pod, volume, persistent);
    if (!wanted.ok()) return std::move(wanted).error();
    rt::run_until_done(loop, run(*csi, pod, *wanted, out));
    return *out;
  }
  Result<void> tear_down(const std::string& uid) {
    std::optional<Result<void>> out;
    const auto run = [](CsiVolumes& of, std::string of_pod, auto& to) -> rt::Task<> {
      to.emplace(co_await of.tear_down(std::move(of_pod)));
    };
    rt::run_until_done(loop, run(*csi, uid, out));
    return *out;
  }
};

api::Object pod(const std::string& uid) {
  return object("{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns, uid: " + uid +
                "}, spec: {serviceAccountName: sa}}");
}
const api::Json kUse = api::parse_yaml("{name: v, persistentVolumeClaim: {claimName: c}}").value();
const std::string kVolume =
    "{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv1}, spec: {accessModes: [ReadWriteOnce], "
    "mountOptions: [noatime], csi: {driver: test.csi.mk, volumeHandle: h1, fsType: ext4, volumeAttributes: "
    "{a: "
    "b}}}}";

}  // namespace

TEST_CASE("a driver that registers is in the CSINode, and leaves it with its socket") {
  Node node;
  CHECK(Fields::parse(node.driver->last("NotifyRegistrationStatus"))->flag(1));
  const auto drivers = [&node] {
    return api::list(node.api.find(kCsiNodes, api::Key("", "n1")).json(), "spec.drivers");
  };
  REQUIRE(drivers().size() == 1);
  CHECK(api::str(drivers()[0], "name") == "test.csi.mk");
  CHECK(api::str(drivers()[0], "nodeID") == "node-id-7");
  CHECK(api::num(drivers()[0], "allocatable.count") == 16);
  CHECK(api::list(drivers()[0], "topologyKeys").front() == "topology.test/zone");
  CHECK(node.api.find(api::resources::kNodes, api::Key("", "n1")).label("topology.test/zone") == "z1");
  rt::run_until_done(node.loop, node.driver->unregister());
  node.until([&] { return drivers().empty(); });
  const auto late = node.set_up(pod("u1"), kUse, object(kVolume));
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().message() == "driver name test.csi.mk not found in the list of registered CSI drivers");
}

TEST_CASE("a volume is mounted once it is attached: staged for the node, published for the pod") {
  Node node;
  const auto early = node.set_up(pod("u1"), kUse, object(kVolume));
  REQUIRE_FALSE(early.ok());
  CHECK(early.error().message().find("is not attached yet") != std::string::npos);
  CHECK(node.driver->count("NodeStageVolume") == 0);
  node.api.put(kAttachments,
               object("{apiVersion: storage.k8s.io/v1, kind: VolumeAttachment, metadata: {name: " +
                      client::attachment_name("h1", "test.csi.mk", "n1") +
                      "}, spec: {nodeName: n1}, status: {attached: true, attachmentMetadata: {device: x}}}")
                   .json());
  const auto mounted = node.set_up(pod("u1"), kUse, object(kVolume));
  REQUIRE(mounted.ok());
  CHECK(mounted->path == node.dir.path() + "/pods/u1/volumes/kubernetes.io~csi/pv1/mount");
  const auto request = node.driver->last("NodeStageVolume");
  const auto staged = Fields::parse(request);
  CHECK(staged->text(1) == "h1");
  CHECK(staged->map(2)["device"] == "x");
  CHECK(staged->map(6)["a"] == "b");
  const auto capability = Fields::parse(staged->text(4));
  const auto mount = Fields::parse(capability->text(2)), mode = Fields::parse(capability->text(3));
  CHECK(mount->text(1) == "ext4");
  CHECK(mount->text(2) == "noatime");
  CHECK(mode->number(1) == 1);
  const auto asked = node.driver->last("NodePublishVolume");
  const auto published = Fields::parse(asked);
  CHECK(published->text(3) == staged->text(3));
  CHECK(published->text(4) == mounted->path);
  REQUIRE(node.tear_down("u1").ok());
  CHECK(node.driver->count("NodeUnpublishVolume") == 1);
  CHECK(node.driver->count("NodeUnstageVolume") == 1);
  CHECK_FALSE(file_exists(std::string(staged->text(3))));
  CHECK_FALSE(file_exists(node.dir.path() + "/pods/u1/volumes/kubernetes.io~csi/pv1"));
}

TEST_CASE("a volume stays staged while a second pod has it, also over a restart of the kubelet") {
  Node node;
  node.api.put(kDrivers, object("{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: "
                                "test.csi.mk}, spec: {attachRequired: false}}")
                             .json());
  REQUIRE(node.set_up(pod("u1"), kUse, object(kVolume)).ok());
  REQUIRE(node.set_up(pod("u2"), kUse, object(kVolume)).ok());
  CHECK(node.driver->count("NodeStageVolume") == 1);
  CHECK(node.driver->count("NodePublishVolume") == 2);
  node.restart();
  REQUIRE(node.tear_down("u1").ok());
  CHECK(node.driver->count("NodeUnstageVolume") == 0);
  node.driver->refuse = "NodeUnpublishVolume";
  const auto failed = node.tear_down("u2");
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().message() == "rpc error: code = NotFound desc = no such volume");
  node.driver->refuse.clear();
  REQUIRE(node.tear_down("u2").ok());
  CHECK(node.driver->count("NodeUnstageVolume") == 1);
  REQUIRE(node.tear_down("u2").ok());  // nothing is left to do
  CHECK(node.driver->count("NodeUnstageVolume") == 1);
}

TEST_CASE(
    "an inline volume is the pod's own: neither attached nor staged, with what the driver asks of the pod") {
  Node node;
  const auto volume = api::parse_yaml(
                          "{name: scratch, csi: {driver: test.csi.mk, volumeAttributes: {k: w}, "
                          "nodePublishSecretRef: {name: key}}}")
                          .value();
  const auto refused = node.set_up(pod("u1"), volume);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message().find("\"Ephemeral\" not supported") != std::string::npos);
  node.api.put(kDrivers,
               object("{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: test.csi.mk}, "
                      "spec: {podInfoOnMount: true, requiresRepublish: true, volumeLifecycleModes: "
                      "[Ephemeral]}}")
                   .json());
  node.api.put(
      api::resources::kSecrets,
      object("{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: ns}, data: {s: c2VjcmV0}}")
          .json());
  const auto mounted = node.set_up(pod("u1"), volume);
  REQUIRE(mounted.ok());
  CHECK(mounted->republish);
  CHECK(node.driver->count("NodeStageVolume") == 0);
  const auto request = node.driver->last("NodePublishVolume");
  const auto published = Fields::parse(request);
  auto attributes = published->map(8);
  CHECK(attributes["k"] == "w");
  CHECK(attributes["csi.storage.k8s.io/pod.uid"] == "u1");
  CHECK(attributes["csi.storage.k8s.io/serviceAccount.name"] == "sa");
  CHECK(attributes["csi.storage.k8s.io/ephemeral"] == "true");
  CHECK(published->map(7)["s"] == "secret");
  CHECK(published->text(1).substr(0, 4) == "csi-");
  REQUIRE(node.tear_down("u1").ok());
  CHECK(node.driver->count("NodeUnstageVolume") == 0);
}

TEST_CASE("the pod's group owns what the driver leaves to the kubelet, all the way down") {
  TempDir dir;
  REQUIRE(make_dirs(dir.path() + "/a/b").ok());
  REQUIRE(write_file(dir.path() + "/a/b/f", "x").ok());
  if (::geteuid() != 0) return;
  REQUIRE(own_tree_by_group(dir.path(), 4711).ok());
  struct stat info;
  REQUIRE(::stat((dir.path() + "/a/b/f").c_str(), &info) == 0);
  CHECK(info.st_gid == 4711);
  CHECK((info.st_mode & 0060) == 0060);
  REQUIRE(::stat((dir.path() + "/a/b").c_str(), &info) == 0);
  CHECK((info.st_mode & (S_ISGID | 0070)) == (S_ISGID | 0070));
}
