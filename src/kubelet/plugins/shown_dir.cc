#include "plugins/shown_dir.h"

#include <unistd.h>

#include <cerrno>

#include "mk/base/files.h"
#include "mk/base/log.h"

namespace mk::kubelet {

std::string show_data_dir(const std::string& shown, const std::string& data_dir) {
  constexpr Log kLog("kubelet");
  if (shown.empty() || shown == data_dir) return data_dir;
  (void)make_dirs(shown.substr(0, shown.rfind('/')));
  if (::symlink(data_dir.c_str(), shown.c_str()) == 0) return shown;
  char target[4096];
  const auto size = ::readlink(shown.c_str(), target, sizeof target);
  if (size > 0 && std::string(target, static_cast<std::size_t>(size)) == data_dir) return shown;
  kLog.warn("another directory lies where plugins look for the kubelet's; they must be pointed to mk's",
            "there", shown, "mk", data_dir);
  return data_dir;
}

}  // namespace mk::kubelet
