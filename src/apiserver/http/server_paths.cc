#include "http/server_paths.h"

#include "mk/base/strings.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

constexpr std::string_view kPath = "/mk/v1/servers";

Json server_json(const ServerInfo& server) {
  JsonObject out;
  out["id"] = api::text(std::to_string(server.id));
  out["peerAddress"] = api::text(server.peer_address);
  out["apiAddress"] = api::text(server.api_address);
  out["role"] = server.leader ? "leader" : server.voter ? "voter" : "learner";
  out["reachable"] = server.reachable;
  return Json(std::move(out));
}

Json done() {
  JsonObject out;
  out["kind"] = "Status";
  out["apiVersion"] = "v1";
  out["status"] = "Success";
  return Json(std::move(out));
}

Result<ServerInfo> server_of(const net::Request& request) {
  MK_ASSIGN(const Json body, api::parse_json(request.body, 8));
  ServerInfo out;
  out.id = static_cast<std::uint64_t>(parse_int(api::str(body, "id")).value_or(0));
  out.peer_address = api::str(body, "peerAddress");
  if (out.id == 0 || out.peer_address.rfind(':') == std::string::npos)
    return Error(Reason::kInvalid, "a server needs an id above 0 and a peerAddress (host:port)");
  return out;
}

}  // namespace

bool ServerPaths::handles(const RequestInfo& info) {
  return info.path == kPath || std::string_view(info.path).starts_with("/mk/v1/servers/");
}

Json ServerPaths::listed() const {
  JsonArray items;
  for (const auto& server : servers_->list()) items.push_back(server_json(server));
  JsonObject out;
  out["kind"] = "ServerList";
  out["items"] = std::move(items);
  return Json(std::move(out));
}

rt::Task<Result<Json>> ServerPaths::answer(Call& call) {
  if (servers_ == nullptr) co_return Error(Reason::kNotFound, "this server cannot have others beside it");
  const net::Request& request = call.exchange->request();
  const std::string& method = request.method;
  if (call.info.path == kPath) {
    if (method == "GET") co_return listed();
    if (method != "POST")
      co_return Error(Reason::kMethodNotAllowed, "servers are listed with GET and added with POST");
    MK_CO_ASSIGN(ServerInfo server, server_of(request));
    MK_CO_TRY(co_await servers_->add(std::move(server)));
    co_return done();
  }
  const auto rest = split(std::string_view(call.info.path).substr(kPath.size() + 1), '/');
  const auto id = static_cast<std::uint64_t>(parse_int(rest[0]).value_or(0));
  const bool lead = rest.size() == 2 && rest[1] == "lead";
  if (id == 0 || rest.size() > 2 || (rest.size() == 2 && !lead))
    co_return Error(Reason::kNotFound, "no such path; servers are named by their id");
  if (lead && method == "POST") {
    MK_CO_TRY(co_await servers_->lead(id));
    co_return done();
  }
  if (!lead && method == "DELETE") {
    MK_CO_TRY(co_await servers_->remove(id));
    co_return done();
  }
  co_return Error(Reason::kMethodNotAllowed,
                  "a server is removed with DELETE, and made leader with POST .../lead");
}

rt::Task<> ServerPaths::handle(Call& call) {
  auto answered = co_await answer(call);
  if (answered.ok()) {
    co_await answer_json(call, 200, *answered);
  } else {
    co_await answer_error(call, std::move(answered).error());
  }
}

}  // namespace mk::apiserver
