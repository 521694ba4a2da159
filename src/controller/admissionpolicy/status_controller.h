#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Checks the expressions of each generation of a ValidatingAdmissionPolicy against the types that it is
// about, and notes in its status what looks wrong: at run time objects are untyped, so this is advice.
class AdmissionPolicyStatusController : public Controller {
 public:
  explicit AdmissionPolicyStatusController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;

  client::Informer& policies_;
  client::Informer& definitions_;
};

// status.typeChecking. `definitions` are CustomResourceDefinitions, as many as there are. Pure.
api::Json type_check_policy(const api::Json& policy, const std::vector<api::Object>& definitions);

}  // namespace mk::controller
