#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "context.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "pods/actions.h"
#include "pods/image_puller.h"
#include "probes/action.h"
#include "probes/prober.h"
#include "status/pod_status.h"
#include "status/status_writer.h"
#include "volumes/pod_volumes.h"

namespace mk::kubelet {

// Ends what the runtime has of a pod - containers, sandboxes, cgroups, addresses - and tries until it is
// gone.
rt::Task<> remove_wholly(Context& context, PodSnapshot pod);

// One pod on this node, from its arrival until nothing of it is left. Level-triggered: whatever woke it (the
// API, the runtime, a probe, a timer), it looks at everything again and moves towards what the spec asks for.
// Only this task touches the pod's containers.
class PodWorker {
 public:
  PodWorker(Context& context, api::Object pod);

  void update(api::Object pod);  // what the watch delivered
  void removed();                // the API no longer has the pod: stop it and clean up
  void set_mirror(api::Object mirror) { writer_.set_mirror(std::move(mirror)); }  // of a static pod
  void reject(std::string reason, std::string message);  // the node cannot take it: phase Failed
  void wake();                                           // look again
  // Ends the pod for the good of the node ("Evicted", "Preempting"): phase Failed, a disruption.
  void evict(std::string reason, std::string message, std::chrono::seconds grace);
  // The disk is full: once the pod has ended, its containers go before it is deleted. Their logs stay.
  void discard_containers();
  bool has_dead_weight() const { return stopped_ && snapshot_.has_value(); }  // what discarding frees
  rt::Task<> run();
  rt::Task<> stop();  // ends the worker's own tasks; containers go on

  bool done() const { return done_; }
  bool stopped() const { return stopped_; }  // its containers have ended
  bool terminating() const { return must_stop(); }
  const api::Object& pod() const { return writer_.pod(); }
  // Counts against the node's resources: it runs, or may still.
  bool holds_resources() const { return !stopped_ && !failure_; }
  const std::optional<PodSnapshot>& snapshot() const { return snapshot_; }
  std::set<std::string> images_in_use() const;  // ids: of containers, volumes, and what the spec names
  const PodPaths& paths() const { return volumes_.paths(); }
  // The pod with the resources that the node has granted it, which a pending resize would change.
  api::Object granted_pod() const;
  // The other pods of the node, as granted; set by who has them.
  std::function<std::vector<api::Object>()> others;

 private:
  const Json& spec() const { return writer_.pod().json(); }
  bool must_stop() const { return removed_ || failure_ || pod().deleting(); }
  std::vector<std::string> pod_ips() const;
  void wake_at(rt::WallTime when);
  Json make_status(const Json& pod) const;

  rt::Task<> wait_for_work();
  rt::Task<> sync();
  rt::Task<bool> sync_running();  // false: the pod has ended or must stop
  rt::Task<bool> sync_volumes();
  rt::Task<bool> pull_volume_images();         // false: some are not here yet
  rt::Task<bool> perform(PodActions actions);  // true: something changed
  rt::Task<bool> create_sandbox();
  rt::Task<bool> start(StartAction action);
  rt::Task<bool> create_and_start(StartAction action, ImageInfo image);
  rt::Task<std::string> pid_target(std::string name);
  void record_failed_start(const std::string& name, std::uint32_t attempt, std::string message);
  rt::Task<bool> run_post_start(std::string name, std::string id);
  rt::Task<> remove_old_containers(std::string name);
  rt::Task<> refresh();
  rt::Task<> read_termination_messages();
  rt::Task<> run_volume_updates();
  void check_deadline();
  void wait_because(const std::string& name, std::string reason, std::string message, rt::WallTime retry);

  // pods/pod_resize.cc
  rt::Task<bool> sync_resize();  // true: a container was stopped to start anew
  void decide_resize();
  rt::Task<bool> apply_resize();
  rt::Task<bool> resize_one(const ContainerStatus& status, const Json& container, const Json& target);
  Json actual_resources(const ContainerStatus& status) const;
  std::vector<std::pair<ContainerStatus, std::string>> unresized() const;
  void add_resize(const Json& pod, StatusInputs& inputs) const;

  // pods/pod_stop.cc
  rt::Task<bool> interruptible(rt::Task<> work);  // false: the pod must stop; the work was cancelled
  rt::Task<> until_must_stop();
  rt::Task<> terminate();
  rt::Task<> stop_all();
  rt::Task<> stop_one(std::string id, std::string name, std::string message);
  rt::Task<> stop_and_count(std::string id, std::string name, std::shared_ptr<std::size_t> left);
  rt::Task<> run_pre_stop(std::string id, std::string name);
  rt::Task<> run_hook(ActionTarget target, const Json& hook, ActionResult& out);
  rt::Task<> until_stop_deadline();
  rt::Task<> reclaim();
  rt::Task<> remove_old_sandboxes();
  rt::Task<> delete_from_api();
  void set_stop_deadline(rt::Duration grace);

  Context& context_;
  rt::Group tasks_, volume_tasks_;
  StatusWriter writer_;
  PodVolumes volumes_;
  Prober prober_;
  ImagePuller puller_;
  Backoff restarts_;
  std::optional<PodSnapshot> snapshot_;
  std::map<std::string, ReasonMessage> waiting_;  // container name to why it does not run
  std::map<std::string, rt::WallTime>
      retry_;  // container name (or "" for the sandbox) to when it may be tried again
  std::map<std::string, std::string> messages_;  // container id to termination message
  std::map<std::string, ImageNames> images_;
  std::set<std::string> start_sent_;            // container ids that were started, seen running or not
  std::vector<ContainerStatus> failed_starts_;  // by container: the newest attempt that never ran
  std::optional<ReasonMessage> failure_;
  std::optional<std::chrono::seconds> evicted_grace_;
  Allocation granted_;                  // by container name
  std::map<std::string, Json> actual_;  // resources by container id, of those this kubelet set
  std::set<std::string> must_restart_;  // container ids
  std::optional<ReasonMessage> resize_pending_;
  std::string resize_error_;
  std::string last_ip_;
  std::string mount_problem_;
  rt::Event changed_, volumes_changed_, deadline_changed_;
  std::optional<rt::WallTime> wake_at_;
  rt::WallTime stop_deadline_, deleted_at_;
  bool dirty_ = true, volumes_ready_ = false, volumes_dirty_ = false;
  bool removed_ = false, discard_ = false, finished_ = false, stopped_ = false, reclaimed_ = false,
       done_ = false;
};

}  // namespace mk::kubelet
