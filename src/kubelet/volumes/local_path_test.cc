#include "volumes/local_path.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "mk/base/files.h"
#include "mk/base/temp_dir.h"
#include "plugins/shown_dir.h"

using namespace mk;
using namespace mk::kubelet;

TEST_CASE("only directories right below the node's folder may be removed") {
  CHECK(below_folder("/data/storage", "/data/storage/pvc-1_ns_name"));
  for (const char* path : {"/data/storage", "/data/storage/", "/data/storage/..", "/data/storage/a/b", "/etc",
                           "/data/storage/../../etc", "/data/storagex/a", ""})
    CHECK_FALSE(below_folder("/data/storage", path));
  CHECK_FALSE(below_folder("", "/a"));
}

TEST_CASE("plugins find the kubelet's directory where they expect it, unless somebody else's is there") {
  TempDir dir;
  const std::string data = dir.path() + "/data", shown = dir.path() + "/lib/kubelet";
  CHECK(show_data_dir("", data) == data);
  CHECK(show_data_dir(shown, data) == shown);
  CHECK(show_data_dir(shown, data) == shown);
  CHECK(show_data_dir(shown, dir.path() + "/other") == dir.path() + "/other");
}

TEST_CASE("the directory of a local volume is for pods of any user, and stays as it is") {
  TempDir dir;
  const std::string path = dir.path() + "/storage/pvc-1_ns_name";
  REQUIRE(make_local_path(path).ok());
  struct stat info;
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0777);
  ::chmod(path.c_str(), 0700);
  REQUIRE(make_local_path(path).ok());
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0700);
}
