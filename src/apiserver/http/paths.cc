#include "http/paths.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include "discovery/discovery.h"
#include "mk/api/openapi.h"
#include "mk/base/strings.h"
#include "mk/pki/certificate.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

Error no_such_path() {
  return Error(Reason::kNotFound, "the server could not find the requested resource");
}

std::string machine() {
  utsname name{};
  ::uname(&name);
  const std::string_view arch = name.machine;
  if (arch == "x86_64") return "amd64";
  if (arch == "aarch64") return "arm64";
  if (arch.starts_with("arm")) return "arm";
  return std::string(arch);
}

// An answer that clients cache by its tag (RFC 9110 section 8.8.3); without a body: they have it already.
rt::Task<> answer_tagged(Call& call, std::string content_type, std::string tag,
                         std::optional<SharedBytes> body) {
  net::Headers headers = answer_headers(call, content_type);
  headers.set("ETag", tag);
  headers.add("Vary", "Accept");
  call.status = body ? 200 : 304;
  std::vector<SharedBytes> chunks;
  if (body) chunks.emplace_back(std::move(*body));
  (void)co_await send_body(call, call.status, std::move(headers), std::move(chunks));
}

}  // namespace

const Paths::Aggregated& Paths::aggregated(bool core) {
  Aggregated& out = aggregated_[core ? 1 : 0];
  const ResourceTable& table = definitions_.table();
  if (out.generation == table.generation()) return out;
  std::string body = api::to_json(aggregated_discovery(table, core));
  out.generation = table.generation();
  out.tag = "\"" + pki::sha256_hex(body).substr(0, 32) + "\"";
  out.body = SharedBytes(std::move(body));
  return out;
}

rt::Task<> Paths::handle(Call& call) {
  std::string path = call.info.path;
  if (path.size() > 1 && path.back() == '/') path.pop_back();
  call.accepted.transform = Transform::kNone;
  for (const char* endpoint : {"/healthz", "/livez", "/readyz"}) {
    if (path == endpoint || path.starts_with(std::string(endpoint) + "/")) {
      const std::string one = path.size() > std::string_view(endpoint).size()
                                  ? path.substr(std::string_view(endpoint).size() + 1)
                                  : "";
      co_await health(call, std::string(endpoint).substr(1), one);
      co_return;
    }
  }
  if (path == "/version") {
    co_await answer_json(call, 200, version());
  } else if (path == "/metrics") {
    co_await answer_text(call, 200, "text/plain; version=0.0.4", metrics_.text(cacher_));
  } else if (path.starts_with("/openapi/")) {
    co_await openapi(call);
  } else if (path == "/.well-known/openid-configuration") {
    co_await answer_json(call, 200, openid_configuration());
  } else if (path == "/openid/v1/jwks") {
    co_await answer_text(call, 200, "application/jwk-set+json", options_.jwks);
  } else if (path == "/") {
    co_await answer_json(call, 200, root());
  } else {
    co_await discovery(call);
  }
}

rt::Task<> Paths::discovery(Call& call) {
  const auto parts = split(std::string_view(call.info.path).substr(1), '/');
  const std::size_t count = parts.size() - (parts.back().empty() ? 1 : 0);
  std::optional<Json> document;
  const ResourceTable& table = definitions_.table();
  if (count == 1 && (parts[0] == "api" || parts[0] == "apis")) {
    const bool core = parts[0] == "api";
    if (call.accepted.aggregated_discovery) {
      const Aggregated& made = aggregated(core);
      std::optional<SharedBytes> body;
      if (call.exchange->request().headers.get("If-None-Match") != made.tag) body = made.body;
      co_await answer_tagged(call, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
                             made.tag, std::move(body));
      co_return;
    }
    document = core ? api_versions(options_.server_address) : api_group_list(table);
  } else if (count == 2 && parts[0] == "api") {
    document = api_resource_list(table, "", std::string(parts[1]));
  } else if (count == 2 && parts[0] == "apis") {
    document = api_group(table, std::string(parts[1]));
  } else if (count == 3 && parts[0] == "apis") {
    document = api_resource_list(table, std::string(parts[1]), std::string(parts[2]));
  }
  if (document) {
    co_await answer_json(call, 200, *document);
  } else {
    co_await answer_error(call, no_such_path());
  }
}

// A document that is made only for clients who do not have it yet.
rt::Task<> Paths::openapi(Call& call) {
  const std::string& path = call.info.path;
  constexpr std::string_view kGroups = "/openapi/v3/";
  const bool one = path.starts_with(kGroups);
  const std::string group_version = one ? path.substr(kGroups.size()) : "";
  const bool protobuf = path == "/openapi/v2" && call.accepted.openapi_v2_protobuf;
  const std::string type =
      protobuf ? "application/com.github.proto-openapi.spec.v2.v1.0+protobuf" : "application/json";
  const auto hash = api::openapi_hash(group_version, definitions_.openapi(Definitions::Schemas::kNone));
  const std::string tag = fmt::format("\"{:016X}{}\"", hash, protobuf ? "P" : "");
  if (call.exchange->request().headers.get("If-None-Match") == tag) {
    co_await answer_tagged(call, type, tag, std::nullopt);
    co_return;
  }
  using Schemas = Definitions::Schemas;
  const auto wanted = one ? Schemas::kOne : path == "/openapi/v2" ? Schemas::kAll : Schemas::kNone;
  const auto extra = definitions_.openapi(wanted, group_version);
  std::optional<std::string> document;
  if (path == "/openapi/v2") {
    document = protobuf ? api::openapi_v2_protobuf(extra) : api::openapi_v2(extra);
  } else if (path == "/openapi/v3") {
    document = api::openapi_v3_index(extra);
  } else if (one) {
    document = api::openapi_v3(group_version, extra);
  }
  if (document) {
    co_await answer_tagged(call, type, tag, std::move(document));
  } else {
    co_await answer_error(call, no_such_path());
  }
}

rt::Task<> Paths::health(Call& call, std::string endpoint, std::string one) {
  std::string lines;
  bool fine = true, found = one.empty();
  const auto excluded = call.query.all("exclude");
  for (const auto& check : checks_) {
    if (endpoint == "livez" && !check.live) continue;
    if (!one.empty() && check.name != one) continue;
    found = true;
    if (std::find(excluded.begin(), excluded.end(), check.name) != excluded.end()) {
      lines += "[+]" + check.name + " excluded: ok\n";
      continue;
    }
    const std::string wrong = check.check();
    fine = fine && wrong.empty();
    lines += wrong.empty() ? "[+]" + check.name + " ok\n" : "[-]" + check.name + " failed: " + wrong + "\n";
  }
  if (!found) {
    co_await answer_error(call, no_such_path());
  } else if (!fine) {
    co_await answer_text(call, 500, "text/plain; charset=utf-8", lines + endpoint + " check failed\n");
  } else {
    const std::string body = call.query.has("verbose") ? lines + endpoint + " check passed\n" : "ok";
    co_await answer_text(call, 200, "text/plain; charset=utf-8", body);
  }
}

Json Paths::version() const {
  JsonObject out;
  out["major"] = "1";
  out["minor"] = "36";
  out["emulationMajor"] = "1";
  out["emulationMinor"] = "36";
  out["minCompatibilityMajor"] = "1";
  out["minCompatibilityMinor"] = "35";
  out["gitVersion"] = api::text(options_.version);
  out["gitCommit"] = "";
  out["gitTreeState"] = "clean";
  out["buildDate"] = "1970-01-01T00:00:00Z";  // builds are reproducible
  out["goVersion"] = "none";
  out["compiler"] = "clang";
  out["platform"] = api::text("linux/" + machine());
  return out;
}

Json Paths::openid_configuration() const {
  JsonObject out;
  out["issuer"] = api::text(options_.issuer);
  out["jwks_uri"] = api::text("https://" + options_.server_address + "/openid/v1/jwks");
  out["response_types_supported"] = JsonArray{"id_token"};
  out["subject_types_supported"] = JsonArray{"public"};
  out["id_token_signing_alg_values_supported"] = JsonArray{"ES256"};
  return out;
}

Json Paths::root() const {
  JsonArray paths{"/.well-known/openid-configuration",
                  "/api",
                  "/api/v1",
                  "/apis",
                  "/healthz",
                  "/livez",
                  "/metrics",
                  "/openapi/v2",
                  "/openapi/v3",
                  "/openid/v1/jwks",
                  "/readyz",
                  "/version"};
  JsonObject out;
  out["paths"] = std::move(paths);
  return out;
}

}  // namespace mk::apiserver
