#include "probes/action.h"

#include <fmt/core.h>

#include "mk/base/strings.h"
#include "mk/net/client.h"
#include "mk/net/grpc.h"

namespace mk::kubelet {

namespace {

rt::Task<ActionResult> run_exec(Context& context, ActionTarget target, const Json& exec,
                                rt::Duration timeout) {
  std::vector<std::string> argv;
  for (const Json& word : api::list(exec, "command")) argv.push_back(text_of(&word));
  auto result = co_await context.runtime.containers->exec_sync(target.container_id, std::move(argv), timeout);
  if (!result.ok()) co_return ActionResult{false, result.error().message()};
  if (result->timed_out)
    co_return ActionResult{false,
                           fmt::format("command timed out after {}s",
                                       std::chrono::duration_cast<std::chrono::seconds>(timeout).count())};
  co_return ActionResult{result->exit_code == 0, result->out + result->err};
}

net::Request http_request(const Json& get) {
  std::string path(api::str(get, "path", "/"));
  if (path.empty() || path.front() != '/') path.insert(0, "/");
  net::Request request("GET", std::move(path));
  request.headers.set("User-Agent", "kube-probe/1.36");
  request.headers.set("Accept", "*/*");
  for (const Json& header : api::list(get, "httpHeaders"))
    request.headers.set(std::string(api::str(header, "name")), std::string(api::str(header, "value")));
  return request;
}

rt::Task<ActionResult> run_http(Context& context, ActionTarget target, const Json& get,
                                rt::Duration timeout) {
  const int port = resolve_port(api::find(get, "port"), *target.container);
  if (port == 0)
    co_return ActionResult{false, fmt::format("invalid port {}", text_of(api::find(get, "port")))};
  const auto host = api::str(get, "host", target.pod_ip);
  const bool v6 = host.find(':') != std::string_view::npos;
  net::ClientOptions options;
  options.base_url = fmt::format("{}://{}:{}", to_lower(api::str(get, "scheme", "HTTP")),
                                 v6 ? fmt::format("[{}]", host) : std::string(host), port);
  options.insecure = true;
  options.connect_timeout = options.request_timeout = timeout;
  options.body_max = 10 << 10;
  auto client = net::make_http_client(context.loop, context.clock, options);
  if (!client.ok()) co_return ActionResult{false, client.error().message()};
  net::Request request = http_request(get);
  // Only the head counts; a probe never reads more of a body than the message shows.
  auto answer = co_await (*client)->stream(std::move(request));
  if (!answer.ok())
    co_return ActionResult{false, fmt::format("Get \"{}{}\": {}", options.base_url, api::str(get, "path"),
                                              answer.error().message())};
  const int status = (*answer)->head().status;
  if (status >= 200 && status < 400) co_return ActionResult{true, ""};
  co_return ActionResult{false, fmt::format("HTTP probe failed with statuscode: {}", status)};
}

rt::Task<ActionResult> run_tcp(Context& context, ActionTarget target, const Json& tcp, rt::Duration timeout) {
  const int port = resolve_port(api::find(tcp, "port"), *target.container);
  if (port == 0)
    co_return ActionResult{false, fmt::format("invalid port {}", text_of(api::find(tcp, "port")))};
  std::string host(api::str(tcp, "host", target.pod_ip));
  auto stream = co_await net::connect_tcp(context.clock, std::move(host), port, timeout);
  if (!stream.ok()) co_return ActionResult{false, stream.error().message()};
  (*stream)->close();
  co_return ActionResult{true, ""};
}

// grpc.health.v1: a request is {1: service name}, an answer {1: status}, of which 1 is SERVING.
std::string health_request(std::string_view service) {
  if (service.empty()) return {};
  std::string out = "\x0a";
  for (auto size = service.size(); size != 0 || out.size() == 1; size >>= 7)
    out.push_back(static_cast<char>((size & 0x7f) | (size > 0x7f ? 0x80 : 0)));
  return out.append(service);
}

std::string_view health_name(const std::string& answer) {
  static constexpr std::string_view kNames[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  if (answer.empty()) return kNames[0];
  const auto status = answer.size() == 2 && answer[0] == 0x08 ? static_cast<unsigned char>(answer[1]) : 0u;
  return kNames[status < std::size(kNames) ? status : 0];
}

ActionResult health_result(const Result<net::GrpcAnswer>& answer, std::string_view service) {
  if (!answer.ok()) return {false, "error: health rpc failed: " + answer.error().message()};
  constexpr int kUnimplemented = 12;
  if (answer->code == kUnimplemented)
    return {false, "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"};
  if (answer->code != 0) return {false, fmt::format("error: health rpc probe failed: {}", answer->text)};
  const auto name = health_name(answer->message);
  if (name == "SERVING") return {true, fmt::format("service healthy (service: \"{}\")", service)};
  return {false, fmt::format("service unhealthy (responded with \"{}\")", name)};
}

rt::Task<ActionResult> run_grpc(Context& context, ActionTarget target, const Json& grpc,
                                rt::Duration timeout) {
  const auto port = static_cast<int>(api::num(grpc, "port"));
  const auto service = api::str(grpc, "service");
  auto stream = co_await net::connect_tcp(context.clock, target.pod_ip, port, timeout);
  if (!stream.ok())
    co_return ActionResult{false, fmt::format("timeout: failed to connect service \"{}:{}\": {}",
                                              target.pod_ip, port, stream.error().message())};
  net::GrpcCall call{fmt::format("{}:{}", target.pod_ip, port), "/grpc.health.v1.Health/Check",
                     health_request(service), "kube-probe/1.36"};
  const auto answer = co_await net::call_grpc(**stream, std::move(call));
  co_return health_result(answer, service);
}

rt::Task<> dispatch(Context& context, ActionTarget target, const Json& action, rt::Duration timeout,
                    ActionResult& out) {
  if (const Json* exec = api::find(action, "exec"))
    out = co_await run_exec(context, target, *exec, timeout);
  else if (const Json* http = api::find(action, "httpGet"))
    out = co_await run_http(context, target, *http, timeout);
  else if (const Json* tcp = api::find(action, "tcpSocket"))
    out = co_await run_tcp(context, target, *tcp, timeout);
  else if (const Json* grpc = api::find(action, "grpc"))
    out = co_await run_grpc(context, target, *grpc, timeout);
  else if (const Json* sleep = api::find(action, "sleep")) {
    co_await context.clock.sleep_for(std::chrono::seconds(api::num(*sleep, "seconds")));
    out = ActionResult{true, ""};
  } else {
    out = ActionResult{false, "the handler names nothing to do: exec, httpGet, tcpSocket, grpc or sleep"};
  }
}

}  // namespace

rt::Task<ActionResult> run_action(Context& context, ActionTarget target, const Json& action,
                                  rt::Duration timeout) {
  ActionResult result;
  const auto winner = co_await rt::race(dispatch(context, std::move(target), action, timeout, result),
                                        context.clock.sleep_for(timeout));
  if (winner == 1) co_return ActionResult{false, "timed out"};
  co_return result;
}

int resolve_port(const Json* port, const Json& container) {
  if (port == nullptr) return 0;
  if (port->is_number()) return static_cast<int>(port->to_number<std::int64_t>());
  const std::string name = text_of(port);
  for (const Json& candidate : api::list(container, "ports"))
    if (api::str(candidate, "name") == name) return static_cast<int>(api::num(candidate, "containerPort"));
  const auto number = parse_int(name);
  return number && *number > 0 && *number < 65536 ? static_cast<int>(*number) : 0;
}

}  // namespace mk::kubelet
