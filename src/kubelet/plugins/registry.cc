#include "plugins/registry.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "mk/base/files.h"
#include "mk/base/log.h"
#include "plugins/call.h"

namespace mk::kubelet {
namespace {

constexpr Log kLog("kubelet");
constexpr auto kCallLimit = std::chrono::seconds(10);
constexpr auto kRetry = std::chrono::seconds(1);

// Sockets with their inodes: one that was replaced is another plugin.
std::map<std::string, std::int64_t> sockets_in(const std::string& folder) {
  std::map<std::string, std::int64_t> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    struct stat info;
    if (entry->d_name[0] != '.' && ::lstat((folder + "/" + entry->d_name).c_str(), &info) == 0 &&
        S_ISSOCK(info.st_mode))
      out[entry->d_name] = static_cast<std::int64_t>(info.st_ino);
  }
  ::closedir(dir);
  return out;
}

}  // namespace

PluginRegistry::PluginRegistry(Context& context, std::string folder)
    : context_(context), folder_(std::move(folder)) {}

void PluginRegistry::on_type(std::string type, Register add, Deregister remove) {
  kinds_[std::move(type)] = Kind{std::move(add), std::move(remove)};
}

Result<void> PluginRegistry::start(rt::Group& group) {
  MK_TRY(make_dirs(folder_, 0750));
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return Error(Reason::kInternalError, std::string("inotify: ") + std::strerror(errno));
  rt::AsyncFd changes(context_.loop.executor(), fd);
  if (::inotify_add_watch(fd, folder_.c_str(), IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM) < 0)
    return Error(Reason::kInternalError, "watch " + folder_ + ": " + std::strerror(errno));
  group.spawn("plugin registry", run(std::move(changes)));
  return ok();
}

rt::Task<> PluginRegistry::run(rt::AsyncFd changes) {
  const auto read = [](rt::AsyncFd& from) -> rt::Task<> { (void)co_await from.read_some(4096); };
  while (true) {
    const bool settled = co_await look();
    scanned_ = true;
    if (settled) {
      co_await read(changes);
    } else {
      co_await rt::race(read(changes), context_.clock.sleep_for(kRetry));
    }
  }
}

rt::Task<bool> PluginRegistry::look() {
  auto list = [folder = folder_] { return sockets_in(folder); };
  const auto present = co_await context_.pool.run(std::move(list));
  for (auto it = known_.begin(); it != known_.end();) {
    if (present.count(it->first) != 0) {
      ++it;
      continue;
    }
    kLog.info("a plugin has gone", "name", it->second.name);
    co_await kinds_.at(it->second.type).remove(it->second);
    it = known_.erase(it);
  }
  bool settled = true;
  for (const auto& [name, inode] : present) {
    const auto refused = refused_.find(name);
    if (known_.count(name) != 0 || (refused != refused_.end() && refused->second == inode)) continue;
    auto info = co_await introduce(folder_ + "/" + name);
    if (info.ok()) {
      known_[name] = *info;
    } else if (info.error().is(Reason::kInvalid)) {
      refused_[name] = inode;
      kLog.warn("a plugin is not wanted", "socket", name, "error", info.error().message());
    } else {
      settled = false;
    }
  }
  co_return settled;
}

// kInvalid: asked, and told that it is not wanted.
rt::Task<Result<PluginInfo>> PluginRegistry::introduce(std::string socket) {
  Message nothing;
  MK_CO_ASSIGN(const std::string answer,
               co_await call_plugin(context_.clock, socket, "/pluginregistration.Registration/GetInfo",
                                    nothing, kCallLimit));
  const auto fields = Fields::parse(answer);
  if (!fields) co_return Error(Reason::kInvalid, "its description is malformed");
  PluginInfo info;
  info.type = fields->text(1);
  info.name = fields->text(2);
  info.endpoint = fields->text(3).empty() ? socket : std::string(fields->text(3));
  for (const auto version : fields->all(4)) info.versions.emplace_back(version);
  const auto kind = kinds_.find(info.type);
  Result<void> added = Error(Reason::kInvalid, "no handler registered for plugin type: " + info.type);
  if (kind != kinds_.end()) added = co_await kind->second.add(info);
  Message verdict;
  verdict.flag(1, added.ok());
  if (!added.ok()) verdict.text(2, added.error().message());
  auto told =
      co_await call_plugin(context_.clock, socket,
                           "/pluginregistration.Registration/NotifyRegistrationStatus", verdict, kCallLimit);
  if (!added.ok()) co_return std::move(added).error();
  if (!told.ok()) kLog.warn("a plugin was not told", "name", info.name, "error", told.error().message());
  kLog.info("plugin registered", "type", info.type, "name", info.name);
  co_return info;
}

}  // namespace mk::kubelet
