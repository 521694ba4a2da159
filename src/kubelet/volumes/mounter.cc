#include "volumes/mounter.h"

#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

Error mount_error(std::string_view what, const std::string& path) {
  return Error(Reason::kInternalError, fmt::format("{} {}: {}", what, path, std::strerror(errno)));
}

bool is_mount_point(const std::string& path) {
  struct stat here, above;
  if (::stat(path.c_str(), &here) != 0 || ::stat((path + "/..").c_str(), &above) != 0) return false;
  return here.st_dev != above.st_dev;
}

// mountinfo writes blanks and backslashes as octal escapes.
std::string unescape(std::string_view field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      out += static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 + (field[i + 3] - '0'));
      i += 3;
    } else {
      out += field[i];
    }
  }
  return out;
}

class KernelMounter : public Mounter {
 public:
  Result<void> tmpfs(const std::string& path, std::int64_t size, unsigned mode) override {
    if (is_mount_point(path)) return ok();
    std::string options = fmt::format("mode={:o}", mode);
    if (size > 0) options += fmt::format(",size={}", size);
    if (::mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
      return mount_error("mount tmpfs on", path);
    return ok();
  }

  Result<void> bind_fd(int fd, const std::string& target) override {
    const std::string source = fmt::format("/proc/self/fd/{}", fd);
    if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
      return mount_error("bind mount on", target);
    return ok();
  }

  Result<void> unmount_below(const std::string& path) override {
    MK_ASSIGN(const std::string table, read_file("/proc/self/mountinfo"));
    std::vector<std::string> points;
    for (const auto line : split(table, '\n')) {
      const auto fields = split(line, ' ');
      if (fields.size() < 5) continue;
      std::string point = unescape(fields[4]);
      if (point == path || point.compare(0, path.size() + 1, path + "/") == 0)
        points.push_back(std::move(point));
    }
    // Later mounts lie on top of earlier ones.
    std::reverse(points.begin(), points.end());
    for (const auto& point : points)
      if (::umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL)
        return mount_error("unmount", point);
    return ok();
  }
};

}  // namespace

std::unique_ptr<Mounter> make_mounter() {
  return std::make_unique<KernelMounter>();
}

}  // namespace mk::kubelet
