#include "mk/quorum/peer_links.h"

#include <algorithm>
#include <map>
#include <set>

#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "mk/net/server.h"
#include "mk/rt/group.h"
#include "peers/wire.h"

namespace mk::quorum {

namespace {

constexpr Log kLog("quorum");
constexpr const char* kNamePrefix = "mk-peer-";
constexpr const char* kOrganization = "mk:peers";
constexpr auto kSignOfLife = std::chrono::seconds(1);
constexpr std::size_t kReadMax = 64 << 10;

// Who a verified certificate speaks for; 0: no server.
ServerId peer_of(const std::optional<pki::CertificateInfo>& certificate) {
  if (!certificate || !certificate->common_name.starts_with(kNamePrefix)) return 0;
  const auto& groups = certificate->organizations;
  if (std::find(groups.begin(), groups.end(), kOrganization) == groups.end()) return 0;
  return static_cast<ServerId>(
      parse_int(std::string_view(certificate->common_name).substr(std::string_view(kNamePrefix).size()))
          .value_or(0));
}

class HttpsPeerLinks : public PeerLinks {
 public:
  HttpsPeerLinks(rt::Loop& loop, rt::Clock& clock, rt::Random& random, PeerIdentity identity)
      : loop_(loop),
        clock_(clock),
        random_(random),
        identity_(std::move(identity)),
        group_(loop.executor()) {}

  Result<void> listen(const std::string& address, int port) {
    net::TlsIdentity tls;
    tls.certificate = identity_.certificate;
    tls.client_ca_pem = identity_.ca_pem;
    net::ServerLimits limits;
    limits.connections_max = 64;
    limits.header_max = 16 << 10;
    limits.body_max = 0;
    net::Handler handler = [this](std::shared_ptr<net::Exchange> exchange) {
      return accept(std::move(exchange));
    };
    MK_ASSIGN(server_,
              net::listen_http(loop_, clock_, address, port, std::move(tls), limits, std::move(handler)));
    return ok();
  }

  int port() const override { return server_->port(); }
  void set_received(Received received) override { received_ = std::move(received); }
  void set_peers(std::vector<Peer> peers) override;
  void send(ServerId to, SharedBytes frame) override {
    if (const auto found = wires_.find(to); found != wires_.end()) found->second->wire.send(std::move(frame));
  }
  std::size_t queued(ServerId to) const override {
    const auto found = wires_.find(to);
    return found == wires_.end() ? 0 : found->second->wire.queued();
  }
  bool connected(ServerId id) const override {
    const auto found = wires_.find(id);
    return found != wires_.end() && found->second->wire.connected();
  }

  rt::Task<> stop() override {
    co_await server_->stop();
    co_await group_.stop();
    wires_.clear();
  }

 private:
  struct Line {
    Line(HttpsPeerLinks& links, Peer peer)
        : wire(links.loop_, links.clock_, links.random_, links.identity_, std::move(peer)) {}
    Wire wire;
    std::size_t callers = 0;  // connections of that server to us
    rt::Event end;
    bool ended = false;
  };

  // Counts a connection of another server while it lasts, also when it is cancelled.
  struct Caller {
    Caller(HttpsPeerLinks& links_, ServerId from_, std::string address)
        : links(links_), from(from_), line(links.line_to_caller(from, std::move(address))) {}
    ~Caller() { links.caller_left(from, line); }
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;

    HttpsPeerLinks& links;
    const ServerId from;
    const std::shared_ptr<Line> line;
  };

  rt::Task<> run_line(std::shared_ptr<Line> line) {
    auto until_ended = [](std::shared_ptr<Line> of) -> rt::Task<> {
      while (!of->ended) co_await of->end.wait();
    };
    co_await rt::race(line->wire.run(), until_ended(line));
  }

  std::shared_ptr<Line> begin_line(Peer peer);
  static void end_line(Line& line);
  // A server that joins hears of the others from the leader, and must answer it before it knows any of them.
  std::shared_ptr<Line> line_to_caller(ServerId from, std::string address);
  void caller_left(ServerId from, const std::shared_ptr<Line>& line);
  rt::Task<> accept(std::shared_ptr<net::Exchange> exchange);
  std::string refusal(const net::Exchange& exchange) const;
  rt::Task<> receive(ServerId from, net::RawStream& stream);
  rt::Task<> give_life(net::RawStream& stream);

  rt::Loop& loop_;
  rt::Clock& clock_;
  rt::Random& random_;
  const PeerIdentity identity_;
  Received received_;
  std::unique_ptr<net::HttpServer> server_;
  std::map<ServerId, std::shared_ptr<Line>> wires_;
  std::set<ServerId> members_;  // of set_peers(); the others in wires_ are callers we did not know
  rt::Group group_;
};

void HttpsPeerLinks::set_peers(std::vector<Peer> peers) {
  std::map<ServerId, std::shared_ptr<Line>> next;
  for (const auto& peer : peers) {
    if (peer.id == identity_.id || peer.id == 0) continue;
    const ServerId id = peer.id;
    const auto known = wires_.find(id);
    if (known != wires_.end() && known->second->wire.peer().address == peer.address) {
      next[id] = known->second;
      continue;
    }
    next[id] = begin_line(peer);
  }
  for (auto& [id, line] : wires_) {
    const bool guest = members_.count(id) == 0 && line->callers > 0;
    if (next.count(id) == 0 && guest) {
      next[id] = line;
    } else if (next.count(id) == 0 || next[id] != line) {
      end_line(*line);
    }
  }
  members_.clear();
  for (const auto& peer : peers) members_.insert(peer.id);
  wires_ = std::move(next);
}

std::shared_ptr<HttpsPeerLinks::Line> HttpsPeerLinks::begin_line(Peer peer) {
  const ServerId id = peer.id;
  auto line = std::make_shared<Line>(*this, std::move(peer));
  group_.spawn("link to server " + std::to_string(id), run_line(line));
  return line;
}

void HttpsPeerLinks::end_line(Line& line) {
  line.ended = true;
  line.end.notify_all();
}

std::shared_ptr<HttpsPeerLinks::Line> HttpsPeerLinks::line_to_caller(ServerId from, std::string address) {
  auto& line = wires_[from];
  if (!line) line = begin_line(Peer{from, std::move(address)});
  ++line->callers;
  return line;
}

void HttpsPeerLinks::caller_left(ServerId from, const std::shared_ptr<Line>& line) {
  if (--line->callers > 0 || members_.count(from) != 0) return;
  const auto found = wires_.find(from);
  if (found == wires_.end() || found->second != line) return;
  end_line(*line);
  wires_.erase(found);
}

std::string HttpsPeerLinks::refusal(const net::Exchange& exchange) const {
  const auto& request = exchange.request();
  if (peer_of(exchange.client_certificate()) == 0)
    return "only servers of this cluster may come here, by their certificate; " +
           exchange.client_certificate_error();
  if (request.headers.get(kClusterHeader) != identity_.cluster) return "this server is of another cluster";
  if (request.headers.get(kToHeader) != std::to_string(identity_.id))
    return "this is server " + std::to_string(identity_.id);
  if (request.path() != kPeerPath || request.headers.get("Upgrade") != kPeerProtocol)
    return "this port speaks " + std::string(kPeerProtocol) + " only";
  return {};
}

rt::Task<> HttpsPeerLinks::accept(std::shared_ptr<net::Exchange> exchange) {
  if (const std::string why = refusal(*exchange); !why.empty()) {
    kLog.warn("a link was refused", "from", exchange->remote_address(), "why", why);
    net::Response response(403, "text/plain", why + "\n");
    (void)co_await exchange->respond(std::move(response));
    co_return;
  }
  const ServerId from = peer_of(exchange->client_certificate());
  net::Headers headers;
  auto stream = co_await exchange->upgrade(kPeerProtocol, std::move(headers));
  if (!stream.ok()) co_return;
  Caller caller(*this, from, std::string(exchange->request().headers.get(kAddressHeader)));
  co_await rt::race(receive(from, **stream), give_life(**stream));
  (*stream)->close();
}

rt::Task<> HttpsPeerLinks::receive(ServerId from, net::RawStream& stream) {
  FrameReader reader;
  for (;;) {
    const auto bytes = co_await stream.read_some(kReadMax);
    if (!bytes.ok() || bytes->empty()) co_return;
    reader.feed(*bytes);
    for (;;) {
      auto frame = reader.next();
      if (!frame.ok()) {
        kLog.warn("a link was cut", "from", from, "why", frame.error().message());
        co_return;
      }
      if (!*frame) break;
      if (received_) received_(from, std::move(**frame));
    }
  }
}

// So that the other side finds out within seconds that we are gone, power and all.
rt::Task<> HttpsPeerLinks::give_life(net::RawStream& stream) {
  for (;;) {
    const auto written = co_await stream.write_all(std::string(4, '\0'));
    if (!written.ok()) co_return;
    co_await clock_.sleep_for(kSignOfLife);
  }
}

}  // namespace

std::string peer_name(ServerId id) {
  return kNamePrefix + std::to_string(id);
}

pki::CertificateRequest peer_certificate(ServerId id) {
  pki::CertificateRequest request;
  request.common_name = peer_name(id);
  request.organizations = {kOrganization};
  request.dns_names = {peer_name(id)};
  request.usage = pki::Usage::kBoth;
  return request;
}

Result<std::unique_ptr<PeerLinks>> listen_peers(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                                const std::string& address, int port, PeerIdentity identity) {
  auto links = std::make_unique<HttpsPeerLinks>(loop, clock, random, std::move(identity));
  MK_TRY(links->listen(address, port));
  return std::unique_ptr<PeerLinks>(std::move(links));
}

}  // namespace mk::quorum
