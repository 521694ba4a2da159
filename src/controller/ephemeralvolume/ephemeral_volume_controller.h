#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Makes the claims of pods' generic ephemeral volumes, "<pod>-<volume>", owned by the pod, so that they leave
// with it. A claim of that name that is not the pod's is never used.
class EphemeralVolumeController : public Controller {
 public:
  explicit EphemeralVolumeController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<void>> make_claim(api::Object pod, const api::Json& volume);

  client::Informer& pods_;
  client::Informer& claims_;
};

}  // namespace mk::controller
