#pragma once

#include <map>
#include <memory>
#include <string>

#include "context.h"
#include "pods/pod_worker.h"

namespace mk::kubelet {

// The pods of this node: one worker for each uid, made when the pod arrives and dropped when nothing of it is
// left.
class PodManager {
 public:
  explicit PodManager(Context& context);

  // Watches the node's pods, adopts what runs and cleans up what no longer has a pod. `node` gives the Node
  // as the API has it; `statics` are pods that the API does not have.
  rt::Task<> start(std::function<const Json&()> node, std::vector<api::Object> statics = {});
  rt::Task<> stop();
  rt::Task<> drain();  // stops every pod and waits

  void runtime_changed(const std::string& uid);
  void wake_all();
  // Static pods: what the API has of them are mirrors, which get no worker but their pod's status.
  void add_static(const api::Object& pod);
  std::vector<PodWorker*> static_workers();
  std::vector<api::Object> mirrors() const;
  // Why the node takes no such pod now, whatever room it has; asked for each new pod.
  std::function<std::optional<ReasonMessage>(const Json& pod)> refuse;
  std::function<void()> static_changed;  // a mirror changed, or a static pod has ended
  // The worker of "ns/name", nullptr when there is none.
  const PodWorker* find(const std::string& ns, const std::string& name) const;
  std::vector<const PodWorker*> workers() const;
  std::vector<PodWorker*> all_workers() const;
  PodWorker* by_uid(const std::string& uid) const;

 private:
  void on_pod(const api::Object& before, const api::Object& after);
  void on_mirror(const api::Object& before, const api::Object& after);
  void add(const api::Object& pod);
  std::optional<ReasonMessage> admit_new(const Json& pod, const std::string& uid);
  std::vector<api::Object> held_besides(const std::string& uid) const;
  rt::Task<> work(std::shared_ptr<PodWorker> worker, std::string uid);
  rt::Task<> remove_orphan(PodSnapshot orphan);
  rt::Task<> remove_files(std::string uid);
  rt::Task<> clean_up();

  Context& context_;
  client::Informer pods_;
  std::function<const Json&()> node_;
  std::map<std::string, std::shared_ptr<PodWorker>> workers_;  // by uid
  rt::Group tasks_;
  rt::Event gone_;
  bool started_ = false;
};

}  // namespace mk::kubelet
