#include "auth/impersonation.h"

#include "auth/authenticator_options.h"
#include "mk/base/strings.h"

namespace mk::apiserver {
namespace {

constexpr std::string_view kExtraPrefix = "impersonate-extra-";

Result<UserInfo> wanted_user(const net::Headers& headers, bool& any) {
  UserInfo wanted;
  for (const auto& [name, value] : headers.all()) {
    if (name.size() < std::string_view("impersonate-").size() || (name[0] | 0x20) != 'i') continue;
    const std::string header = to_lower(name);
    if (!header.starts_with("impersonate-")) continue;
    if (header == "impersonate-user") {
      wanted.name = value;
    } else if (header == "impersonate-uid") {
      wanted.uid = value;
    } else if (header == "impersonate-group") {
      wanted.groups.push_back(value);
    } else if (header.starts_with(kExtraPrefix)) {
      // Keys may be percent-encoded, as header names cannot spell all of them; a broken escape stands as it
      // is.
      const std::string key = header.substr(kExtraPrefix.size());
      wanted.extra[to_lower(url_decode(key, false).value_or(key))].push_back(value);
    } else {
      continue;
    }
    any = true;
  }
  if (any && wanted.name.empty())
    return Error(Reason::kBadRequest,
                 "requested impersonation of groups, uid or extra without impersonating a user");
  return wanted;
}

class Check {
 public:
  Check(const UserInfo& requester, Authorizer& authorizer) : authorizer_(authorizer) {
    attributes_.user = requester;
    attributes_.verb = "impersonate";
    attributes_.version = "v1";
  }

  Result<void> operator()(std::string group, std::string resource, std::string subresource, std::string ns,
                          std::string name) {
    attributes_.group = std::move(group);
    attributes_.resource = std::move(resource);
    attributes_.subresource = std::move(subresource);
    attributes_.ns = std::move(ns);
    attributes_.name = std::move(name);
    const Decision decision = authorizer_.authorize(attributes_);
    if (!decision.allowed) return forbidden_error(attributes_, decision);
    return ok();
  }

 private:
  Authorizer& authorizer_;
  Attributes attributes_;
};

// A service account belongs to its groups without being told; everybody who is not anonymous is
// authenticated.
void complete_groups(UserInfo& user) {
  std::string ns, name;
  if (user.groups.empty() && split_service_account(user.name, ns, name))
    user.groups = service_account_groups(ns);
  if (user.in_group("system:authenticated") || user.in_group("system:unauthenticated")) return;
  user.groups.emplace_back(user.name == "system:anonymous" ? "system:unauthenticated"
                                                           : "system:authenticated");
}

}  // namespace

Result<std::optional<UserInfo>> impersonate(const UserInfo& requester, const net::Headers& headers,
                                            Authorizer& authorizer) {
  bool any = false;
  MK_ASSIGN(UserInfo wanted, wanted_user(headers, any));
  if (!any) return std::optional<UserInfo>();
  Check check(requester, authorizer);
  std::string ns, name;
  if (split_service_account(wanted.name, ns, name)) {
    MK_TRY(check("", "serviceaccounts", "", ns, name));
  } else {
    MK_TRY(check("", "users", "", "", wanted.name));
  }
  for (const auto& group : wanted.groups) MK_TRY(check("", "groups", "", "", group));
  if (!wanted.uid.empty()) MK_TRY(check("authentication.k8s.io", "uids", "", "", wanted.uid));
  for (const auto& [key, values] : wanted.extra) {
    for (const auto& value : values) MK_TRY(check("authentication.k8s.io", "userextras", key, "", value));
  }
  complete_groups(wanted);
  return std::optional<UserInfo>(std::move(wanted));
}

}  // namespace mk::apiserver
