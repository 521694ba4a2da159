#pragma once

#include "cache/cache.h"
#include "mk/api/resource.h"
#include "mk/client/event_recorder.h"
#include "mk/client/informer.h"
#include "mk/rt/group.h"
#include "mk/scheduler/scheduler.h"
#include "preemption/preemption.h"
#include "queue/queue.h"
#include "schedule_one.h"
#include "volumes/book.h"

namespace mk::scheduler {

// Feeds cache and queue from the watches, takes one pod at a time, decides without awaiting anything, and
// binds in the background while the next pod is decided.
class SchedulerImpl : public Scheduler {
 public:
  SchedulerImpl(rt::Loop& loop, rt::Clock& clock, rt::Random& random, client::Client& client);

  rt::Task<> start() override;
  rt::Task<> stop() override;

 private:
  void wire();
  void node_changed(const api::Object& before, const api::Object& after);
  void pod_changed(const api::Object& before, const api::Object& after);
  void pod_gone(const api::Object& pod);
  void pod_placed(const api::Object& before, const PodPtr& pod);
  void renominate(const PodPtr& pod, bool present);

  rt::Task<> schedule_loop();
  rt::Task<> tick_loop();
  Status reserve(const PodInfo& pod, const std::string& node);
  void unreserve(const std::string& uid);
  void refused(const PodPtr& pod, std::string message);
  rt::Task<> bind(PodPtr pod, std::string node);
  rt::Task<Result<void>> pre_bind(PodPtr pod);
  rt::Task<> failed(PodPtr pod, Diagnosis diagnosis, Preemption preemption);
  rt::Task<> evict(PodPtr pod, Preemption preemption);
  rt::Task<Result<void>> note_unschedulable(PodPtr pod, std::string reason, std::string message,
                                            std::string nominated);
  std::vector<api::LabelSelector> service_selectors(const PodInfo& pod);

  rt::Clock& clock_;
  client::Client& client_;
  VolumeBook book_;
  Plugins plugins_;
  Cache cache_;
  SchedulingQueue queue_;
  ScheduleOne schedule_one_;
  Nominated nominated_;
  client::Informer pods_, nodes_, services_, namespaces_;
  rt::Group group_;  // after what its tasks use
  client::EventRecorder recorder_;
};

// Would the change of a node matter to pods that wait? Pure.
ClusterEvent node_event(const api::Object& before, const api::Object& after);

}  // namespace mk::scheduler
