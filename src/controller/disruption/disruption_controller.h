#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Keeps the status of PodDisruptionBudgets: how many of the pods they select may be evicted now. Keys are
// budgets.
class DisruptionController : public Controller {
 public:
  explicit DisruptionController(Context& context);

 private:
  struct Scale {
    std::int64_t total = 0;
    std::size_t unmanaged = 0;  // pods without a controller, whose scale nobody knows
  };

  Keys budgets_of_pod(const api::Object& before, const api::Object& after);
  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<Scale>> scale_of(std::vector<api::Object> pods);
  rt::Task<Result<std::optional<std::int64_t>>> replicas_of(std::string ns, api::Json owner);

  client::Informer& budgets_;
  client::Informer& pods_;
};

// An eviction marks its pod as a disruption's target before it deletes it. A mark that no deletion followed
// is taken back. Keys are pods.
class StaleDisruptionController : public Controller {
 public:
  explicit StaleDisruptionController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  client::Informer& pods_;
};

}  // namespace mk::controller
