#include "server/kubelet_server.h"

#include <fmt/core.h>

#include <algorithm>

#include "mk/base/strings.h"
#include "server/log_stream.h"
#include "server/port_forward.h"
#include "server/spdy_streams.h"
#include "server/stream_session.h"
#include "status/container_status.h"

namespace mk::kubelet {

namespace {

net::Response status_response(const Error& error) {
  const int code = http_code(error.reason());
  JsonObject status{{"kind", "Status"},
                    {"apiVersion", "v1"},
                    {"metadata", JsonObject{}},
                    {"status", "Failure"},
                    {"message", text(error.message())},
                    {"reason", text(to_string(error.reason()))},
                    {"code", code}};
  return net::Response(code, "application/json", api::to_json(status));
}

Result<std::vector<std::string>> path_parts(std::string_view path) {
  std::vector<std::string> out;
  for (const auto part : split(path, '/')) {
    if (part.empty()) continue;
    auto decoded = url_decode(part, false);
    if (!decoded) return Error(Reason::kBadRequest, "malformed path");
    out.push_back(std::move(*decoded));
  }
  return out;
}

Error not_there(std::string what) {
  return Error(Reason::kNotFound, std::move(what));
}

// Sends log text as frames of a WebSocket, for clients that asked for one.
rt::Task<Result<void>> logs_to_socket(rt::BlockingPool& pool, rt::Clock& clock, std::string path,
                                      LogOptions options, std::function<bool()> running,
                                      std::shared_ptr<net::WebSocket> socket) {
  const bool base64 = socket->subprotocol() == "base64.binary.k8s.io";
  LogSink sink = [socket, base64](std::string chunk) -> rt::Task<Result<void>> {
    net::WebSocket::Message message(!base64, base64 ? base64_encode(chunk) : std::move(chunk));
    return socket->write(std::move(message));
  };
  auto copy = [](rt::BlockingPool& pool_, rt::Clock& clock_, std::string path_, LogOptions options_,
                 std::function<bool()> running_, LogSink sink_) -> rt::Task<> {
    (void)co_await stream_log(pool_, clock_, std::move(path_), std::move(options_), std::move(running_),
                              std::move(sink_));
  };
  auto until_closed = [](std::shared_ptr<net::WebSocket> from) -> rt::Task<> {
    while ((co_await from->read()).ok()) {
    }
  };
  const auto winner = co_await rt::race(
      copy(pool, clock, std::move(path), std::move(options), std::move(running), std::move(sink)),
      until_closed(socket));
  if (winner == 0) co_await socket->close(1000, "");
  co_return ok();
}

}  // namespace

Result<void> authorize(const std::optional<pki::CertificateInfo>& client) {
  if (!client)
    return Error(Reason::kUnauthorized,
                 "Unauthorized: the kubelet's API wants a client certificate of the cluster");
  const auto& groups = client->organizations;
  if (client->common_name == "kube-apiserver-kubelet-client") return ok();
  if (std::find(groups.begin(), groups.end(), "system:masters") != groups.end()) return ok();
  return Error(
      Reason::kForbidden,
      fmt::format("Forbidden (user={}, verb=get, resource=nodes, subresource=proxy)", client->common_name));
}

KubeletServer::KubeletServer(Context& context, PodManager& pods) : context_(context), pods_(pods) {}

Result<void> KubeletServer::start() {
  const auto& options = context_.options;
  net::Handler handler = [this](std::shared_ptr<net::Exchange> exchange) {
    return handle(std::move(exchange));
  };
  MK_ASSIGN(server_, net::listen_http(context_.loop, context_.clock, options.bind_address, options.port,
                                      options.identity, net::ServerLimits(), std::move(handler)));
  return ok();
}

rt::Task<> KubeletServer::stop() {
  if (server_) co_await server_->stop();
}

rt::Task<> KubeletServer::handle(std::shared_ptr<net::Exchange> exchange) {
  auto allowed = authorize(exchange->client_certificate());
  Result<void> result = allowed;
  if (allowed.ok()) result = co_await route(exchange);
  if (result.ok()) co_return;
  net::Response response = status_response(result.error());
  (void)co_await exchange->respond(std::move(response));
}

rt::Task<Result<void>> KubeletServer::route(std::shared_ptr<net::Exchange> exchange) {
  MK_CO_ASSIGN(const Parts parts, path_parts(exchange->request().path()));
  const std::string what = parts.empty() ? "" : parts[0];
  std::optional<net::Response> response;
  if (what == "containerLogs" && parts.size() == 4) co_return co_await serve_logs(exchange, parts);
  if ((what == "exec" || what == "attach") && parts.size() >= 4)
    co_return co_await serve_streams(exchange, parts, what == "attach");
  if (what == "portForward" && parts.size() >= 3) co_return co_await serve_ports(exchange, parts);
  if (what == "healthz")
    response.emplace(200, "text/plain; charset=utf-8", "ok");
  else if (what == "pods" || what == "runningpods")
    response.emplace(200, "application/json", pods_json());
  else if (what == "stats" && parts.size() == 2 && parts[1] == "summary")
    response.emplace(200, "application/json", co_await stats_text("summary"));
  else if (what == "metrics" && parts.size() == 2 && (parts[1] == "resource" || parts[1] == "cadvisor"))
    response.emplace(200, "text/plain; version=0.0.4; charset=utf-8", co_await stats_text(parts[1]));
  else if (what == "metrics" && parts.size() == 1)
    response.emplace(200, "text/plain; version=0.0.4; charset=utf-8", metrics());
  else
    co_return not_there("404 page not found");
  (void)co_await exchange->respond(std::move(*response));
  co_return ok();
}

Result<ContainerStatus> KubeletServer::find_container(const Parts& parts, bool previous) const {
  const PodWorker* worker = pods_.find(parts[1], parts[2]);
  if (worker == nullptr)
    return not_there(fmt::format("pod \"{}/{}\" not found on this node", parts[1], parts[2]));
  const std::string& container = parts.back();
  bool defined = false;
  for (const auto& candidate : all_containers(worker->pod().json()))
    defined = defined || candidate.name() == container;
  if (!defined) return not_there(fmt::format("container {} not found in pod {}", container, parts[2]));
  const auto& snapshot = worker->snapshot();
  const ContainerStatus* newest = snapshot ? latest(*snapshot, container) : nullptr;
  if (newest == nullptr) {
    if (previous)
      return Error(
          Reason::kBadRequest,
          fmt::format("previous terminated container \"{}\" in pod \"{}\" not found", container, parts[2]));
    return Error(Reason::kBadRequest,
                 fmt::format("container \"{}\" in pod \"{}\" is waiting to start: ContainerCreating",
                             container, parts[2]));
  }
  if (!previous) return *newest;
  const ContainerStatus* before = nullptr;
  for (const auto& status : snapshot->containers)
    if (status.name == container && status.attempt < newest->attempt &&
        (before == nullptr || status.attempt > before->attempt))
      before = &status;
  if (before == nullptr)
    return Error(
        Reason::kBadRequest,
        fmt::format("previous terminated container \"{}\" in pod \"{}\" not found", container, parts[2]));
  return *before;
}

bool KubeletServer::is_running(const std::string& pod_uid, const std::string& id) const {
  for (const PodWorker* worker : pods_.workers()) {
    if (worker->pod().uid() != pod_uid || !worker->snapshot()) continue;
    for (const auto& status : worker->snapshot()->containers)
      if (status.id == id) return !ended(status);
  }
  return false;
}

rt::Task<Result<void>> KubeletServer::serve_logs(std::shared_ptr<net::Exchange> exchange, Parts parts) {
  const net::Query query(exchange->request().query());
  MK_CO_ASSIGN(LogOptions options, parse_log_options(query, context_.clock.now()));
  MK_CO_ASSIGN(const ContainerStatus container, find_container(parts, options.previous));
  std::function<bool()> running = [this, uid = container.pod_uid, id = container.id] {
    return is_running(uid, id);
  };
  if (exchange->wants_websocket()) {
    std::vector<std::string> protocols{"binary.k8s.io", "base64.binary.k8s.io", ""};
    auto socket = co_await exchange->accept_websocket(std::move(protocols));
    if (!socket.ok()) co_return ok();
    std::shared_ptr<net::WebSocket> shared = std::move(*socket);
    co_return co_await logs_to_socket(context_.pool, context_.clock, container.log_path, std::move(options),
                                      std::move(running), std::move(shared));
  }
  net::Headers headers;
  headers.set("Content-Type", "text/plain");
  auto started = co_await exchange->start(200, std::move(headers));
  if (!started.ok()) co_return ok();
  std::shared_ptr<net::BodyWriter> body = std::move(*started);
  LogSink sink = [body](std::string chunk) -> rt::Task<Result<void>> {
    std::vector<SharedBytes> chunks;
    chunks.emplace_back(std::move(chunk));
    return body->write(std::move(chunks));
  };
  auto copy = [](Context& context, std::string path, LogOptions wanted, std::function<bool()> alive,
                 LogSink to, std::shared_ptr<net::BodyWriter> writer) -> rt::Task<> {
    auto sent = co_await stream_log(context.pool, context.clock, std::move(path), std::move(wanted),
                                    std::move(alive), std::move(to));
    if (sent.ok()) (void)co_await writer->finish();
  };
  co_await rt::race(
      copy(context_, container.log_path, std::move(options), std::move(running), std::move(sink), body),
      exchange->client_gone());
  co_return ok();
}

Result<ContainerStatus> KubeletServer::running_container(const Parts& parts) const {
  MK_ASSIGN(ContainerStatus container, find_container(parts, false));
  if (container.state != ContainerState::kRunning)
    return Error(Reason::kInternalError,
                 fmt::format("container not found (\"{}\"): it is not running", parts.back()));
  return container;
}

rt::Task<Result<void>> KubeletServer::serve_streams(std::shared_ptr<net::Exchange> exchange, Parts parts,
                                                    bool attach) {
  MK_CO_ASSIGN(const ContainerStatus container, running_container(parts));
  const net::Query query(exchange->request().query());
  ExecOptions options;
  options.argv = query.all("command");
  options.stdin = query.flag("input") && query.has("input");
  options.stdout = query.has("output") && query.flag("output");
  options.tty = query.has("tty") && query.flag("tty");
  options.stderr = !options.tty && query.has("error") && query.flag("error");
  if (!attach && options.argv.empty())
    co_return Error(Reason::kBadRequest, "you must specify at least 1 command for the container");
  if (!options.stdin && !options.stdout && !options.stderr)
    co_return Error(Reason::kBadRequest, "you must specify at least 1 of stdin, stdout, stderr");
  auto& runtime = *context_.runtime.containers;
  if (wants_spdy(exchange->request())) {
    std::function<rt::Task<Result<std::unique_ptr<ExecSession>>>()> open = [&runtime, attach,
                                                                            id = container.id, options] {
      return attach ? runtime.attach(id, options) : runtime.exec(id, options);
    };
    co_return co_await serve_spdy_streams(context_.clock, exchange, options, std::move(open));
  }
  if (!exchange->wants_websocket())
    co_return Error(Reason::kBadRequest, "unable to upgrade: missing upgrade headers in request");
  // First the socket: a client that is refused an upgrade tries older protocols instead of showing the error.
  auto socket = co_await exchange->accept_websocket(stream_protocols());
  if (!socket.ok()) co_return ok();
  auto session =
      attach ? co_await runtime.attach(container.id, options) : co_await runtime.exec(container.id, options);
  if (!session.ok()) {
    co_await refuse_stream_session(std::move(*socket), std::move(session).error());
    co_return ok();
  }
  co_await run_stream_session(std::move(*socket), std::move(*session), options);
  co_return ok();
}

rt::Task<Result<void>> KubeletServer::serve_ports(std::shared_ptr<net::Exchange> exchange, Parts parts) {
  const PodWorker* worker = pods_.find(parts[1], parts[2]);
  if (worker == nullptr || !worker->snapshot() || !worker->snapshot()->sandbox.ready)
    co_return not_there(fmt::format("pod \"{}/{}\" does not run on this node", parts[1], parts[2]));
  const std::string sandbox = worker->snapshot()->sandbox.id;
  co_return co_await forward_ports(context_.loop, *context_.runtime.containers, std::move(exchange), sandbox);
}

std::string KubeletServer::pods_json() const {
  JsonArray items;
  for (const PodWorker* worker : pods_.workers()) items.push_back(worker->pod().json());
  return api::to_json(JsonObject{
      {"kind", "PodList"}, {"apiVersion", "v1"}, {"metadata", JsonObject{}}, {"items", std::move(items)}});
}

rt::Task<std::string> KubeletServer::stats_text(std::string which) {
  Sample sample;
  sample.pods = co_await context_.runtime.containers->usage();
  auto look = [dir = context_.options.data_dir] { return read_node_usage(dir); };
  sample.node = co_await context_.pool.run(std::move(look));
  sample.at = context_.clock.now();
  rates_.add(sample);
  if (which == "resource") co_return resource_metrics(sample);
  if (which == "cadvisor")
    co_return cadvisor_metrics(sample, static_cast<int>(context_.allocatable.cpu_milli / 1000));
  co_return api::to_json(summary_of(sample, rates_, context_.options.node_name));
}

std::string KubeletServer::metrics() const {
  std::size_t pods = 0, containers = 0;
  for (const PodWorker* worker : pods_.workers()) {
    if (!worker->snapshot() || !worker->snapshot()->sandbox.ready) continue;
    ++pods;
    for (const auto& status : worker->snapshot()->containers)
      containers += status.state == ContainerState::kRunning;
  }
  return fmt::format(
      "# HELP kubelet_running_pods Number of pods that have a running pod sandbox\n# TYPE "
      "kubelet_running_pods gauge\nkubelet_running_pods {}\n"
      "# HELP kubelet_running_containers Number of containers currently running\n# TYPE "
      "kubelet_running_containers gauge\n"
      "kubelet_running_containers{{container_state=\"running\"}} {}\n",
      pods, containers);
}

}  // namespace mk::kubelet
