#include "server_join.h"

#include "cluster_secrets.h"
#include "join.h"
#include "mk/api/json.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/client/https_client.h"
#include "mk/net/client.h"

namespace mk::node {

namespace {

constexpr Log kLog("node");
constexpr auto kRetryAfter = std::chrono::seconds(1);

// Of what a server that is starting, or that has no leader right now, may say.
bool may_pass(const Error& error) {
  return error.is(Reason::kServiceUnavailable) || error.is(Reason::kTimeout) || error.is(Reason::kConflict);
}

rt::Task<Result<std::string>> ask_secrets(Process& process, const Options& options) {
  MK_CO_ASSIGN(auto server, co_await connect_by_token(process, options));
  net::Request request("POST", "/v1-mk/server");
  MK_CO_ASSIGN(auto answer, co_await server.http->request(std::move(request)));
  if (answer.status != 200)
    co_return client::error_from_response(answer.status, answer.body).wrap("join " + options.join);
  co_return std::move(answer.body);
}

rt::Task<Result<void>> ask_once(Process& process, const Options& options, const net::ClientOptions& secure,
                                const std::string& body) {
  MK_CO_ASSIGN(auto http, net::make_http_client(process.loop, *process.clock, secure));
  net::Request request("POST", "/mk/v1/servers");
  request.headers.set("Content-Type", "application/json");
  request.body = body;
  MK_CO_ASSIGN(auto answer, co_await http->request(std::move(request)));
  if (answer.status == 200) co_return ok();
  co_return client::error_from_response(answer.status, answer.body).wrap("join " + options.join);
}

}  // namespace

rt::Task<Result<void>> fetch_secrets(Process& process, Options& options) {
  if (read_file(options.data_dir + "/server/cluster-id").ok()) co_return ok();
  if (options.token.empty())
    co_return Error(Reason::kInvalid,
                    "a server that joins needs --token; the first server's file server-token holds it");
  for (;;) {
    auto secrets = co_await ask_secrets(process, options);
    if (secrets.ok()) co_return take_secrets(*secrets, options);
    if (!may_pass(secrets.error())) co_return std::move(secrets).error();
    kLog.warn("cannot join yet", "server", options.join, "error", secrets.error().message());
    co_await process.clock->sleep_for(kRetryAfter);
  }
}

rt::Task<Result<void>> ask_to_be_added(Process& process, const Options& options, std::string ca_pem,
                                       pki::KeyPair admin, apiserver::ServerInfo self) {
  net::ClientOptions secure;
  secure.base_url = options.join;
  secure.ca_pem = std::move(ca_pem);
  secure.client_certificate = std::move(admin);
  api::JsonObject body;
  body["id"] = api::text(std::to_string(self.id));
  body["peerAddress"] = api::text(self.peer_address);
  const std::string text = api::to_json(api::Json(std::move(body)));
  for (;;) {
    auto added = co_await ask_once(process, options, secure, text);
    if (added.ok() || !may_pass(added.error())) co_return added;
    kLog.warn("not taken in yet", "server", options.join, "error", added.error().message());
    co_await process.clock->sleep_for(kRetryAfter);
  }
}

}  // namespace mk::node
