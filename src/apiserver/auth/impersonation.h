#pragma once

#include <optional>

#include "auth/authorizer.h"
#include "mk/net/http.h"

namespace mk::apiserver {

// The user that Impersonate-User, -Group, -Uid and -Extra-<key> ask to be, if they are there. `requester`
// must hold verb "impersonate" on each part; kForbidden names the one it does not. kBadRequest: parts without
// a user.
Result<std::optional<UserInfo>> impersonate(const UserInfo& requester, const net::Headers& headers,
                                            Authorizer& authorizer);

}  // namespace mk::apiserver
