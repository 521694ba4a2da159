#include "server/port_forward.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <map>

#include "mk/base/strings.h"
#include "mk/net/spdy.h"
#include "mk/rt/all.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "server/port_channels.h"
#include "server/spdy_streams.h"

namespace mk::kubelet {

namespace {

using StreamPtr = std::shared_ptr<net::SpdyStream>;

constexpr const char* kProtocol = "portforward.k8s.io";
constexpr const char* kTunnelled = "SPDY/3.1+portforward.k8s.io";
constexpr const char* kChannels = "v4.channel.k8s.io";
constexpr std::size_t kUnpairedMax = 100;

struct Pair {
  StreamPtr data, error;
};

// The client's end is passed on, but it is the pod's end that counts.
rt::Task<> to_pod(StreamPtr from, std::shared_ptr<rt::AsyncFd> to) {
  for (;;) {
    auto data = co_await from->read();
    if (!data.ok() || data->empty()) break;
    if (!(co_await to->write_all(std::move(*data))).ok()) co_return;
  }
  ::shutdown(to->native(), SHUT_WR);
  rt::Event never;
  co_await never.wait();
}

rt::Task<> to_client(std::shared_ptr<rt::AsyncFd> from, StreamPtr to) {
  for (;;) {
    auto data = co_await from->read_some(32 << 10);
    if (!data.ok() || data->empty()) co_return;
    if (!(co_await to->write(std::move(*data))).ok()) co_return;
  }
}

rt::Task<> forward(ContainerRuntime& runtime, std::string sandbox, Pair pair, int port) {
  auto dialed = co_await runtime.dial(sandbox, port);
  if (dialed.ok()) {
    auto socket = std::make_shared<rt::AsyncFd>(std::move(*dialed));
    co_await rt::race(to_pod(pair.data, socket), to_client(socket, pair.data));
  } else {
    std::string text =
        fmt::format("error forwarding port {} to pod {}: {}", port, sandbox, dialed.error().message());
    (void)co_await pair.error->write(std::move(text));
  }
  co_await pair.data->finish();
  co_await pair.error->finish();
}

rt::Task<> serve(rt::Loop& loop, ContainerRuntime& runtime, net::SpdySession& session, std::string sandbox) {
  std::map<std::string, Pair> waiting;  // by request id
  rt::Group connections(loop.executor());
  while (const StreamPtr stream = co_await session.accept()) {
    const auto& headers = stream->headers();
    const auto port = parse_int(headers.get("port")).value_or(0);
    const std::string type(headers.get("streamtype"));
    if (port < 1 || port > 65535 || (type != "data" && type != "error")) continue;
    // Clients of before request ids used one pair for each port.
    const std::string id(headers.has("requestid") ? headers.get("requestid") : headers.get("port"));
    if (waiting.size() >= kUnpairedMax && waiting.count(id) == 0) break;
    Pair& pair = waiting[id];
    (type == "data" ? pair.data : pair.error) = stream;
    if (!pair.data || !pair.error) continue;
    connections.spawn("port-forward", forward(runtime, sandbox, std::move(pair), static_cast<int>(port)));
    waiting.erase(id);
  }
  co_await connections.stop();
}

// One connection for each port, opened at once; ends when all have, or with the client.
rt::Task<Result<void>> serve_channels(ContainerRuntime& runtime, std::shared_ptr<net::WebSocket> socket,
                                      std::vector<int> ports, std::string sandbox) {
  PortChannels channels(socket, ports.size());
  if (!co_await channels.open(ports)) co_return ok();
  std::vector<rt::Task<>> connections;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    Pair pair{channels.channel(2 * i), channels.channel(2 * i + 1)};
    connections.push_back(forward(runtime, sandbox, std::move(pair), ports[i]));
  }
  if (co_await rt::race(rt::all(std::move(connections)), channels.run()) == 0)
    co_await socket->close(1000, "");
  co_return ok();
}

}  // namespace

rt::Task<Result<void>> forward_ports(rt::Loop& loop, ContainerRuntime& runtime,
                                     std::shared_ptr<net::Exchange> exchange, std::string sandbox_id) {
  std::shared_ptr<net::WebSocket> socket;
  std::shared_ptr<net::RawStream> raw;
  if (exchange->wants_websocket()) {
    auto ports = parse_ports(net::Query(exchange->request().query()).all("port"));
    std::vector<std::string> protocols{kTunnelled};
    if (ports.ok()) protocols.emplace_back(kChannels);
    MK_CO_ASSIGN(socket, co_await exchange->accept_websocket(std::move(protocols)));
    if (socket->subprotocol() == kChannels)
      co_return co_await serve_channels(runtime, socket, std::move(*ports), std::move(sandbox_id));
    raw = net::tunnel_in(socket);
  } else if (wants_spdy(exchange->request())) {
    std::vector<std::string> protocols{kProtocol};
    MK_CO_ASSIGN(raw, co_await upgrade_to_spdy(exchange, std::move(protocols)));
  } else {
    co_return Error(Reason::kBadRequest, "Upgrade request required");
  }
  const auto session = net::serve_spdy(raw);
  co_await rt::race(session->run(), serve(loop, runtime, *session, std::move(sandbox_id)));
  co_return ok();
}

}  // namespace mk::kubelet
