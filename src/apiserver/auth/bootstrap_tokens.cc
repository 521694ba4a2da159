#include "auth/bootstrap_tokens.h"

#include <algorithm>

#include "mk/api/resource.h"
#include "mk/base/strings.h"
#include "mk/pki/certificate.h"

namespace mk::apiserver {
namespace {

constexpr std::string_view kGroup = "system:bootstrappers";
constexpr std::size_t kGroupMax = 256;  // behind the prefix

bool lower_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool all_lower_alphanumeric(std::string_view text) {
  return std::all_of(text.begin(), text.end(), lower_alphanumeric);
}

Error unauthorized(std::string text) {
  return Error(Reason::kUnauthorized, std::move(text));
}

std::string data(const api::Object& secret, std::string_view key) {
  const api::Json* values = api::member(secret.json(), "data");
  const api::Json* value = values == nullptr ? nullptr : api::member(*values, key);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? "" : base64_decode(*text).value_or("");
}

// system:bootstrappers:<something>, ending in a letter or digit.
bool valid_group(std::string_view group) {
  if (!group.starts_with(kGroup) || group.size() < kGroup.size() + 2 || group[kGroup.size()] != ':')
    return false;
  const std::string_view rest = group.substr(kGroup.size() + 1);
  return rest.size() <= kGroupMax && lower_alphanumeric(rest.back()) &&
         std::all_of(rest.begin(), rest.end(),
                     [](char c) { return lower_alphanumeric(c) || c == ':' || c == '-'; });
}

}  // namespace

bool is_bootstrap_token(std::string_view token) {
  return token.size() == 23 && token[6] == '.' && all_lower_alphanumeric(token.substr(0, 6)) &&
         all_lower_alphanumeric(token.substr(7));
}

Result<UserInfo> authenticate_bootstrap_token(Cacher& cacher, rt::Clock& clock, std::string_view token) {
  const std::string id(token.substr(0, 6));
  const api::Object secret =
      cacher.get(api::resources::kSecrets, api::Key("kube-system", "bootstrap-token-" + id));
  if (!secret || secret.deleting()) return unauthorized("no bootstrap token " + id);
  if (api::str(secret.json(), "type") != "bootstrap.kubernetes.io/token")
    return unauthorized("secret of bootstrap token " + id + " is not of type bootstrap.kubernetes.io/token");
  if (data(secret, "token-id") != id || !pki::equal_secrets(data(secret, "token-secret"), token.substr(7)))
    return unauthorized("bootstrap token " + id + " has another secret");
  if (const std::string expiration = data(secret, "expiration"); !expiration.empty()) {
    const auto when = rt::parse_time(expiration);
    if (!when || clock.now() >= *when) return unauthorized("bootstrap token " + id + " has expired");
  }
  if (data(secret, "usage-bootstrap-authentication") != "true")
    return unauthorized("bootstrap token " + id + " is not for authentication");

  UserInfo user;
  user.name = "system:bootstrap:" + id;
  user.groups.emplace_back(kGroup);
  const std::string extra = data(secret, "auth-extra-groups");
  for (const auto group : extra.empty() ? std::vector<std::string_view>() : split(extra, ',')) {
    if (!valid_group(group))
      return unauthorized("bootstrap token " + id + " has an invalid group: " + std::string(group));
    if (!user.in_group(group)) user.groups.emplace_back(group);
  }
  return user;
}

}  // namespace mk::apiserver
