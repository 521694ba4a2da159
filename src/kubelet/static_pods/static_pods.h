#pragma once

#include <map>
#include <string>

#include "context.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "pods/pod_manager.h"
#include "static_pods/folder_watch.h"

namespace mk::kubelet {

// The pods of the node's own folder. Level-triggered: compares the manifests with the workers and the workers
// with the mirrors in the API, whenever one of them changed.
//  - A manifest that cannot be read leaves the pod that it last described.
//  - A changed manifest is another pod; it starts once the old one has ended.
//  - A mirror that somebody deleted or that shows another manifest is made anew.
class StaticPods {
 public:
  StaticPods(Context& context, PodManager& pods, std::function<const Json&()> node);

  // What the folder holds now, for the start of the pod manager. Makes the folder if there is none.
  rt::Task<std::vector<api::Object>> load();
  void start(rt::Group& group);  // after the pod manager
  void wake();

 private:
  struct Manifest {
    std::string content;
    Json pod;
  };
  using Files = std::map<std::string, std::string>;  // path to content

  rt::Task<> read();
  void take(const Files& files);
  rt::Task<> run_folder();
  rt::Task<> run();
  void sync_workers();
  rt::Task<Result<void>> sync_mirrors();
  rt::Task<Result<void>> remove_mirror(api::Object mirror);
  const Json* wanted(const api::Key& key) const;  // nullptr: no manifest describes that pod

  Context& context_;
  PodManager& pods_;
  std::function<const Json&()> node_;
  FolderWatch folder_;
  std::map<std::string, Manifest> manifests_;  // by path
  rt::Event changed_;
  bool dirty_ = true;
};

}  // namespace mk::kubelet
