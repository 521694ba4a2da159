#include "probes/action.h"

#include <fmt/core.h>

#include "mk/base/strings.h"
#include "mk/net/client.h"

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

rt::Task<> dispatch(Context& context, ActionTarget target, const Json& action, rt::Duration timeout,
                    ActionResult& out) {
  if (const Json* exec = api::find(action, "exec"))
    out = co_await run_exec(context, target, *exec, timeout);
  else if (const Json* http = api::find(action, "httpGet"))
    out = co_await run_http(context, target, *http, timeout);
  else if (const Json* tcp = api::find(action, "tcpSocket"))
    out = co_await run_tcp(context, target, *tcp, timeout);
  else if (const Json* sleep = api::find(action, "sleep")) {
    co_await context.clock.sleep_for(std::chrono::seconds(api::num(*sleep, "seconds")));
    out = ActionResult{true, ""};
  } else {
    out = ActionResult{false, "mk does not support this kind of handler; use exec, httpGet or tcpSocket"};
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
