#include "auth/service_account_tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "auth/rules.h"
#include "mk/api/resource.h"
#include "mk/base/strings.h"
#include "mk/pki/certificate.h"
#include "mk/pki/jwt.h"

namespace mk::apiserver {
namespace {

using api::Json;

// A deleted object's tokens stay good for this long past its deletion timestamp: its pods are still ending.
constexpr std::int64_t kDeletedLeeway = 60;
constexpr std::string_view kExtra = "authentication.kubernetes.io/";

Error unauthorized(std::string text) {
  return Error(Reason::kUnauthorized, std::move(text));
}

std::int64_t seconds(rt::WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// NumericDate may be a fraction; 0 when absent.
std::int64_t date(const Json& claims, std::string_view key) {
  const Json* value = api::member(claims, key);
  if (value == nullptr) return 0;
  if (const auto* number = value->if_double()) return static_cast<std::int64_t>(*number);
  return api::num(claims, key);
}

std::vector<std::string> audiences_of(const Json& claims) {
  std::vector<std::string> out;
  if (const auto single = api::str(claims, "aud"); !single.empty()) out.emplace_back(single);
  for (const auto& item : api::list(claims, "aud")) {
    if (const auto* text = item.if_string()) out.emplace_back(*text);
  }
  return out;
}

const Json& kubernetes_claims(const Json& claims) {
  static const Json kNone = api::JsonObject();
  const Json* ours = api::member(claims, "kubernetes.io");  // the key has a dot
  return ours == nullptr ? kNone : *ours;
}

void add_extra(UserInfo& user, std::string_view key, std::string_view value) {
  if (!value.empty()) user.extra[std::string(kExtra).append(key)] = {std::string(value)};
}

UserInfo user_of(const Json& claims) {
  const Json& ours = kubernetes_claims(claims);
  const auto ns = api::str(ours, "namespace");
  UserInfo user;
  user.name = service_account_user(ns, api::str(ours, "serviceaccount.name"));
  user.uid = api::str(ours, "serviceaccount.uid");
  user.groups = service_account_groups(ns);
  if (const auto id = api::str(claims, "jti"); !id.empty())
    add_extra(user, "credential-id", fmt::format("JTI={}", id));
  add_extra(user, "pod-name", api::str(ours, "pod.name"));
  add_extra(user, "pod-uid", api::str(ours, "pod.uid"));
  add_extra(user, "node-name", api::str(ours, "node.name"));
  add_extra(user, "node-uid", api::str(ours, "node.uid"));
  return user;
}

}  // namespace

ServiceAccountTokens::ServiceAccountTokens(const AuthenticatorOptions& options) : options_(options) {}

bool ServiceAccountTokens::claims_to_be_ours(std::string_view token) const {
  const auto parts = split(token, '.');
  if (parts.size() != 3) return false;
  const auto payload = base64url_decode(parts[1]);
  if (!payload) return false;
  const auto claims = api::parse_json(*payload, 64);
  return claims.ok() && api::str(*claims, "iss") == options_.issuer;
}

ServiceAccountTokens::Verified* ServiceAccountTokens::remembered(const std::string& digest) {
  const auto now = options_.clock.mono();
  while (!order_.empty() && (order_.front().until <= now || order_.size() >= kRememberedMax)) {
    remembered_.erase(order_.front().digest);
    order_.pop_front();
  }
  const auto found = remembered_.find(digest);
  return found == remembered_.end() ? nullptr : &*found->second;
}

Result<ServiceAccountTokens::Verified*> ServiceAccountTokens::verify(const std::string& token,
                                                                     std::string digest) {
  MK_ASSIGN(const std::string text, pki::verify_jwt(options_.key_pems, token));
  MK_ASSIGN(const Json claims, api::parse_json(text, 64));
  if (api::str(claims, "iss") != options_.issuer) return unauthorized("token was not issued by this cluster");
  Verified out;
  out.user = user_of(claims);
  out.audiences = audiences_of(claims);
  out.starts = date(claims, "nbf");
  out.expires = date(claims, "exp");
  MK_TRY(bind(out, claims));
  if (api::str(claims, "sub") != out.user.name)
    return unauthorized("sub claim does not match the service account claims");
  out.until = options_.clock.mono() + kRememberedFor;
  out.digest = digest;
  order_.push_back(std::move(out));
  remembered_[std::move(digest)] = std::prev(order_.end());
  return &order_.back();
}

std::optional<Result<UserInfo>> ServiceAccountTokens::authenticate(const std::string& token,
                                                                   const std::vector<std::string>& audiences,
                                                                   std::vector<std::string>& accepted) {
  std::string digest = pki::sha256(token);
  if (Verified* known = remembered(digest)) return check(*known, audiences, accepted);
  if (!claims_to_be_ours(token)) return std::nullopt;
  auto verified = verify(token, std::move(digest));
  if (!verified.ok()) return std::move(verified).error();
  return check(**verified, audiences, accepted);
}

Result<UserInfo> ServiceAccountTokens::check(Verified& token, const std::vector<std::string>& audiences,
                                             std::vector<std::string>& accepted) const {
  accepted.clear();
  for (const auto& audience : audiences) {
    if (std::find(token.audiences.begin(), token.audiences.end(), audience) != token.audiences.end())
      accepted.push_back(audience);
  }
  if (accepted.empty())
    return unauthorized(fmt::format("token audiences {} is invalid for the target audiences {}",
                                    quoted_list(token.audiences), quoted_list(audiences)));
  MK_TRY(check_times(token));
  for (Bound& bound : token.bound) MK_TRY(check_object(bound));
  return token.user;
}

Result<void> ServiceAccountTokens::check_times(const Verified& token) const {
  const std::int64_t now = seconds(options_.clock.now());
  if (token.expires == 0 || now >= token.expires) return unauthorized("service account token has expired");
  if (now < token.starts) return unauthorized("service account token is not valid yet");
  return ok();
}

Result<void> ServiceAccountTokens::check_object(Bound& bound) const {
  const api::Object object = bound.cache->get(bound.key);
  const auto what = [&] { return fmt::format("{} {}", bound.kind, bound.key.str()); };
  if (!object) return unauthorized(what() + " does not exist: its tokens have been invalidated");
  SharedBytes bytes = object.bytes();
  if (bytes.view().data() != bound.seen.view().data()) {
    const api::Object parsed_once(bytes);
    if (parsed_once.uid() != bound.uid)
      return unauthorized(
          fmt::format("{}: UID ({}) does not match claim ({})", what(), parsed_once.uid(), bound.uid));
    const auto deleted = rt::parse_time(api::str(parsed_once.json(), "metadata.deletionTimestamp"));
    bound.deleted_at = deleted ? seconds(*deleted) : 0;
    bound.seen = std::move(bytes);
  }
  if (bound.deleted_at != 0 && seconds(options_.clock.now()) > bound.deleted_at + kDeletedLeeway)
    return unauthorized(what() + " has been deleted");
  return ok();
}

Result<void> ServiceAccountTokens::bind(Verified& token, const Json& claims) const {
  const Json& ours = kubernetes_claims(claims);
  const std::string ns(api::str(ours, "namespace")), account(api::str(ours, "serviceaccount.name"));
  if (ns.empty() || account.empty()) return unauthorized("token has no service account claims");
  const auto add = [&](const api::Gvr& gvr, api::Key key, std::string_view uid, const char* kind) {
    token.bound.emplace_back(options_.cacher.resource(gvr), std::move(key), std::string(uid), kind);
  };
  add(api::resources::kServiceAccounts, api::Key(ns, account), api::str(ours, "serviceaccount.uid"),
      "service account");
  if (const auto name = api::str(ours, "secret.name"); !name.empty())
    add(api::resources::kSecrets, api::Key(ns, std::string(name)), api::str(ours, "secret.uid"), "secret");
  const auto pod = api::str(ours, "pod.name"), node = api::str(ours, "node.name");
  if (!pod.empty())
    add(api::resources::kPods, api::Key(ns, std::string(pod)), api::str(ours, "pod.uid"), "pod");
  // A pod's token names the node only for the record; the pod's own life decides.
  if (pod.empty() && !node.empty())
    add(api::resources::kNodes, api::Key("", std::string(node)), api::str(ours, "node.uid"), "node");
  return ok();
}

}  // namespace mk::apiserver
