#include "http/node_proxy.h"

#include <algorithm>

#include "http/relay.h"
#include "mk/api/resource.h"
#include "mk/base/strings.h"
#include "registry/errors.h"

namespace mk::apiserver {

using api::Json;
using api::Object;

namespace {

// The options of pods/log as the kubelet names them, which are the same.
constexpr std::string_view kLogOptions[] = {"follow",     "previous",   "sinceSeconds",
                                            "sinceTime",  "timestamps", "tailLines",
                                            "limitBytes", "stream",     "insecureSkipTLSVerifyBackend"};

std::string with_query(std::string path, const std::vector<std::pair<std::string, std::string>>& fields) {
  char separator = '?';
  for (const auto& [name, value] : fields) {
    path.push_back(separator);
    path.append(url_encode(name)).append("=").append(url_encode(value));
    separator = '&';
  }
  return path;
}

std::vector<std::string> container_names(const Object& pod) {
  std::vector<std::string> names;
  for (const char* list : {"spec.initContainers", "spec.containers", "spec.ephemeralContainers"}) {
    for (const auto& container : api::list(pod.json(), list)) names.emplace_back(api::str(container, "name"));
  }
  return names;
}

// The container asked for, or the pod's only one.
Result<std::string> choose_container(const Object& pod, std::string_view asked) {
  const auto names = container_names(pod);
  const std::string about = "pod " + std::string(pod.name());
  if (!asked.empty()) {
    if (std::find(names.begin(), names.end(), asked) != names.end()) return std::string(asked);
    return Error(Reason::kBadRequest, "container " + std::string(asked) + " is not valid for " + about);
  }
  const auto& containers = api::list(pod.json(), "spec.containers");
  if (containers.size() == 1) return std::string(api::str(containers[0], "name"));
  return Error(Reason::kBadRequest, "a container name must be specified for " + about + ", choose one of: [" +
                                        join(names, " ") + "]");
}

}  // namespace

NodeProxy::NodeProxy(rt::Loop& loop, rt::Clock& clock, Cacher& cacher, pki::KeyPair client,
                     std::string ca_pem)
    : loop_(loop),
      clock_(clock),
      cacher_(cacher),
      client_(std::move(client)),
      ca_pem_(std::move(ca_pem)),
      endpoints_(loop, clock, cacher) {}
NodeProxy::~NodeProxy() = default;

bool NodeProxy::handles(const RequestInfo& info) {
  if (!info.group.empty()) return false;
  if (EndpointProxy::handles(info)) return true;
  const auto& sub = info.subresource;
  if (info.resource == "pods")
    return sub == "log" || sub == "exec" || sub == "attach" || sub == "portforward";
  return info.resource == "nodes" && sub == "proxy";
}

Result<net::HttpClient*> NodeProxy::kubelet_of(const std::string& node) {
  const Object object = cacher_.get(api::resources::kNodes, api::Key("", node));
  if (!object) return not_found(api::resources::kNodes, node);
  std::string address;
  for (const auto& entry : api::list(object.json(), "status.addresses")) {
    if (api::str(entry, "type") == "InternalIP" && address.empty()) address = api::str(entry, "address");
  }
  if (address.empty())
    return Error(Reason::kServiceUnavailable, "node " + node + " has not reported an address yet");
  const std::int64_t port = api::num(object.json(), "status.daemonEndpoints.kubeletEndpoint.Port", 10250);
  const bool v6 = address.find(':') != std::string::npos;
  const std::string url = "https://" + (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
  auto& client = kubelets_[url];
  if (!client) {
    net::ClientOptions options;
    options.base_url = url;
    options.ca_pem = ca_pem_;
    options.client_certificate = client_;
    MK_ASSIGN(client, net::make_http_client(loop_, clock_, std::move(options)));
  }
  return client.get();
}

Result<std::string> NodeProxy::pod_path(const Call& call, const Object& pod) const {
  const std::string name = std::string(pod.ns()) + "/" + std::string(pod.name());
  std::vector<std::pair<std::string, std::string>> fields;
  if (call.info.subresource == "portforward") {
    for (const auto& ports : call.query.all("ports")) fields.emplace_back("port", ports);
    return with_query("/portForward/" + name, fields);
  }
  MK_ASSIGN(const std::string container, choose_container(pod, call.query.get("container")));
  if (call.info.subresource == "log") {
    for (const auto option : kLogOptions) {
      if (call.query.has(option)) fields.emplace_back(option, call.query.get(option));
    }
    return with_query("/containerLogs/" + name + "/" + container, fields);
  }
  for (const auto& word : call.query.all("command")) fields.emplace_back("command", word);
  // The API says stdin, the kubelet input: its own old names.
  const std::pair<std::string_view, std::string_view> kFlags[] = {
      {"stdin", "input"}, {"stdout", "output"}, {"stderr", "error"}, {"tty", "tty"}};
  for (const auto& [ours, theirs] : kFlags) {
    if (call.query.flag(ours)) fields.emplace_back(theirs, "1");
  }
  return with_query("/" + call.info.subresource + "/" + name + "/" + container, fields);
}

Result<NodeProxy::Target> NodeProxy::target(const Call& call) {
  Target out;
  if (call.info.resource == "nodes") {
    MK_ASSIGN(out.kubelet, kubelet_of(call.info.name));
    out.prefix = "/api/v1/nodes/" + call.info.name + "/proxy";
    out.path = "/" + call.info.rest;
    if (const auto query = call.exchange->request().query(); !query.empty())
      out.path.append("?").append(query);
    return out;
  }
  const Object pod = cacher_.get(api::resources::kPods, api::Key(call.info.ns, call.info.name));
  if (!pod) return not_found(api::resources::kPods, call.info.name);
  const std::string node(api::str(pod.json(), "spec.nodeName"));
  if (node.empty())
    return Error(Reason::kBadRequest, "pod " + call.info.name + " does not have a host assigned");
  MK_ASSIGN(out.kubelet, kubelet_of(node));
  MK_ASSIGN(out.path, pod_path(call, pod));
  return out;
}

rt::Task<> NodeProxy::handle(Call& call) {
  if (EndpointProxy::handles(call.info)) {
    co_await endpoints_.handle(call);
    co_return;
  }
  auto found = target(call);
  if (!found.ok()) {
    co_await answer_error(call, std::move(found).error());
    co_return;
  }
  Relay relay{*found->kubelet, std::move(found->path), std::move(found->prefix)};
  const bool upgrade = call.exchange->request().headers.has("Upgrade");
  if (upgrade) {
    co_await relay_upgrade(call, std::move(relay));
  } else if (call.info.subresource == "exec" || call.info.subresource == "attach" ||
             call.info.subresource == "portforward") {
    co_await answer_error(call, Error(Reason::kBadRequest, "Upgrade request required"));
  } else {
    co_await relay_request(call, std::move(relay));
  }
}

}  // namespace mk::apiserver
