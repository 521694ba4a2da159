#include "auth/token_issuer.h"

#include <fmt/format.h>

#include <algorithm>

#include "auth/authenticator_options.h"
#include "mk/api/resource.h"
#include "mk/api/validation.h"
#include "mk/base/ids.h"
#include "mk/pki/jwt.h"

namespace mk::apiserver {
namespace {

using api::Json;
using api::JsonObject;

constexpr std::int64_t kExpirationDefault = 3600, kExpirationMin = 600,
                       kExpirationMax = std::int64_t{1} << 32;
constexpr std::int64_t kPodExpiration = 60 * 60 + 7;  // what the projected volume of every pod asks for
constexpr std::int64_t kPodExpirationExtended = 365 * 24 * 60 * 60;
const api::Gvk kTokenRequest{"authentication.k8s.io", "v1", "TokenRequest"};

Error bad_request(std::string text) {
  return Error(Reason::kBadRequest, std::move(text));
}

std::int64_t seconds(rt::WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

Result<void> validate(const Json& request) {
  const Json* value = api::find(request, "spec.expirationSeconds");
  if (value == nullptr) return ok();
  const std::int64_t wanted = api::num(request, "spec.expirationSeconds");
  std::vector<Cause> causes;
  const std::string text = std::to_string(wanted);
  if (wanted < kExpirationMin)
    causes.push_back(
        api::invalid("spec.expirationSeconds", text, "may not specify a duration less than 10 minutes"));
  if (wanted > kExpirationMax)
    causes.push_back(
        api::invalid("spec.expirationSeconds", text, "may not specify a duration larger than 2^32 seconds"));
  if (!causes.empty()) return api::invalid_object(kTokenRequest, "", std::move(causes));
  return ok();
}

Error missing(const api::Gvr& gvr, const std::string& name) {
  Error error(Reason::kNotFound, fmt::format("{} \"{}\" not found", gvr.qualified(), name));
  error.group = gvr.group;
  error.kind = gvr.resource;
  error.name = name;
  return error;
}

JsonObject reference(const api::Object& object) {
  JsonObject out;
  out["name"] = object.name();
  out["uid"] = object.uid();
  return out;
}

// Every audience is one of ours.
bool only_ours(const api::JsonArray& audiences, const std::vector<std::string>& ours) {
  return std::all_of(audiences.begin(), audiences.end(), [&](const Json& audience) {
    const auto* text = audience.if_string();
    return text != nullptr && std::find(ours.begin(), ours.end(), std::string_view(*text)) != ours.end();
  });
}

}  // namespace

Result<void> TokenIssuer::bind(const api::Object& account, const Json& bound, JsonObject& claims) const {
  const auto kind = api::str(bound, "kind"), version = api::str(bound, "apiVersion");
  const std::string name(api::str(bound, "name"));
  const bool pod = kind == "Pod", secret = kind == "Secret", node = kind == "Node";
  if (version != "v1" || (!pod && !secret && !node)) {
    const auto slash = version.find('/');
    return bad_request(
        fmt::format("cannot bind token for serviceaccount \"{}\" to an object of type \"{}, Kind={}\": "
                    "use a v1 Pod, Secret or Node",
                    account.name(), slash == version.npos ? "/" + std::string(version) : version, kind));
  }
  const api::Gvr& gvr = pod      ? api::resources::kPods
                        : secret ? api::resources::kSecrets
                                 : api::resources::kNodes;
  const api::Object object = options_.cacher.get(gvr, api::Key(node ? "" : std::string(account.ns()), name));
  if (!object) return missing(gvr, name);
  const auto uid = api::str(bound, "uid");
  if (!uid.empty() && uid != object.uid()) {
    return Error(
        Reason::kConflict,
        fmt::format("the UID in the bound object reference ({}) does not match the UID in record. The object "
                    "might have been deleted and then recreated",
                    uid));
  }
  if (pod && api::str(object.json(), "spec.serviceAccountName") != account.name())
    return bad_request(
        fmt::format("cannot bind token for serviceaccount \"{}\" to pod running with different "
                    "serviceaccount name.",
                    account.name()));
  claims[pod ? "pod" : secret ? "secret" : "node"] = reference(object);
  if (!pod) return ok();
  const std::string on(api::str(object.json(), "spec.nodeName"));
  if (on.empty()) return ok();
  JsonObject node_claim;
  node_claim["name"] = on;
  if (const api::Object host = options_.cacher.get(api::resources::kNodes, api::Key("", on)))
    node_claim["uid"] = host.uid();
  claims["node"] = std::move(node_claim);
  return ok();
}

Result<Json> TokenIssuer::issue(const std::string& ns, const std::string& name, const Json& request) const {
  const api::Object account = options_.cacher.get(api::resources::kServiceAccounts, api::Key(ns, name));
  if (!account) return missing(api::resources::kServiceAccounts, name);
  const auto named = api::str(request, "metadata.name", name),
             in = api::str(request, "metadata.namespace", ns);
  if (named != name)
    return bad_request(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", named, name));
  if (in != ns)
    return bad_request(
        fmt::format("the namespace of the object ({}) does not match the namespace on the URL ({})", in, ns));
  MK_TRY(validate(request));

  Json out = request;
  api::JsonArray audiences = api::list(request, "spec.audiences");
  if (audiences.empty()) {
    for (const auto& audience : options_.audiences) audiences.emplace_back(audience);
  }
  const std::int64_t wanted = api::num(request, "spec.expirationSeconds", kExpirationDefault);
  api::set(out, "spec.audiences", audiences);
  api::set(out, "spec.expirationSeconds", wanted);
  api::set(out, "metadata.name", Json(name));
  api::set(out, "metadata.namespace", Json(ns));

  JsonObject ours;
  ours["namespace"] = ns;
  ours["serviceaccount"] = reference(account);
  if (const Json* bound = api::find(request, "spec.boundObjectRef"); bound != nullptr && bound->is_object())
    MK_TRY(bind(account, *bound, ours));

  const auto now = options_.clock.now();
  const std::int64_t issued = seconds(now);
  std::int64_t lives = wanted;
  if (options_.extend_pod_tokens && wanted == kPodExpiration && ours.contains("pod") &&
      only_ours(audiences, options_.audiences)) {
    lives = kPodExpirationExtended;
    ours["warnafter"] = issued + wanted;
  }
  JsonObject claims;
  claims["aud"] = std::move(audiences);
  claims["exp"] = issued + lives;
  claims["iat"] = issued;
  claims["iss"] = options_.issuer;
  claims["jti"] = new_uid();
  claims["kubernetes.io"] = std::move(ours);
  claims["nbf"] = issued;
  claims["sub"] = service_account_user(ns, name);
  JsonObject status;
  status["token"] = pki::sign_jwt(options_.key_pem, api::to_json(claims));
  status["expirationTimestamp"] = rt::format_time(now + std::chrono::seconds(wanted));
  api::set(out, "status", std::move(status));
  return out;
}

}  // namespace mk::apiserver
