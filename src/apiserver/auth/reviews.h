#pragma once

#include "auth/authenticator.h"
#include "auth/authorizer.h"
#include "mk/api/json.h"

// The review kinds of authorization.k8s.io and authentication.k8s.io: an object with a question in, the same
// object with its status out. Nothing is stored. kInvalid or kBadRequest for questions that make no sense.
namespace mk::apiserver {

Result<api::Json> review_subject_access(Authorizer& authorizer, const api::Json& review);
// `ns` from the URL.
Result<api::Json> review_local_subject_access(Authorizer& authorizer, const std::string& ns,
                                              const api::Json& review);
Result<api::Json> review_self_subject_access(Authorizer& authorizer, const UserInfo& user,
                                             const api::Json& review);
Result<api::Json> review_self_subject_rules(Authorizer& authorizer, const UserInfo& user,
                                            const api::Json& review);
Result<api::Json> review_self_subject(const UserInfo& user, const std::string& now, const api::Json& review);
Result<api::Json> review_token(Authenticator& authenticator, const api::Json& review);

// authentication.k8s.io/v1 UserInfo.
api::Json user_json(const UserInfo& user);

}  // namespace mk::apiserver
