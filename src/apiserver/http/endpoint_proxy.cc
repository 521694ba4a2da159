#include "http/endpoint_proxy.h"

#include <fmt/format.h>

#include "http/relay.h"
#include "mk/api/resource.h"
#include "mk/base/strings.h"
#include "registry/errors.h"

namespace mk::apiserver {

using api::Json;
using api::Object;

namespace {

const api::Gvr kSlices{"discovery.k8s.io", "v1", "endpointslices"};
constexpr int kPathParts = 7;  // api, v1, namespaces, <ns>, pods|services, <name>, proxy

std::string url_of(const ProxyName& name, std::string_view host, std::int64_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return fmt::format("{}://{}{}{}:{}", name.scheme, v6 ? "[" : "", host, v6 ? "]" : "", port);
}

// Addresses that mean another machine to whoever wrote them than to this server.
Result<void> check_proxyable(std::string_view ip) {
  if (ip.starts_with("127.") || ip.starts_with("169.254.") || ip == "::1" || ip.starts_with("fe80:"))
    return Error(Reason::kForbidden, "address not allowed: " + std::string(ip));
  return ok();
}

// The end of "/api/v1/namespaces/<ns>/pods/<name>/proxy" in a path as the client sent it.
std::size_t prefix_size(std::string_view path) {
  std::size_t at = 0;
  for (int part = 0; part < kPathParts && at < path.size(); ++part)
    at = std::min(path.find('/', at + 1), path.size());
  return at;
}

// A container's port by its name.
std::int64_t named_port(const Object& pod, const std::string& port) {
  for (const Json& container : api::list(pod.json(), "spec.containers"))
    for (const Json& candidate : api::list(container, "ports"))
      if (api::str(candidate, "name") == port) return api::num(candidate, "containerPort");
  return 0;
}

std::int64_t first_port(const Object& pod) {
  for (const Json& container : api::list(pod.json(), "spec.containers"))
    for (const Json& candidate : api::list(container, "ports"))
      if (const auto port = api::num(candidate, "containerPort"); port > 0) return port;
  return 80;
}

// The service port that is meant, nullptr if there is none.
const Json* service_port(const Object& service, const std::string& wanted) {
  const auto& ports = api::list(service.json(), "spec.ports");
  if (wanted.empty()) return ports.size() == 1 ? &ports[0] : nullptr;
  const auto number = parse_int(wanted);
  for (const Json& port : ports)
    if (api::str(port, "name") == wanted || (number && api::num(port, "port") == *number)) return &port;
  return nullptr;
}

}  // namespace

Result<ProxyName> parse_proxy_name(std::string_view text) {
  const auto parts = split(text, ':');
  ProxyName out;
  if (parts.size() == 1) {
    out.name = parts[0];
  } else if (parts.size() == 2) {
    out.name = parts[0];
    out.port = parts[1];
  } else if (parts.size() == 3) {
    if (!parts[0].empty()) out.scheme = parts[0];
    out.name = parts[1];
    out.port = parts[2];
  }
  const bool known = out.scheme == "http" || out.scheme == "https";
  if (out.name.empty() || !known)
    return Error(Reason::kBadRequest, fmt::format("invalid service or pod request \"{}\"", text));
  return out;
}

Result<std::string> pod_address(const Object& pod, const ProxyName& name) {
  const auto ip = api::str(pod.json(), "status.podIP");
  if (ip.empty())
    return Error(Reason::kServiceUnavailable, fmt::format("no address known for pod \"{}\"", pod.name()));
  MK_TRY(check_proxyable(ip));
  std::int64_t port = first_port(pod);
  if (!name.port.empty()) port = parse_int(name.port).value_or(named_port(pod, name.port));
  if (port <= 0 || port > 65535)
    return Error(Reason::kBadRequest, fmt::format("pod \"{}\" has no port \"{}\"", pod.name(), name.port));
  return url_of(name, ip, port);
}

Result<std::string> service_address(const Object& service, const std::vector<Object>& slices,
                                    const ProxyName& name, std::size_t turn) {
  const Json* wanted = service_port(service, name.port);
  if (wanted == nullptr)
    return Error(Reason::kServiceUnavailable,
                 fmt::format("no service port \"{}\" found for service \"{}\"", name.port, service.name()));
  std::vector<std::string> found;
  for (const Object& slice : slices) {
    for (const Json& port : api::list(slice.json(), "ports")) {
      if (api::str(port, "name") != api::str(*wanted, "name")) continue;
      for (const Json& endpoint : api::list(slice.json(), "endpoints")) {
        const auto& addresses = api::list(endpoint, "addresses");
        if (addresses.empty() || !api::flag(endpoint, "conditions.ready", true)) continue;
        const std::string ip(addresses[0].as_string());
        if (check_proxyable(ip).ok()) found.push_back(url_of(name, ip, api::num(port, "port")));
      }
    }
  }
  if (found.empty())
    return Error(Reason::kServiceUnavailable,
                 fmt::format("no endpoints available for service \"{}\"", service.name()));
  return found[turn % found.size()];
}

bool EndpointProxy::handles(const RequestInfo& info) {
  return info.group.empty() && info.subresource == "proxy" &&
         (info.resource == "pods" || info.resource == "services");
}

Result<std::string> EndpointProxy::address(const Call& call) {
  MK_ASSIGN(const ProxyName name, parse_proxy_name(call.info.name));
  const api::Key key(call.info.ns, name.name);
  if (call.info.resource == "pods") {
    const Object pod = cacher_.get(api::resources::kPods, key);
    if (!pod) return not_found(api::resources::kPods, name.name);
    return pod_address(pod, name);
  }
  const Object service = cacher_.get(api::resources::kServices, key);
  if (!service) return not_found(api::resources::kServices, name.name);
  std::vector<Object> slices;
  cacher_.resource(kSlices).for_each(call.info.ns, [&](const Object& slice) {
    const Json* of = api::object(slice.json(), "metadata.labels").if_contains("kubernetes.io/service-name");
    if (of != nullptr && of->is_string() && of->get_string() == name.name) slices.push_back(slice);
    return true;
  });
  return service_address(service, slices, name, turn_++);
}

rt::Task<> EndpointProxy::handle(Call& call) {
  auto where = address(call);
  if (!where.ok()) {
    co_await answer_error(call, std::move(where).error());
    co_return;
  }
  const net::Request& request = call.exchange->request();
  const auto cut = prefix_size(request.path());
  const std::string prefix(request.path().substr(0, cut));
  const bool bare = cut == request.path().size();
  std::string query(request.query());
  if (!query.empty()) query.insert(0, "?");
  // Without the slash, links relative to the page would lead elsewhere.
  if (bare && (request.method == "GET" || request.method == "HEAD")) {
    net::Response moved(301, "text/html; charset=utf-8", "");
    moved.headers.set("Location", prefix + "/" + query);
    call.status = 301;
    (void)co_await call.exchange->respond(std::move(moved));
    co_return;
  }
  net::ClientOptions options;
  options.base_url = std::move(*where);
  options.insecure = true;  // the pod's certificate is nobody's business but its own
  auto backend = net::make_http_client(loop_, clock_, std::move(options));
  if (!backend.ok()) {
    co_await answer_error(call, std::move(backend).error());
    co_return;
  }
  Relay relay{**backend, bare ? "/" + query : std::string(request.target.substr(cut)), prefix};
  if (request.headers.has("Upgrade"))
    co_await relay_upgrade(call, std::move(relay));
  else
    co_await relay_request(call, std::move(relay));
}

}  // namespace mk::apiserver
