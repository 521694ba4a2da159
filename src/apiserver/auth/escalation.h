#pragma once

#include <memory>

#include "admission/admission.h"
#include "auth/authorizer.h"

namespace mk::apiserver {

// Nobody grants more than they hold: writes of roles and bindings are refused unless the writer holds every
// rule that they would give, or verb "escalate" (roles) or "bind" (bindings) on the role. system:masters is
// exempt.
std::unique_ptr<AdmissionPlugin> make_rbac_escalation(Cacher& cacher, Authorizer& authorizer);

// The check itself. `held`: what the user may do in the namespace; kForbidden lists what is missing.
Result<void> check_escalation(const UserInfo& user, const std::vector<PolicyRule>& held,
                              const std::vector<PolicyRule>& wanted);

}  // namespace mk::apiserver
