#include "http/join.h"

#include "mk/api/validation.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"

namespace mk::apiserver {

using api::Json;
using api::JsonObject;

namespace {

constexpr Log kLog("apiserver");
constexpr auto kLifetime = std::chrono::hours(24 * 365);

// Does the Authorization header carry the secret? Either "Bearer <secret>" or "Basic node:<secret>".
bool knows_secret(std::string_view authorization, std::string_view secret) {
  constexpr std::string_view kBearer = "Bearer ", kBasic = "Basic ";
  if (authorization.starts_with(kBearer))
    return pki::equal_secrets(authorization.substr(kBearer.size()), secret);
  if (!authorization.starts_with(kBasic)) return false;
  const auto pair = base64_decode(authorization.substr(kBasic.size()));
  if (!pair) return false;
  const auto colon = pair->find(':');
  return colon != std::string::npos && pki::equal_secrets(std::string_view(*pair).substr(colon + 1), secret);
}

std::int64_t seconds(rt::WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

rt::Task<> Join::handle(Call& call) {
  if (call.info.path == "/cacerts") {
    co_await answer_text(call, 200, "text/plain", options_.ca_pem);
    co_return;
  }
  if (call.info.path == "/v1-mk/server") {
    auto secrets = admit_server(call.exchange->request());
    if (secrets.ok()) {
      kLog.info("a server asked to join", "from", call.exchange->remote_address());
      co_await answer_text(call, 200, "application/json", std::move(secrets).value());
    } else {
      co_await answer_error(call, std::move(secrets).error());
    }
    co_return;
  }
  auto answer = co_await admit(call);
  if (answer.ok()) {
    co_await answer_json(call, 200, *answer);
  } else {
    co_await answer_error(call, std::move(answer).error());
  }
}

Result<std::string> Join::admit_server(const net::Request& request) const {
  if (request.method != "POST") return Error(Reason::kMethodNotAllowed, "a server joins with POST");
  if (options_.server_token.empty() ||
      !knows_secret(request.headers.get("Authorization"), options_.server_token))
    return Error(
        Reason::kUnauthorized,
        "the server token is wrong; a server's file server-token holds it (an agent's token is not enough)");
  if (options_.servers == nullptr)
    return Error(Reason::kForbidden, "this server cannot have others beside it");
  return options_.servers->secrets();
}

rt::Task<Result<Json>> Join::admit(Call& call) {
  const net::Request& request = call.exchange->request();
  if (request.method != "POST") co_return Error(Reason::kMethodNotAllowed, "a node joins with POST");
  if (!knows_secret(request.headers.get("Authorization"), options_.agent_token))
    co_return Error(
        Reason::kUnauthorized,
        "the join token is wrong; `mk token create` on a server prints one, and the server's file "
        "node-token holds it");
  MK_CO_ASSIGN(const Json body, api::parse_json(request.body, 16));
  const std::string name(api::str(body, "nodeName"));
  if (const auto wrong = api::check_dns1123_subdomain(name); !wrong.empty())
    co_return Error(Reason::kInvalid,
                    "node name \"" + name + "\": " + wrong + "; choose another with --node-name");
  MK_CO_TRY(co_await claim_name(name, std::string(api::str(body, "nodePassword"))));
  std::vector<std::string> addresses;
  for (const auto& address : api::list(body, "addresses")) {
    if (const auto* text = address.if_string()) addresses.emplace_back(text->data(), text->size());
  }
  JsonObject out;
  MK_CO_ASSIGN(const std::string client,
               sign(std::string(api::str(body, "clientRequest")), name, pki::Usage::kClient, {}));
  MK_CO_ASSIGN(const std::string serving,
               sign(std::string(api::str(body, "servingRequest")), name, pki::Usage::kServer, addresses));
  out["clientCertificate"] = api::text(client);
  out["servingCertificate"] = api::text(serving);
  out["certificateAuthority"] = api::text(options_.ca_pem);
  out["clusterCIDR"] = api::text(options_.cluster_cidr);
  out["serviceCIDR"] = api::text(options_.service_cidr);
  out["clusterDNS"] = api::text(options_.cluster_dns);
  out["clusterDomain"] = api::text(options_.cluster_domain);
  out["version"] = api::text(options_.version);
  kLog.info("a node joined", "node", name, "from", call.exchange->remote_address());
  co_return Json(std::move(out));
}

rt::Task<Result<void>> Join::claim_name(const std::string& name, const std::string& password) {
  if (password.size() < 16)
    co_return Error(Reason::kBadRequest, "nodePassword must have at least 16 characters");
  const std::string hash = pki::sha256_hex(password);
  const api::Key key("kube-system", name + ".node-password.mk");
  const api::Object known = registry_.cacher().get(api::resources::kSecrets, key);
  if (known) {
    const auto stored = base64_decode(api::str(known.json(), "data.hash"));
    if (stored && pki::equal_secrets(*stored, hash)) co_return ok();
    co_return Error(Reason::kForbidden,
                    "node name " + name +
                        " belongs to another machine; if that machine was set up anew, delete "
                        "the Secret " +
                        key.str() + " and the Node, or choose another --node-name");
  }
  WriteContext context;
  context.resource = api::find_builtin(api::resources::kSecrets);
  context.ns = key.ns;
  context.field_manager = "mk";
  context.now = rt::format_time(registry_.clock().now());
  JsonObject metadata, data, secret;
  metadata["name"] = api::text(key.name);
  data["hash"] = api::text(base64_encode(hash));
  secret["apiVersion"] = "v1";
  secret["kind"] = "Secret";
  secret["metadata"] = std::move(metadata);
  secret["type"] = "mk.io/node-password";
  secret["data"] = std::move(data);
  MK_CO_TRY(co_await registry_.create(context, Json(std::move(secret))));
  co_return ok();
}

Result<std::string> Join::sign(const std::string& csr, const std::string& name, pki::Usage usage,
                               const std::vector<std::string>& addresses) const {
  pki::CertificateRequest request;
  request.common_name = "system:node:" + name;
  request.organizations = {"system:nodes"};
  request.usage = usage;
  if (usage == pki::Usage::kServer) {
    request.dns_names = {name, "localhost"};
    request.ip_addresses = {"127.0.0.1"};
    for (const auto& address : addresses) {
      if (api::check_ip(address).empty()) request.ip_addresses.push_back(address);
    }
  }
  request.not_before = seconds(registry_.clock().now() - std::chrono::hours(1));  // clocks differ a little
  request.not_after = seconds(registry_.clock().now() + kLifetime);
  return pki::sign_csr(options_.ca, csr, request);
}

}  // namespace mk::apiserver
