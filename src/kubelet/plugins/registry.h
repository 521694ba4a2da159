#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "context.h"
#include "mk/rt/group.h"

namespace mk::kubelet {

// What a plugin says about itself (pluginregistration.v1, GetInfo).
struct PluginInfo {
  std::string type;  // "CSIPlugin", "DevicePlugin"
  std::string name, endpoint;
  std::vector<std::string> versions;
};

// Follows the folder plugins_registry: each socket in it is a plugin that wants to be registered, and is
// registered until its socket goes. A plugin that cannot be asked yet is asked again.
class PluginRegistry {
 public:
  // An error is told to the plugin, which usually ends then.
  using Register = std::function<rt::Task<Result<void>>(PluginInfo)>;
  using Deregister = std::function<rt::Task<>(PluginInfo)>;

  PluginRegistry(Context& context, std::string folder);
  // Before start().
  void on_type(std::string type, Register add, Deregister remove);
  Result<void> start(rt::Group& group);
  bool scanned() const { return scanned_; }  // all that lay there at the start has been asked

 private:
  struct Kind {
    Register add;
    Deregister remove;
  };
  rt::Task<> run(rt::AsyncFd changes);
  rt::Task<bool> look();  // false: look again soon
  rt::Task<Result<PluginInfo>> introduce(std::string socket);

  Context& context_;
  std::string folder_;
  std::map<std::string, Kind> kinds_;
  std::map<std::string, PluginInfo> known_;      // by name of the socket
  std::map<std::string, std::int64_t> refused_;  // sockets (by inode) that said what nobody wants
  bool scanned_ = false;
};

}  // namespace mk::kubelet
