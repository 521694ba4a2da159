#include "static_pods/folder_watch.h"

#include <sys/inotify.h>

#include <cstring>

namespace mk::kubelet {

namespace {
constexpr auto kLookAgain = std::chrono::seconds(5);
constexpr std::uint32_t kEvents =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB;
constexpr std::uint32_t kGone = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT;
constexpr std::size_t kBuffer = 16 << 10;

struct Changes {
  std::vector<std::string> removed;
  bool folder_gone = false;
};

Changes parse_events(const std::string& events) {
  Changes out;
  for (std::size_t at = 0; at + sizeof(inotify_event) <= events.size();) {
    inotify_event event;
    std::memcpy(&event, events.data() + at, sizeof(event));
    at += sizeof(event);
    out.folder_gone |= (event.mask & kGone) != 0;
    if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0 && event.len > 0)
      out.removed.emplace_back(events.data() + at);
    at += event.len;
  }
  return out;
}

}  // namespace

FolderWatch::FolderWatch(rt::Executor executor, rt::Clock& clock, std::string folder)
    : clock_(clock),
      folder_(std::move(folder)),
      notify_(std::move(executor), ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

bool FolderWatch::watch() {
  watching_ =
      ::inotify_add_watch(notify_.native(), folder_.c_str(), kEvents | IN_DELETE_SELF | IN_MOVE_SELF) >= 0;
  return watching_;
}

rt::Task<std::vector<std::string>> FolderWatch::changed() {
  if (!watching_) {
    while (!watch()) co_await clock_.sleep_for(kLookAgain);
    co_return std::vector<std::string>();
  }
  auto events = co_await notify_.read_some(kBuffer);
  Changes changes = parse_events(events.value_or(""));
  if (!events.ok() || changes.folder_gone) watching_ = false;
  co_return std::move(changes.removed);
}

}  // namespace mk::kubelet
