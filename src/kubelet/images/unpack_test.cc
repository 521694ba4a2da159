#include "images/unpack.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include "images/layers.h"
#include "images/testing.h"

using namespace mk;
using namespace mk::kubelet;
using namespace mk::kubelet::testing;

namespace {

bool skip_without_root(const char* what) {
  if (::geteuid() == 0) return false;
  WARN("SKIPPED: needs root for " << what);
  return true;
}

struct stat stat_of(const std::string& path) {
  struct stat info {};
  ::lstat(path.c_str(), &info);
  return info;
}

struct Layer {
  TempDir dir;
  std::string target = dir.path + "/out";
  Layer() { (void)make_dirs(target); }
  Result<UnpackedLayer> unpack(const std::vector<TarEntry>& entries, Packing packing = Packing::kPlain,
                               std::vector<std::string> parents = {}) {
    write_tar(dir.path + "/layer", entries, packing);
    return unpack_layer(dir.path + "/layer", target, parents);
  }
};

}  // namespace

TEST_CASE("a layer keeps kinds, owners, modes, times and links", "[root]") {
  if (skip_without_root("chown and mknod")) return;
  for (const auto packing : {Packing::kPlain, Packing::kGzip, Packing::kZstd}) {
    Layer layer;
    std::vector<TarEntry> entries = {{"./", AE_IFDIR},
                                     {"bin/", AE_IFDIR, "", 0750},
                                     {"bin/su", AE_IFREG, "content", 04755},
                                     {"bin/copy", 0, "bin/su"},
                                     {"etc/deep/link", AE_IFLNK, "../../bin/su"},
                                     {"dev/null", AE_IFCHR, "", 0666},
                                     {"pipe", AE_IFIFO, "", 0644}};
    entries[2].uid = 1234;
    entries[2].xattrs["user.note"] = "kept";
    entries[2].xattrs["trusted.overlay.redirect"] = "/etc";
    const auto result = layer.unpack(entries, packing);
    REQUIRE(result.ok());
    CHECK(result->size == 7);
    const auto su = stat_of(layer.target + "/bin/su");
    CHECK((su.st_mode & 07777) == 04755);
    CHECK(su.st_uid == 1234);
    CHECK(su.st_mtime == 1000000000);
    CHECK(su.st_ino == stat_of(layer.target + "/bin/copy").st_ino);
    CHECK((stat_of(layer.target + "/bin").st_mode & 0777) == 0750);
    CHECK(stat_of(layer.target + "/bin").st_mtime == 1000000000);
    CHECK(S_ISLNK(stat_of(layer.target + "/etc/deep/link").st_mode));
    CHECK(stat_of(layer.target + "/dev/null").st_rdev == makedev(1, 3));
    CHECK(S_ISFIFO(stat_of(layer.target + "/pipe").st_mode));
    char value[16];
    CHECK(::lgetxattr((layer.target + "/bin/su").c_str(), "user.note", value, sizeof value) == 4);
    CHECK(::lgetxattr((layer.target + "/bin/su").c_str(), "trusted.overlay.redirect", value, sizeof value) <
          0);
  }
}

TEST_CASE("whiteouts become overlayfs'", "[root]") {
  if (skip_without_root("whiteout devices")) return;
  Layer layer;
  REQUIRE(layer
              .unpack({{"a/.wh.gone", AE_IFREG},
                       {"b/.wh..wh..opq", AE_IFREG},
                       {"b/new", AE_IFREG, "x"},
                       {".wh.again", AE_IFREG},
                       {"again/", AE_IFDIR},
                       {".wh..wh.plnk", AE_IFREG}})
              .ok());
  const auto gone = stat_of(layer.target + "/a/gone");
  CHECK(S_ISCHR(gone.st_mode));
  CHECK(gone.st_rdev == makedev(0, 0));
  char value[4];
  CHECK(::lgetxattr((layer.target + "/b").c_str(), "trusted.overlay.opaque", value, sizeof value) == 1);
  CHECK(::lgetxattr((layer.target + "/again").c_str(), "trusted.overlay.opaque", value, sizeof value) == 1);
  CHECK_FALSE(file_exists(layer.target + "/.wh..wh.plnk"));
}

TEST_CASE("a folder the layer only implies looks as it does below", "[root]") {
  if (skip_without_root("chown")) return;
  TempDir below;
  REQUIRE(make_dirs(below.path + "/tmp/x").ok());
  REQUIRE(::chmod((below.path + "/tmp").c_str(), 01777) == 0);
  Layer layer;
  REQUIRE(layer.unpack({{"tmp/x/file", AE_IFREG, "1"}}, Packing::kPlain, {below.path}).ok());
  CHECK((stat_of(layer.target + "/tmp").st_mode & 07777) == 01777);
}

TEST_CASE("no layer writes outside its folder") {
  const std::vector<std::vector<TarEntry>> attacks = {
      {{"../escaped", AE_IFREG, "x"}},
      {{"a/../../escaped", AE_IFREG, "x"}},
      {{"up", AE_IFLNK, ".."}, {"up/escaped", AE_IFREG, "x"}},
      {{"up", AE_IFLNK, "../../.."}, {"up/escaped", AE_IFREG, "x"}},
      {{"abs", AE_IFLNK, "/"}, {"abs/escaped", AE_IFREG, "x"}},
      {{"file", AE_IFLNK, "../escaped"}, {"file", AE_IFREG, "x"}},
      {{"hard", 0, "../layer"}},
      {{"hard", 0, "/etc/passwd"}},
      {{"d", AE_IFLNK, "/etc"}, {"d/.wh.passwd", AE_IFREG}},
      {{"a", AE_IFLNK, "b"}, {"b", AE_IFLNK, "a"}, {"a/x", AE_IFREG, "x"}},
      {{".wh...", AE_IFREG}},
  };
  for (const auto& attack : attacks) {
    Layer layer;
    INFO(attack.back().name);
    const auto result = layer.unpack(attack);
    // Some end inside the layer, which is harmless; none may end outside.
    CHECK_FALSE(file_exists(layer.dir.path + "/escaped"));
    CHECK_FALSE(file_exists("/escaped"));
    CHECK_FALSE(file_exists("/tmp/escaped"));
    CHECK(file_exists("/etc/passwd"));
    if (!result.ok()) CHECK(result.error().is(Reason::kInvalid));
  }
}

TEST_CASE("the layer store unpacks once, verifies, and sweeps", "[root]") {
  if (skip_without_root("chown")) return;
  TempDir dir;
  LayerStore store(dir.path + "/layers");
  REQUIRE(store.prepare().ok());
  write_tar(dir.path + "/tar", {{"x", AE_IFREG, "12345"}});
  const std::string id = sha256_digest(*read_file(dir.path + "/tar"));
  const std::string other = sha256_digest("other");
  CHECK(store.unpack({other}, other, dir.path + "/tar").error().is(Reason::kInvalid));
  CHECK_FALSE(store.has(other));
  REQUIRE(store.unpack({id}, id, dir.path + "/tar").ok());
  CHECK(store.has(id));
  CHECK(store.size(id) == 5);
  REQUIRE(make_dirs(store.dir() + "/tmp-half/diff").ok());
  store.sweep({LayerStore::short_name(id)});
  CHECK(store.has(id));
  CHECK_FALSE(file_exists(store.dir() + "/tmp-half"));
  store.sweep({});
  CHECK_FALSE(store.has(id));
}

TEST_CASE("a symbolic link to nothing is refused") {
  constexpr std::size_t kChecksum = 148, kType = 156, kTarget = 157, kHead = 512;
  Layer layer;
  const std::string path = layer.dir.path + "/tar";
  write_tar(path, {{"l", AE_IFLNK, "x"}});
  std::string tar = read_file(path).value();
  REQUIRE(tar.substr(kType, 2) == "2x");
  tar[kTarget] = '\0';
  tar.replace(kChecksum, 8, 8, ' ');
  unsigned sum = 0;
  for (std::size_t i = 0; i < kHead; ++i) sum += static_cast<unsigned char>(tar[i]);
  std::snprintf(tar.data() + kChecksum, 8, "%06o", sum);
  REQUIRE(write_file(path, tar).ok());
  CHECK(unpack_layer(path, layer.target, {}).error().is(Reason::kInvalid));
}

TEST_CASE("a damaged archive is refused") {
  Layer layer;
  REQUIRE(write_file(layer.dir.path + "/bad", std::string(4096, 'x')).ok());
  const auto result = unpack_layer(layer.dir.path + "/bad", layer.target, {});
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().is(Reason::kInvalid));
}
