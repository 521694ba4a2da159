#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fuzz/target.h"
#include "images/fs.h"
#include "images/testing.h"
#include "images/unpack.h"
#include "images/walk.h"
#include "mk/base/assert.h"

namespace {

// The folder that layers are unpacked into, in one that must stay as it is.
struct Place {
  Place() { MK_ASSERT(mk::write_file(dir.path + "/canary", "alive").ok()); }
  mk::kubelet::testing::TempDir dir;
};

}  // namespace

// A layer, packed or not: nothing is written outside its folder, whatever the tar says.
MK_FUZZ_TARGET(layer, input) {
  using namespace mk::kubelet;
  static const Place place;
  const std::string target = place.dir.path + "/layer";
  MK_ASSERT(::mkdir(target.c_str(), 0755) == 0);
  const UniqueFd tar(::memfd_create("layer", MFD_CLOEXEC));
  MK_ASSERT(tar && write_fully(tar.get(), input));
  (void)unpack_layer("/proc/self/fd/" + std::to_string(tar.get()), target, {}).ok();
  MK_ASSERT(mk::remove_tree(target).ok());
  MK_ASSERT(names_in(place.dir.path).size() == 1);
  MK_ASSERT(mk::read_file(place.dir.path + "/canary").value() == "alive");
}
