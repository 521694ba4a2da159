#include "join.h"

#include "mk/api/json.h"
#include "mk/base/files.h"
#include "mk/base/ids.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "mk/client/https_client.h"
#include "mk/net/client.h"
#include "mk/pki/token.h"

namespace mk::node {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

constexpr Log kLog("node");
constexpr std::int64_t kRenewBefore = 30 * 86400;
constexpr auto kRetryAfter = std::chrono::seconds(3);

std::string state_path(const Options& options) {
  return options.data_dir + "/agent/membership.json";
}

// The machine's own secret: what makes its node name its own.
Result<std::string> node_password(const Options& options) {
  const std::string path = options.data_dir + "/agent/node-password";
  auto known = read_file(path);
  if (known.ok()) return std::string(trim(*known));
  if (!known.error().is(Reason::kNotFound)) return std::move(known).error();
  MK_TRY(make_dirs(options.data_dir + "/agent", 0700));
  const std::string made = random_token(32);
  MK_TRY(write_file(path, made + "\n", 0600));
  return made;
}

Json to_json(const Membership& membership) {
  JsonObject out;
  out["ca"] = api::text(membership.ca_pem);
  out["clientCertificate"] = api::text(membership.client.certificate_pem);
  out["clientKey"] = api::text(membership.client.key_pem);
  out["servingCertificate"] = api::text(membership.serving.certificate_pem);
  out["servingKey"] = api::text(membership.serving.key_pem);
  out["clusterCIDR"] = api::text(membership.cluster.cluster_cidr);
  out["serviceCIDR"] = api::text(membership.cluster.service_cidr);
  out["clusterDNS"] = api::text(membership.cluster.cluster_dns);
  out["clusterDomain"] = api::text(membership.cluster.cluster_domain);
  return out;
}

Membership from_json(const Json& json) {
  Membership out;
  out.ca_pem = api::str(json, "ca");
  out.client.certificate_pem = api::str(json, "clientCertificate");
  out.client.key_pem = api::str(json, "clientKey");
  out.serving.certificate_pem = api::str(json, "servingCertificate");
  out.serving.key_pem = api::str(json, "servingKey");
  out.cluster.cluster_cidr = api::str(json, "clusterCIDR");
  out.cluster.service_cidr = api::str(json, "serviceCIDR");
  out.cluster.cluster_dns = api::str(json, "clusterDNS");
  out.cluster.cluster_domain = api::str(json, "clusterDomain");
  return out;
}

std::optional<Membership> known_membership(const Options& options, const std::string& node_name,
                                           std::int64_t now) {
  const auto text = read_file(state_path(options));
  if (!text.ok()) return std::nullopt;
  const auto json = api::parse_json(*text);
  if (!json.ok()) return std::nullopt;
  Membership out = from_json(*json);
  const auto info = pki::parse_certificate(out.client.certificate_pem);
  const bool good =
      info.ok() && info->common_name == "system:node:" + node_name && info->not_after - now > kRenewBefore;
  if (!good) return std::nullopt;
  return out;
}

// The server's CA, believed only if it is the one whose hash the token carries.
rt::Task<Result<std::string>> fetch_ca(Process& process, std::string url, pki::JoinToken token) {
  net::ClientOptions options;
  options.base_url = url;
  options.insecure = true;  // nothing secret is sent before the hash has been compared
  MK_CO_ASSIGN(auto http, net::make_http_client(process.loop, *process.clock, std::move(options)));
  net::Request request("GET", "/cacerts");
  MK_CO_ASSIGN(auto answer, co_await http->request(std::move(request)));
  if (answer.status != 200)
    co_return Error(Reason::kServiceUnavailable, url + " is no mk server (it has no /cacerts)");
  if (token.ca_hash.empty())
    co_return Error(Reason::kInvalid,
                    "the token has no CA hash, so the server cannot be verified; use the complete token "
                    "(K10...), which the server keeps in its file node-token");
  if (pki::ca_hash(answer.body) != token.ca_hash)
    co_return Error(
        Reason::kUnauthorized,
        "the CA of " + url +
            " is not the one the token was made for; is the URL right, and the token of this cluster?");
  co_return std::move(answer.body);
}

pki::CertificateRequest request_for(const std::string& node_name, pki::Usage usage) {
  pki::CertificateRequest request;
  request.common_name = "system:node:" + node_name;
  request.organizations = {"system:nodes"};
  request.usage = usage;
  return request;
}

struct Applicant {
  Applicant(const Options& options_, std::string name_, std::vector<std::string> addresses_)
      : options(options_), node_name(std::move(name_)), addresses(std::move(addresses_)) {}
  const Options& options;
  std::string node_name;
  std::vector<std::string> addresses;
};

rt::Task<Result<Membership>> apply(Process& process, Applicant applicant) {
  const Options& options = applicant.options;
  MK_CO_ASSIGN(auto server, co_await connect_by_token(process, options));
  MK_CO_ASSIGN(const std::string password, node_password(options));
  Membership out;
  out.client.key_pem = pki::make_private_key();
  out.serving.key_pem = pki::make_private_key();
  MK_CO_ASSIGN(const std::string client_csr,
               pki::make_csr(out.client.key_pem, request_for(applicant.node_name, pki::Usage::kClient)));
  MK_CO_ASSIGN(const std::string serving_csr,
               pki::make_csr(out.serving.key_pem, request_for(applicant.node_name, pki::Usage::kServer)));
  JsonObject body;
  body["nodeName"] = api::text(applicant.node_name);
  body["nodePassword"] = api::text(password);
  body["clientRequest"] = api::text(client_csr);
  body["servingRequest"] = api::text(serving_csr);
  JsonArray addresses;
  for (const auto& address : applicant.addresses) addresses.push_back(api::text(address));
  body["addresses"] = std::move(addresses);
  net::Request request("POST", "/v1-mk/node");
  request.headers.set("Content-Type", "application/json");
  request.body = api::to_json(body);
  MK_CO_ASSIGN(auto answer, co_await server.http->request(std::move(request)));
  if (answer.status != 200)
    co_return client::error_from_response(answer.status, answer.body).wrap("join " + options.join);
  MK_CO_ASSIGN(const Json json, api::parse_json(answer.body));
  const Membership given = from_json(json);
  out.ca_pem = server.ca_pem;
  out.client.certificate_pem = given.client.certificate_pem;
  out.serving.certificate_pem = given.serving.certificate_pem;
  out.cluster = given.cluster;
  MK_CO_TRY(write_file(state_path(options), api::to_json(to_json(out)), 0600));
  co_return out;
}

}  // namespace

rt::Task<Result<TokenClient>> connect_by_token(Process& process, const Options& options) {
  MK_CO_ASSIGN(const auto token, pki::parse_join_token(options.token));
  TokenClient out;
  MK_CO_ASSIGN(out.ca_pem, co_await fetch_ca(process, options.join, token));
  net::ClientOptions secure;
  secure.base_url = options.join;
  secure.ca_pem = out.ca_pem;
  secure.token = token.password;
  MK_CO_ASSIGN(out.http, net::make_http_client(process.loop, *process.clock, std::move(secure)));
  co_return out;
}

rt::Task<Result<Membership>> join_cluster(Process& process, const Options& options, std::string node_name,
                                          std::vector<std::string> addresses) {
  if (auto known = known_membership(options, node_name, process.now_seconds())) co_return std::move(*known);
  for (;;) {
    auto joined = co_await apply(process, Applicant(options, node_name, addresses));
    // A server that is not there yet is waited for; a wrong token or name is for the person to mend.
    const bool again = !joined.ok() && (joined.error().is(Reason::kServiceUnavailable) ||
                                        joined.error().is(Reason::kTimeout));
    if (!again) co_return joined;
    kLog.warn("cannot join yet", "server", options.join, "error", joined.error().message());
    co_await process.clock->sleep_for(kRetryAfter);
  }
}

}  // namespace mk::node
