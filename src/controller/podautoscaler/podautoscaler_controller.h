#pragma once

#include <map>

#include "kit/controller.h"
#include "kit/defined_resources.h"
#include "podautoscaler/behavior.h"
#include "podautoscaler/metrics.h"

namespace mk::controller {

// HorizontalPodAutoscalers: looks at each every 15 seconds, asks metrics.k8s.io what the pods of its target
// use, and sets the target's scale. usage.h decides how many replicas that asks for, behavior.h how fast they
// come and go.
class PodAutoscalerController : public Controller {
 public:
  explicit PodAutoscalerController(Context& context);

 private:
  struct State {
    podautoscaler::History history;
    rt::WallTime next;  // the look that is planned already
  };
  // One look at one autoscaler: what is read, and the object with its status on the way.
  struct Look {
    api::Object before;
    api::Json after;
    api::ResourceInfo target;
    api::Object scale;
    std::int64_t current = 0, desired = 0;
    std::string why;  // of a change
  };

  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<> decide(Look& look, State& state);
  rt::Task<bool> find_scale(Look& look);
  rt::Task<bool> measure(Look& look, std::int64_t& proposed);
  rt::Task<Result<podautoscaler::Proposal>> ask(const Look& look, podautoscaler::Metric metric,
                                                std::string selector, std::vector<api::Object> pods);
  rt::Task<> rescale(Look& look, State& state);
  Result<api::ResourceInfo> target_of(const api::Json& autoscaler) const;
  void say(Look& look, const char* type, bool status, std::string reason, std::string message);

  client::Informer& autoscalers_;
  client::Informer& pods_;
  DefinedResources defined_;
  std::map<api::Key, State> states_;
};

}  // namespace mk::controller
