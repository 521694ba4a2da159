#pragma once

#include <optional>

#include "kit/controller.h"

namespace mk::controller {

// Removes finished Jobs once their ttlSecondsAfterFinished have passed, their pods with them.
class TtlAfterFinishedController : public Controller {
 public:
  explicit TtlAfterFinishedController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;

  client::Informer& jobs_;
};

// When the Job has to go; nullopt without a time to live, or while it is not finished.
std::optional<rt::WallTime> expiry_of(const api::Json& job);

}  // namespace mk::controller
