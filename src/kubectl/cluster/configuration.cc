#include <cstdlib>

#include "cluster/session.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

namespace {

constexpr const char* kAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr const char* kServerConfig = "/etc/mk/mk.yaml";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// What a process in a pod finds: its service account's files and the API's address in the environment.
std::optional<pki::Kubeconfig> pod_configuration() {
  std::string host = environment("KUBERNETES_SERVICE_HOST");
  const std::string port = environment("KUBERNETES_SERVICE_PORT");
  const std::string dir = kAccountDir;
  auto token = read_file(dir + "/token");
  if (host.empty() || port.empty() || !token.ok()) return std::nullopt;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  pki::Kubeconfig out;
  out.server = "https://" + host + ":" + port;
  out.token = trim(*token);
  out.ca_pem = read_file(dir + "/ca.crt").value_or("");
  out.ns = trim(read_file(dir + "/namespace").value_or(""));
  return out;
}

Result<void> override_fields(const Globals& globals, pki::Kubeconfig& config) {
  if (!globals.server.empty()) config.server = globals.server;
  if (!globals.token.empty()) config.token = globals.token;
  if (!globals.tls_server_name.empty()) config.tls_server_name = globals.tls_server_name;
  if (globals.insecure) config.insecure = true;
  const auto read_into = [](const std::string& path, std::string& target) -> Result<void> {
    if (path.empty()) return ok();
    MK_ASSIGN(target, read_file(path));
    return ok();
  };
  MK_TRY(read_into(globals.ca_file, config.ca_pem));
  MK_TRY(read_into(globals.client_certificate, config.client_certificate_pem));
  return read_into(globals.client_key, config.client_key_pem);
}

}  // namespace

std::string kubeconfig_path(const Globals& globals) {
  if (!globals.kubeconfig.empty()) return globals.kubeconfig;
  const std::string listed = environment("KUBECONFIG");
  std::string first;
  for (const auto part : split(listed, ':')) {
    if (part.empty()) continue;
    if (first.empty()) first = part;
    if (file_exists(std::string(part))) return std::string(part);
  }
  if (!first.empty()) return first;
  const std::string own = environment("HOME") + "/.kube/config";
  if (file_exists(own)) return own;
  return file_exists(kServerConfig) && !pod_configuration() ? kServerConfig : "";
}

Result<pki::Kubeconfig> load_configuration(const Globals& globals) {
  const std::string path = kubeconfig_path(globals);
  pki::Kubeconfig config;
  auto text = path.empty() ? Result<std::string>(std::string()) : read_file(path);
  if (!text.ok() && (!globals.kubeconfig.empty() || !text.error().is(Reason::kNotFound)))
    return std::move(text).error();
  if (text.ok() && !text->empty()) {
    // --server alone needs no context: the file may lack one.
    const auto slash = path.rfind('/');
    auto parsed = pki::parse_kubeconfig(*text, globals.context,
                                        slash == std::string::npos ? "" : path.substr(0, slash));
    if (parsed.ok()) {
      config = std::move(*parsed);
    } else if (globals.server.empty() || !globals.context.empty()) {
      if (!globals.context.empty() && parsed.error().message().find("in contexts") != std::string::npos)
        return Error(Reason::kInvalid, "context \"" + globals.context + "\" does not exist");
      return std::move(parsed).error();
    }
  } else if (!globals.context.empty()) {
    return Error(Reason::kInvalid, "context \"" + globals.context + "\" does not exist");
  } else if (auto pod = pod_configuration()) {
    config = std::move(*pod);
  }
  MK_TRY(override_fields(globals, config));
  if (config.server.empty()) config.server = "http://localhost:8080";
  return config;
}

}  // namespace mk::kubectl
