#pragma once

#include <string_view>

#include "cacher/cacher.h"
#include "mk/rt/clock.h"
#include "user.h"

namespace mk::apiserver {

// "<6>.<16>" of lower-case letters and digits.
bool is_bootstrap_token(std::string_view token);
// Against Secret kube-system/bootstrap-token-<id>; the user is system:bootstrap:<id>. kUnauthorized says why
// not (for logs; callers show less to clients).
Result<UserInfo> authenticate_bootstrap_token(Cacher& cacher, rt::Clock& clock, std::string_view token);

}  // namespace mk::apiserver
