#include "runtime/rootfs.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <thread>

#include "images/fs.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

constexpr std::size_t kOptionsMax = 4000;  // the kernel cuts at a page

// By the old interface, whose options must fit a page: relative names, seen from the layers' folder. The
// working directory belongs to the thread alone while it runs (CLONE_FS), so the process does not notice.
int mount_short(const std::string& layers_dir, const std::string& target, const std::string& options) {
  int code = 0;
  std::thread worker([&] {
    if (::unshare(CLONE_FS) != 0 || ::chdir(layers_dir.c_str()) != 0 ||
        ::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) != 0)
      code = errno;
  });
  worker.join();
  return code;
}

// By fsconfig, one layer a call (folder "": read-only): for images of more layers than a page holds. Needs
// Linux 6.7.
int mount_long(const std::string& layers_dir, const std::string& target, const std::string& folder,
               const std::vector<std::string>& layers) {
  const UniqueFd fs(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!fs) return errno;
  const auto put = [&](const char* key, const std::string& value) {
    return ::fsconfig(fs.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
  };
  for (const auto& layer : layers)
    if (!put("lowerdir+", layers_dir + "/" + layer)) return errno;
  if (!folder.empty() && (!put("upperdir", folder + "/upper") || !put("workdir", folder + "/work")))
    return errno;
  if (::fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return errno;
  const UniqueFd mount(::fsmount(fs.get(), FSMOUNT_CLOEXEC, 0));
  if (!mount || ::move_mount(mount.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return errno;
  return 0;
}

}  // namespace

Result<void> mount_rootfs(const std::string& folder, const std::string& layers_dir,
                          const std::vector<std::string>& layers) {
  for (const char* name : {"upper", "work", "rootfs"}) MK_TRY(make_dirs(folder + "/" + name));
  if (::chmod((folder + "/upper").c_str(), 0755) != 0) return sys_error("chmod", folder);
  const std::string target = folder + "/rootfs";
  if (layers.empty()) return Error(Reason::kInvalid, "the image has no layers");
  const std::string options =
      "lowerdir=" + join(layers, ":") + ",upperdir=" + folder + "/upper,workdir=" + folder + "/work";
  int code = 0;
  if (options.size() < kOptionsMax) {
    // volatile: no syncing of what a power cut voids anyway (containers do not outlive a boot). Linux 5.10.
    code = mount_short(layers_dir, target, options + ",volatile");
    if (code == EINVAL) code = mount_short(layers_dir, target, options);
  } else {
    code = mount_long(layers_dir, target, folder, layers);
  }
  if (code == 0) return ok();
  errno = code;
  return sys_error("mount overlay of " + std::to_string(layers.size()) + " layers on", target);
}

Result<void> mount_layers(const std::string& target, const std::string& layers_dir,
                          const std::vector<std::string>& layers) {
  if (layers.empty()) return Error(Reason::kInvalid, "the image has no layers");
  struct stat here, above;
  if (::stat(target.c_str(), &here) == 0 && ::stat((target + "/..").c_str(), &above) == 0 &&
      here.st_dev != above.st_dev)
    return ok();
  // overlayfs without an upper layer wants two: below a single one lies a folder that stays empty.
  std::vector<std::string> lower = layers;
  if (lower.size() == 1) {
    MK_TRY(make_dirs(layers_dir + "/../empty"));
    lower.push_back("../empty");
  }
  const std::string options = "lowerdir=" + join(lower, ":");
  const int code = options.size() < kOptionsMax ? mount_short(layers_dir, target, options)
                                                : mount_long(layers_dir, target, "", lower);
  if (code == 0) return ok();
  errno = code;
  return sys_error("mount the image on", target);
}

void unmount(const std::string& folder) {
  while (::umount2(folder.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
}

Result<void> remove_rootfs(const std::string& folder) {
  unmount(folder + "/rootfs");
  return remove_tree(folder);
}

Result<void> mount_shm(const std::string& folder) {
  MK_TRY(make_dirs(folder));
  if (::mount("shm", folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m") != 0)
    return sys_error("mount tmpfs on", folder);
  return ok();
}

}  // namespace mk::kubelet
