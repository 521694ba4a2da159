#include "images/store.h"

#include <catch2/catch.hpp>

#include "images/test_registry.h"
#include "images/testing.h"
#include "mk/base/strings.h"

using namespace mk;
using namespace mk::kubelet;
using namespace mk::kubelet::testing;

namespace {

TestImage small_image() {
  return make_image(
      {{{"bin/", AE_IFDIR}, {"bin/sh", AE_IFREG, std::string(300000, 'x')}}, {{"etc/conf", AE_IFREG, "1"}}},
      R"({"Cmd":["sh"],"Env":["PATH=/bin"],"User":"nobody","StopSignal":"SIGINT"})");
}

// Serves one image under any repository as tag "v1"; `tweak` may spoil the reply.
TestRegistry::Handler serve(const TestImage& image,
                            std::function<void(const TestRequest&, TestReply&)> tweak = nullptr) {
  return [=](const TestRequest& request) {
    TestReply reply;
    const auto path = request.target.substr(0, request.target.find('?'));
    const std::string last = path.substr(path.rfind('/') + 1);
    const auto blob = image.blobs.find(last == "v1" ? image.manifest : last);
    if (blob == image.blobs.end()) {
      reply.status = 404;
      reply.body = R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})";
    } else {
      reply.body = blob->second;
      if (const auto range = request.header("Range"); !range.empty()) {
        reply.status = 206;
        reply.body =
            reply.body.substr(static_cast<std::size_t>(*parse_int(range.substr(6, range.size() - 7))));
      }
    }
    if (tweak) tweak(request, reply);
    return reply;
  };
}

struct Store {
  explicit Store(const std::string& yaml = "", TransferLimits limits = {2, 1})
      : images(loop, dir.path, *Registries::parse(yaml), limits) {
    REQUIRE(images.open().ok());
  }
  Result<ImageInfo> pull(std::string reference, std::vector<RegistryAuth> credentials = {}) {
    return run(loop, images.pull(reference, credentials));
  }
  Result<std::vector<ImageInfo>> import(std::string path, std::string name = "") {
    return run(loop, images.import(path, name));
  }
  void remove(std::string id) { CHECK(run(loop, images.remove(id)).ok()); }
  TempDir dir;
  rt::Loop loop;
  LocalImages images;
};

bool skip_without_root() {
  if (::geteuid() == 0) return false;
  WARN("SKIPPED: needs root to unpack layers with their owners");
  return true;
}

rt::Task<> pull_into(LocalImages& images, std::string reference, int& good) {
  auto pulled = co_await images.pull(reference, {});
  good += pulled.ok();
}

rt::Task<> pull_twice(rt::Loop& loop, LocalImages& images, std::string reference, int& good) {
  rt::Group group(loop.executor());
  group.spawn("a", pull_into(images, reference, good));
  co_await pull_into(images, reference, good);
  while (group.size() > 0) co_await rt::yield();
}

}  // namespace

TEST_CASE("pull, find, remove", "[root]") {
  if (skip_without_root()) return;
  const auto image = small_image();
  TestRegistry registry(serve(image));
  Store store;
  const std::string name = registry.host() + "/a/b:v1";
  const auto pulled = store.pull(name);
  if (!pulled.ok()) FAIL(pulled.error().message());
  CHECK(pulled->id == image.config);
  CHECK(pulled->names == std::vector<std::string>{name});
  CHECK(pulled->digests == std::vector<std::string>{registry.host() + "/a/b@" + image.manifest});
  CHECK(pulled->size == 300001);
  CHECK(pulled->stop_signal == "SIGINT");
  CHECK(store.images.find(name));
  CHECK(store.images.find(pulled->id));
  CHECK(store.images.find(registry.host() + "/a/b@" + image.manifest));
  const auto folders = store.images.layer_folders(pulled->id);
  REQUIRE(folders);
  REQUIRE(folders->size() == 2);
  CHECK(file_exists(store.dir.path + "/layers/" + (*folders)[0] + "/etc/conf"));
  REQUIRE(store.pull(name).ok());
  CHECK(registry.count("GET /v2/a/b/blobs/" + image.layers[0]) == 1);  // layers are here already
  {
    Store again;
    LocalImages reopened(store.loop, store.dir.path, Registries());
    REQUIRE(reopened.open().ok());
    CHECK(reopened.find(name)->env == std::vector<std::string>{"PATH=/bin"});
  }
  store.remove(pulled->id);
  CHECK_FALSE(store.images.find(name));
  CHECK_FALSE(file_exists(store.dir.path + "/layers/" + (*folders)[0]));
  CHECK_FALSE(store.pull(registry.host() + "/a/b:nope").ok());
  CHECK(store.pull(registry.host() + "/a/b:nope").error().is(Reason::kNotFound));
}

TEST_CASE("an image is pulled once for all who want it", "[root]") {
  if (skip_without_root()) return;
  const auto image = small_image();
  TestRegistry registry(serve(image));
  Store store;
  int good = 0;
  run(store.loop, pull_twice(store.loop, store.images, registry.host() + "/a:v1", good));
  CHECK(good == 2);
  CHECK(registry.count("/manifests/v1") == 1);
}

TEST_CASE("a lying registry leaves nothing behind") {
  const auto image = small_image();
  TestRegistry registry(serve(image, [&](const TestRequest& request, TestReply& reply) {
    if (request.target.find(image.layers[0]) != std::string::npos) reply.body[100] ^= 1;
  }));
  Store store;
  const auto pulled = store.pull(registry.host() + "/a:v1");
  REQUIRE_FALSE(pulled.ok());
  CHECK(pulled.error().is(Reason::kInvalid));
  CHECK_FALSE(file_exists(store.dir.path + "/images/partial/" + std::string(digest_hex(image.layers[0]))));
  CHECK_FALSE(
      file_exists(store.dir.path + "/images/blobs/sha256/" + std::string(digest_hex(image.layers[0]))));
  CHECK(store.images.list().empty());
}

TEST_CASE("a manifest asked for by digest is checked") {
  const auto image = small_image();
  TestRegistry registry(serve(image, [](const TestRequest& request, TestReply& reply) {
    if (request.target.find("/manifests/") != std::string::npos) reply.body += " ";
  }));
  Store store;
  CHECK(store.pull(registry.host() + "/a@" + image.manifest).error().is(Reason::kInvalid));
}

TEST_CASE("an interrupted download continues", "[root]") {
  if (skip_without_root()) return;
  auto image = make_image({{{"big", AE_IFREG, std::string(300000, 'x')}}}, "{}", Packing::kPlain);
  std::atomic<bool> broken = true;
  std::atomic<std::size_t> second = 0;
  TestRegistry registry(serve(image, [&](const TestRequest& request, TestReply& reply) {
    if (request.target.find(image.layers[0]) == std::string::npos) return;
    if (broken.exchange(false))
      reply.cut = 200000;
    else
      second = reply.body.size();
  }));
  Store store;
  const auto pulled = store.pull(registry.host() + "/a:v1");
  if (!pulled.ok()) FAIL(pulled.error().message());
  CHECK(second > 0);
  CHECK(second < 110000);
}

TEST_CASE("a hanging registry ends in an error") {
  TestRegistry registry([](const TestRequest&) {
    TestReply reply;
    reply.hang = true;
    return reply;
  });
  Store store;
  const auto pulled = store.pull(registry.host() + "/a:v1");
  REQUIRE_FALSE(pulled.ok());
  CHECK(pulled.error().is(Reason::kServiceUnavailable));
  CHECK(pulled.error().message().find("sent nothing for 1 s") != std::string::npos);
}

TEST_CASE("tokens and passwords are given to who asks", "[root]") {
  if (skip_without_root()) return;
  const auto image = small_image();
  std::string realm;
  const bool bearer = GENERATE(true, false);
  const std::string basic = "Basic " + base64_encode("me:secret");
  TestRegistry registry(serve(image, [&](const TestRequest& request, TestReply& reply) {
    if (request.target.starts_with("/token?")) {
      const bool good = request.header("Authorization") == basic &&
                        request.target.find("scope=repository%3Aa%2Fb%3Apull") != std::string::npos;
      reply = TestReply();
      reply.status = good ? 200 : 401;
      reply.body = R"({"token":"T"})";
    } else if (request.header("Authorization") != (bearer ? "Bearer T" : basic)) {
      reply = TestReply();
      reply.status = 401;
      reply.headers = bearer ? "WWW-Authenticate: Bearer realm=\"" + realm +
                                   "\",service=\"s\",scope=\"repository:a/b:pull\"\r\n"
                             : std::string("WWW-Authenticate: Basic realm=\"r\"\r\n");
    }
  }));
  realm = "http://" + registry.host() + "/token";
  Store store;
  const std::string name = registry.host() + "/a/b:v1";
  CHECK(store.pull(name).error().is(Reason::kForbidden));
  RegistryAuth wrong{"me", "wrong", ""}, right{"me", "secret", ""};
  CHECK(store.pull(name, {wrong}).error().is(Reason::kForbidden));
  CHECK(store.pull(name, {wrong, right}).ok());
  Store configured("configs:\n  \"" + registry.host() + "\":\n    auth: {username: me, password: secret}\n");
  CHECK(configured.pull(name).ok());
}

TEST_CASE("mirrors are asked first, with rewritten names", "[root]") {
  if (skip_without_root()) return;
  const auto image = small_image();
  TestRegistry registry(serve(image));
  Store store("mirrors:\n  docker.io:\n    endpoint: [\"http://127.0.0.1:1\", \"http://" + registry.host() +
              "\"]\n    rewrite: {\"^library/(.*)\": \"mirror/$1\"}\n");
  const auto pulled = store.pull("busybox:v1");
  if (!pulled.ok()) FAIL(pulled.error().message());
  CHECK(pulled->names == std::vector<std::string>{"docker.io/library/busybox:v1"});
  CHECK(registry.count("GET /v2/mirror/busybox/manifests/v1?ns=docker.io") == 1);
}

TEST_CASE("tarballs are imported", "[root]") {
  if (skip_without_root()) return;
  const auto image = small_image();
  Store store;
  const std::string tar = store.dir.path + "/image.tar";
  for (const auto packing : {Packing::kPlain, Packing::kGzip, Packing::kZstd}) {
    write_oci_archive(tar, image, "example.com/x/y:1", packing);
    const auto imported = store.import(tar);
    if (!imported.ok()) FAIL(imported.error().message());
    REQUIRE(imported->size() == 1);
    CHECK((*imported)[0].pinned);
    CHECK(store.images.find("example.com/x/y:1"));
  }
  REQUIRE(store.import(tar, "other:2").ok());
  CHECK(store.images.find("docker.io/library/other:2"));
  CHECK(store.images.list().size() == 1);

  std::vector<TarEntry> docker;
  docker.emplace_back("c.json", AE_IFREG, image.blobs.at(image.config));
  docker.emplace_back("l0/layer.tar", AE_IFREG, image.blobs.at(image.layers[0]));
  docker.emplace_back("l1/layer.tar", AE_IFREG, image.blobs.at(image.layers[1]));
  docker.emplace_back("l2/layer.tar", AE_IFLNK, "../l1/layer.tar");
  docker.emplace_back(
      "manifest.json", AE_IFREG,
      R"([{"Config":"c.json","RepoTags":["saved:1"],"Layers":["l0/layer.tar","l2/layer.tar"]}])");
  Store second;
  write_tar(tar, docker);
  const auto imported = second.import(tar);
  if (!imported.ok()) FAIL(imported.error().message());
  CHECK(second.images.find("saved:1")->id == image.config);
  write_tar(tar, {{"x", AE_IFREG, "y"}});
  CHECK(second.import(tar).error().is(Reason::kInvalid));
}

TEST_CASE("the platform's manifest is chosen") {
  std::vector<Descriptor> list(4);
  list[0].platform = {"linux", "arm", "v6"};
  list[1].platform = {"linux", "arm", "v7"};
  list[2].platform = {"linux", "amd64", ""};
  list[3].platform = {"windows", "amd64", ""};
  for (std::size_t i = 0; i < list.size(); ++i) list[i].digest = std::to_string(i);
  CHECK(choose_platform(list, {"linux", "amd64", ""})->digest == "2");
  CHECK(choose_platform(list, {"linux", "arm", "v7"})->digest == "1");
  CHECK(choose_platform(list, {"linux", "arm", "v6"})->digest == "0");
  CHECK(choose_platform(list, {"linux", "arm64", "v8"}).error().is(Reason::kNotFound));
}

TEST_CASE("challenges are read") {
  const auto challenge =
      parse_challenge(R"(Bearer realm="https://a/t",service="r",scope="repository:x:pull,push",error=z)");
  CHECK(challenge.at("") == "bearer");
  CHECK(challenge.at("realm") == "https://a/t");
  CHECK(challenge.at("scope") == "repository:x:pull,push");
  CHECK(challenge.at("error") == "z");
}

// MK_TEST_IMAGE=127.0.0.1:5000/lib/bb:v1 kubelet_test "[.registry]"
TEST_CASE("pull from a real registry", "[.registry]") {
  const char* image = std::getenv("MK_TEST_IMAGE");
  if (image == nullptr || skip_without_root()) return;
  Store store("", {10, 30});
  const auto pulled = store.pull(image);
  if (!pulled.ok()) FAIL(pulled.error().message());
  WARN(pulled->id << " " << pulled->size << " bytes");
}

// MK_TEST_TARBALL=image.tar kubelet_test "[.tarball]"
TEST_CASE("import a real tarball", "[.tarball]") {
  const char* path = std::getenv("MK_TEST_TARBALL");
  if (path == nullptr || skip_without_root()) return;
  Store store;
  const auto imported = store.import(path);
  if (!imported.ok()) FAIL(imported.error().message());
  for (const auto& image : *imported) WARN(join(image.names, " ") << " " << image.size << " bytes");
}
