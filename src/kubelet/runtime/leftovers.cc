#include "mk/kubelet/leftovers.h"

#include <sys/mount.h>

#include <algorithm>

#include "images/fs.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "runtime/cgroups.h"

namespace mk::kubelet {
namespace {

// mountinfo writes blanks and backslashes in octal (proc(5)).
std::string unescape(std::string_view field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      out.push_back(
          static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 + (field[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(field[i]);
    }
  }
  return out;
}

std::vector<std::string> mounts_below(const std::string& folder) {
  std::vector<std::string> out;
  const auto table = read_file("/proc/self/mountinfo");
  if (!table.ok()) return out;
  for (const auto line : split(*table, '\n')) {
    const auto fields = split(line, ' ');
    if (fields.size() < 5) continue;
    std::string point = unescape(fields[4]);
    if (point == folder || point.starts_with(folder + "/")) out.push_back(std::move(point));
  }
  return out;
}

Result<void> unmount_below(const std::string& folder) {
  auto points = mounts_below(folder);
  // What was mounted last lies on top, and the table is in the order of mounting.
  std::reverse(points.begin(), points.end());
  for (const auto& point : points) {
    if (::umount2(point.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT)
      return sys_error("unmount", point);
  }
  return ok();
}

}  // namespace

Result<void> remove_leftovers(const NodeRuntimeOptions& options) {
  for (const auto& folder : {options.data_dir, options.run_dir}) MK_TRY(unmount_below(folder));
  MK_TRY(remove_tree(options.data_dir + "/pods"));
  MK_TRY(remove_tree(options.run_dir));
  MK_ASSIGN(const Cgroups cgroups, Cgroups::detect(options.root_cgroup));
  cgroups.remove_node();
  return ok();
}

}  // namespace mk::kubelet
