#include "images/registries.h"

#include <regex>

#include "mk/api/json.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

Error invalid(const std::string& what) {
  return Error(Reason::kInvalid, "registries.yaml: " + what);
}

// Boost.JSON and yaml may turn a numeric password into a number.
std::string text(const api::Json& json, std::string_view key) {
  const auto* value = api::member(json, key);
  if (value == nullptr) return "";
  return value->is_string() ? std::string(value->get_string()) : api::to_json(*value);
}

Result<std::vector<RegistryAuth>> parse_auth(const api::Json& config, const std::string& host) {
  std::vector<RegistryAuth> out;
  const auto* auth = api::member(config, "auth");
  if (auth == nullptr) return out;
  RegistryAuth one{text(*auth, "username"), text(*auth, "password"), text(*auth, "identity_token")};
  if (const std::string packed = text(*auth, "auth"); !packed.empty()) {
    const auto plain = base64_decode(packed);
    const auto colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos)
      return invalid("configs." + host + ".auth.auth is not base64 of user:password");
    one.username = plain->substr(0, colon);
    one.password = plain->substr(colon + 1);
  }
  if (one.identity_token.empty()) one.identity_token = text(*auth, "token");
  if (!one.username.empty() || !one.identity_token.empty()) out.push_back(std::move(one));
  return out;
}

bool local_host(const std::string& host) {
  const std::string name = host.substr(0, host.rfind(':'));
  return name == "localhost" || name.starts_with("127.") || name == "[::1]";
}

std::string host_of(const std::string& url) {
  const auto start = url.find("://") == std::string::npos ? 0 : url.find("://") + 3;
  return url.substr(start, url.find('/', start) - start);
}

std::string rewritten(const std::vector<std::pair<std::string, std::string>>& rewrites,
                      const std::string& repository) {
  for (const auto& [pattern, replacement] : rewrites) {
    const std::regex expression(pattern);  // compiled once already, by parse()
    if (std::regex_search(repository, expression))
      return std::regex_replace(repository, expression, replacement, std::regex_constants::format_first_only);
  }
  return repository;
}

}  // namespace

Result<Registries> Registries::parse(std::string_view yaml) {
  Registries out;
  if (trim(yaml).empty()) return out;
  auto parsed = api::parse_yaml(yaml);
  if (!parsed.ok()) return std::move(parsed).error().wrap("registries.yaml");
  for (const auto& entry : api::object(*parsed, "mirrors")) {
    Mirror mirror;
    for (const auto& endpoint : api::list(entry.value(), "endpoint")) {
      if (!endpoint.is_string())
        return invalid("mirrors." + std::string(entry.key()) + ".endpoint must list URLs");
      mirror.endpoints.emplace_back(endpoint.get_string());
    }
    for (const auto& rewrite : api::object(entry.value(), "rewrite")) {
      const std::string pattern(rewrite.key());
      try {
        const std::regex check(pattern);
      } catch (const std::regex_error& error) {
        return invalid("mirrors." + std::string(entry.key()) + ".rewrite: \"" + pattern +
                       "\" is no regular expression: " + error.what());
      }
      mirror.rewrites.emplace_back(
          pattern, rewrite.value().is_string() ? std::string(rewrite.value().get_string()) : "");
    }
    out.mirrors_.insert_or_assign(std::string(entry.key()), std::move(mirror));
  }
  for (const auto& entry : api::object(*parsed, "configs")) {
    const std::string host(entry.key());
    Config config;
    MK_ASSIGN(config.auth, parse_auth(entry.value(), host));
    if (const auto* tls = api::member(entry.value(), "tls"))
      config.tls = {text(*tls, "ca_file"), text(*tls, "cert_file"), text(*tls, "key_file"),
                    api::flag(*tls, "insecure_skip_verify")};
    out.configs_.insert_or_assign(host, std::move(config));
  }
  return out;
}

Result<Registries> Registries::load(const std::string& path) {
  auto content = read_file(path);
  if (content.ok()) return parse(*content);
  if (content.error().is(Reason::kNotFound)) return Registries();
  return std::move(content).error();
}

const Registries::Mirror* Registries::mirror_of(const std::string& registry) const {
  auto found = mirrors_.find(registry);
  if (found == mirrors_.end()) found = mirrors_.find("*");
  return found == mirrors_.end() ? nullptr : &found->second;
}

Endpoint Registries::make_endpoint(std::string url, std::string repository,
                                   const std::string& registry) const {
  Endpoint out;
  out.repository = std::move(repository);
  out.host = host_of(url);
  if (url.find("://") == std::string::npos) url.insert(0, local_host(out.host) ? "http://" : "https://");
  while (url.ends_with('/')) url.pop_back();
  if (url.find("/v2/") == std::string::npos && !url.ends_with("/v2")) url += "/v2";
  out.base = std::move(url);
  // k3s accepts the host of the endpoint, its URL, or the registry's name as key. For a mirror `registry` is
  // its own host, so that credentials of the registry never go to it.
  for (const std::string& key :
       {out.host, out.base.substr(0, out.base.find("/v2")), registry, std::string("*")}) {
    const auto config = configs_.find(key);
    if (config == configs_.end()) continue;
    out.tls = config->second.tls;
    out.auth = config->second.auth;
    break;
  }
  return out;
}

std::vector<Endpoint> Registries::endpoints(const Reference& reference) const {
  std::vector<Endpoint> out;
  if (const auto* mirror = mirror_of(reference.registry)) {
    for (const auto& url : mirror->endpoints) {
      auto endpoint = make_endpoint(url, rewritten(mirror->rewrites, reference.repository), host_of(url));
      endpoint.mirror = endpoint.host != reference.registry;
      out.push_back(std::move(endpoint));
    }
  }
  const std::string own = reference.registry == "docker.io" ? "registry-1.docker.io" : reference.registry;
  for (const auto& endpoint : out)
    if (endpoint.host == own && endpoint.repository == reference.repository) return out;
  out.push_back(make_endpoint(own, reference.repository, reference.registry));
  return out;
}

}  // namespace mk::kubelet
