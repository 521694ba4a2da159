#pragma once

#include "job/status.h"
#include "kit/pod_owner.h"

namespace mk::controller {

// Runs pods until enough of them have succeeded. Level-triggered: each step reads the pods, notes in the
// status what ended, and only then lets those pods go (stock.h).
class JobController : public PodOwnerController {
 public:
  explicit JobController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  void add_keys_of_pod(const api::Object& before, const api::Object& after, Keys& keys) override;

  std::int64_t size_of(const api::Object& job) const override;

  // One step's dealings with the number of pods.
  struct Change {
    std::int64_t created = 0, removed = 0;
    Problem problem;
  };
  rt::Task<Result<void>> step(api::Object job, std::vector<api::Object> pods);
  rt::Task<Change> change_pods(api::Object job, job::Stock stock, job::Verdict verdict);
  rt::Task<Change> create(api::Object job, job::Stock stock, job::Todo todo);
  rt::Task<Result<void>> write(api::Object before, api::Json after);
  void tell(const api::Object& job, const api::Json& before);

  rt::Task<Result<void>> untrack(std::vector<api::Object> pods);
  rt::Task<> untrack_one(api::Object pod, std::shared_ptr<Result<void>> outcome);
  rt::Task<Result<void>> untrack_left_over(api::Key key);
};

}  // namespace mk::controller
