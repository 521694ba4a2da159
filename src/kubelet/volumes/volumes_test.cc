#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mk/base/files.h"
#include "volumes/atomic_writer.h"
#include "volumes/etc_files.h"
#include "volumes/host_path.h"
#include "volumes/sub_path.h"

using namespace mk;
using namespace mk::kubelet;

namespace {

struct TempDir {
  TempDir() {
    char name[] = "/tmp/mk-volumes-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TempDir() { (void)remove_tree(path); }
  std::string path;
};

PayloadFile file(std::string content, unsigned mode = 0644) {
  PayloadFile out;
  out.content = std::move(content);
  out.mode = mode;
  return out;
}

std::string link_of(const std::string& path) {
  char target[300];
  const auto size = ::readlink(path.c_str(), target, sizeof target);
  return size < 0 ? "" : std::string(target, static_cast<std::size_t>(size));
}

Json parse(const char* json) {
  return *api::parse_json(json);
}

}  // namespace

TEST_CASE("a payload is swapped in one step, and removed names go") {
  TempDir dir;
  REQUIRE(write_payload(dir.path, {{"a", file("1")}, {"d/e", file("2", 0400)}}, {}, "t1").ok());
  CHECK(read_file(dir.path + "/a").value_or("") == "1");
  CHECK(read_file(dir.path + "/d/e").value_or("") == "2");
  CHECK(link_of(dir.path + "/a") == "..data/a");
  struct stat info;
  REQUIRE(::stat((dir.path + "/d/e").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0400);
  const std::string first = link_of(dir.path + "/..data");
  REQUIRE(write_payload(dir.path, {{"a", file("1")}, {"d/e", file("2", 0400)}}, {}, "t2").ok());
  CHECK(link_of(dir.path + "/..data") == first);
  REQUIRE(write_payload(dir.path, {{"b", file("3")}}, {}, "t3").ok());
  CHECK(link_of(dir.path + "/..data") != first);
  CHECK(!file_exists(dir.path + "/a"));
  CHECK(!file_exists(dir.path + "/" + first));
  CHECK(read_file(dir.path + "/b").value_or("") == "3");
}

TEST_CASE("a subPath never leads out of its volume") {
  TempDir dir;
  const std::string root = dir.path + "/volume";
  REQUIRE(make_dirs(root).ok());
  REQUIRE(::symlink("/etc", (root + "/out").c_str()) == 0);
  REQUIRE(::symlink("../..", (root + "/up").c_str()) == 0);
  CHECK(!open_sub_path(root, "out/passwd").ok());
  CHECK(!open_sub_path(root, "up").ok());
  const auto made = open_sub_path(root, "new/deep");
  REQUIRE(made.ok());
  ::close(*made);
  CHECK(file_exists(root + "/new/deep"));
  CHECK(!check_sub_path("/abs").empty());
  CHECK(!check_sub_path("a/../b").empty());
  CHECK(!check_sub_path("`x`").empty());
  CHECK(check_sub_path("a/b..c").empty());
}

TEST_CASE("hostPath types") {
  TempDir dir;
  CHECK(prepare_host_path(dir.path + "/new", "DirectoryOrCreate").ok());
  CHECK(prepare_host_path(dir.path + "/new", "Directory").ok());
  CHECK(!prepare_host_path(dir.path + "/new", "File").ok());
  CHECK(!prepare_host_path(dir.path + "/none", "Directory").ok());
  CHECK(prepare_host_path(dir.path + "/file", "FileOrCreate").ok());
  CHECK(prepare_host_path("/dev/null", "CharDevice").ok());
}

TEST_CASE("hosts and resolv.conf") {
  KubeletOptions options;
  options.cluster_dns = "10.43.0.10";
  const Json pod = parse(
      R"({"metadata":{"name":"web","namespace":"ns"},"spec":{"hostAliases":[{"ip":"1.2.3.4","hostnames":["a","b"]}],
    "dnsConfig":{"options":[{"name":"ndots","value":"2"}]}}})");
  const auto hosts = make_hosts(pod, options, {"10.42.0.7"}, "");
  CHECK(hosts.find("# Kubernetes-managed hosts file.\n") == 0);
  CHECK(hosts.find("10.42.0.7\tweb\n") != std::string::npos);
  CHECK(hosts.find("\n1.2.3.4\ta\tb\n") != std::string::npos);
  CHECK(make_resolv_conf(pod, options, "nameserver 9.9.9.9\nsearch corp\n") ==
        "search ns.svc.cluster.local svc.cluster.local cluster.local corp\nnameserver 10.43.0.10\noptions "
        "ndots:2\n");
  const Json plain = parse(R"({"metadata":{"name":"web","namespace":"ns"},"spec":{"dnsPolicy":"Default"}})");
  CHECK(make_resolv_conf(plain, options, "nameserver 9.9.9.9\n") == "nameserver 9.9.9.9\n");
  const Json none =
      parse(R"({"spec":{"dnsPolicy":"None","dnsConfig":{"nameservers":["1.1.1.1"],"searches":["x"]}}})");
  CHECK(make_resolv_conf(none, options, "nameserver 9.9.9.9\n") == "search x\nnameserver 1.1.1.1\n");
}
