#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "context.h"
#include "env/environment.h"
#include "mk/rt/event.h"
#include "volumes/object_watcher.h"
#include "volumes/payload.h"

namespace mk::kubelet {

// Where a pod's files lie on the node.
struct PodPaths {
  PodPaths(const KubeletOptions& options, const Json& pod);
  std::string uid, root, etc, logs;  // <data>/pods/<uid>, root/etc, <log_dir>/<ns>_<name>_<uid>
  std::string volume(std::string_view plugin, std::string_view name) const;
  std::string container(std::string_view name) const;
  std::string log(std::string_view container, std::uint32_t attempt) const;
  std::string termination(std::string_view container, std::uint32_t attempt) const;
};

// The volumes of one pod. sync() is level-triggered: it sets up what is missing and rewrites what changed
// since, so it serves the first mount, the watch events and a restarted kubelet alike.
class PodVolumes {
 public:
  // `changed` runs when a ConfigMap or Secret of the pod was delivered: sync() again.
  PodVolumes(Context& context, const Json& pod, std::function<void()> changed);

  // An error says which volume cannot be set up and why; sync() again later or on `changed`.
  rt::Task<Result<void>> sync(api::Object pod, std::vector<std::string> pod_ips);
  // The image (its id) of an image volume; sync() mounts it.
  void set_image(const std::string& volume, std::string id) { images_[volume] = std::move(id); }
  bool has_image(const std::string& volume) const { return images_.count(volume) != 0; }
  std::set<std::string> images_in_use() const;
  // When a token wants to be renewed.
  std::optional<rt::WallTime> next_refresh() const;
  // The container's volumeMounts and /etc files. kInvalid: CreateContainerConfigError.
  rt::Task<Result<std::vector<Mount>>> container_mounts(api::Object pod, std::string container,
                                                        std::vector<std::string> pod_ips,
                                                        Variables variables);
  // Unmounts and removes everything of the pod but its logs.
  rt::Task<Result<void>> tear_down();
  const PodPaths& paths() const { return paths_; }

 private:
  struct Token {
    std::string value;
    rt::WallTime refresh;
  };

  rt::Task<Result<void>> sync_one(api::Object pod, const Json& volume, const DownwardInputs& downward);
  rt::Task<Result<void>> sync_files(api::Object pod, const Json& volume, const DownwardInputs& downward);
  rt::Task<Result<void>> add_token(Payload& payload, api::Object pod, std::string volume, const Json& source,
                                   unsigned mode);
  rt::Task<Result<void>> set_up_empty_dir(const Json& pod, const Json& volume);
  rt::Task<Result<void>> set_up_host_path(const Json& volume);
  rt::Task<Result<void>> set_up_image(const Json& volume);
  rt::Task<Result<void>> set_up_claim(api::Object pod, const Json& volume);
  rt::Task<Result<void>> set_up_csi(api::Object pod, const Json& volume, api::Object persistent);
  Result<void> add_object(Payload& payload, const Json& pod, std::string_view kind, std::string_view name,
                          const Json& source, unsigned mode);
  rt::Task<Result<std::string>> bind_sub_path(std::string root, std::string sub_path, std::string target);
  rt::Task<Result<void>> write_etc(api::Object pod, std::vector<std::string> pod_ips);

  Context& context_;
  PodPaths paths_;
  std::function<void()> changed_;
  std::map<std::string, std::unique_ptr<ObjectWatcher::Lease>> leases_;
  std::map<std::string, std::string> host_paths_;  // volume name to directory or file on the node
  std::map<std::string, std::string> images_;      // volume name to image id
  std::map<std::string, Payload> written_;
  std::map<std::string, Token> tokens_;
  std::map<std::string, rt::WallTime> republish_;  // by volume: when its driver wants to be asked again
};

// Removes the directory of a pod of which nothing but its uid is known.
rt::Task<Result<void>> remove_pod_dir(Context& context, std::string uid);

}  // namespace mk::kubelet
