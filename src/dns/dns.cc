#include "mk/dns/dns.h"

#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "mk/client/informer.h"
#include "mk/net/datagram.h"
#include "query.h"
#include "upstream.h"
#include "zone.h"

namespace mk::dns {

namespace {

constexpr Log kLog("dns");
constexpr auto kTcpIdle = std::chrono::seconds(10);
constexpr std::size_t kTcpMax = 256;       // connections
constexpr std::size_t kWaitingMax = 2048;  // UDP questions that wait for upstream
constexpr int kPacketsPerTurn = 32;
constexpr std::string_view kServiceIndex = "service";

std::vector<std::string> service_index(const api::Object& slice) {
  return {service_of_slice(slice).str()};
}

class DnsImpl : public Dns {
 public:
  DnsImpl(rt::Loop& loop, rt::Clock& clock, rt::Random& random, client::Client& client, DnsOptions options);

  rt::Task<Result<void>> start() override;
  rt::Task<> stop() override;
  int port() const override { return udp_ ? udp_->port() : 0; }

 private:
  Result<void> bind();
  std::vector<Server> servers() const;
  bool is_self(const Server& server) const;
  void on_service(const api::Object& before, const api::Object& after);
  void on_slice(const api::Object& before, const api::Object& after);

  rt::Task<> udp_loop();
  rt::Task<> serve_udp(net::Peer peer, Query query);
  rt::Task<> serve_tcp(std::shared_ptr<net::RawStream> stream);
  rt::Task<Result<std::string>> read_tcp(std::shared_ptr<net::RawStream> stream,
                                         std::shared_ptr<std::string> buffer);

  rt::Loop& loop_;
  rt::Clock& clock_;
  DnsOptions options_;
  std::vector<Server> configured_;
  Zone zone_;
  Answerer answerer_;
  Forwarder forwarder_;
  Responder responder_;
  client::Informer services_, slices_;
  rt::Group group_;
  std::unique_ptr<net::UdpSocket> udp_;
  std::unique_ptr<net::TcpListener> tcp_;
  std::size_t tcp_connections_ = 0;
};

DnsImpl::DnsImpl(rt::Loop& loop, rt::Clock& clock, rt::Random& random, client::Client& client,
                 DnsOptions options)
    : loop_(loop),
      clock_(clock),
      options_(std::move(options)),
      answerer_(zone_, random, options_.cluster_domain),
      forwarder_(loop, clock, [this] { return servers(); }),
      responder_(answerer_, forwarder_, [this] { return services_.synced() && slices_.synced(); }),
      services_(client, clock, random, api::Gvr{"", "v1", "services"}, "", client::ListOptions{}),
      slices_(client, clock, random, api::Gvr{"discovery.k8s.io", "v1", "endpointslices"}, "",
              client::ListOptions{}),
      group_(loop.executor()) {
  services_.on_change(
      [this](const api::Object& before, const api::Object& after) { on_service(before, after); });
  slices_.on_change([this](const api::Object& before, const api::Object& after) { on_slice(before, after); });
  slices_.add_index(std::string(kServiceIndex), service_index);
}

rt::Task<Result<void>> DnsImpl::start() {
  if (!name_from_text(options_.cluster_domain) || options_.cluster_domain.empty())
    co_return Error(Reason::kInvalid, "cluster domain \"" + options_.cluster_domain + "\" is no DNS name");
  for (const auto& text : options_.upstreams) {
    MK_CO_ASSIGN(Server server, parse_server(text));
    configured_.push_back(std::move(server));
  }
  MK_CO_TRY(bind());
  services_.start(group_);
  slices_.start(group_);
  group_.spawn("dns udp", udp_loop());
  if (!forwarder_.available())
    kLog.warn("no upstream DNS server: only names of the cluster resolve", "resolv_conf",
              options_.resolv_conf);
  kLog.info("DNS serves", "address", options_.listen_address, "port", port(), "domain",
            options_.cluster_domain);
  co_return ok();
}

// UDP and TCP on one port; of port 0, one that is free for both.
Result<void> DnsImpl::bind() {
  for (int tries = 0;; ++tries) {
    MK_ASSIGN(udp_, net::bind_udp(loop_, options_.listen_address, options_.port));
    auto serve = [this](std::shared_ptr<net::RawStream> stream, net::Peer) {
      return serve_tcp(std::move(stream));
    };
    auto listener = net::listen_tcp(loop_, options_.listen_address, udp_->port(), serve);
    if (listener.ok()) return tcp_ = std::move(listener).value(), ok();
    udp_.reset();
    if (options_.port != 0 || tries == 8) return std::move(listener).error();
  }
}

rt::Task<> DnsImpl::stop() {
  if (tcp_) co_await tcp_->stop();
  co_await group_.stop();
  co_await forwarder_.stop();
  udp_.reset();
  tcp_.reset();
}

// The configured servers, else those of resolv.conf, without ourselves.
std::vector<Server> DnsImpl::servers() const {
  std::vector<Server> found = configured_;
  if (options_.upstreams.empty()) {
    if (const auto text = read_file(options_.resolv_conf); text.ok()) found = servers_of(*text);
  }
  std::erase_if(found, [&](const Server& server) {
    if (!is_self(server)) return false;
    kLog.warn("an upstream DNS server is this server itself and is not asked", "address", server.address);
    return true;
  });
  return found;
}

bool DnsImpl::is_self(const Server& server) const {
  if (server.port != port()) return false;
  const auto mine = address_bytes(options_.listen_address), theirs = address_bytes(server.address);
  const bool everywhere = mine && mine->find_first_not_of('\0') == std::string::npos;
  const bool loopback = theirs && (server.address.starts_with("127.") || server.address == "::1");
  return mine == theirs || (everywhere && loopback);
}

void DnsImpl::on_service(const api::Object& before, const api::Object& after) {
  if (!after) return zone_.erase_service(before.key());
  zone_.put_service(after);
  const auto key = after.key();
  const Service* service = zone_.service(key.ns, key.name);
  if (service == nullptr || !service->headless || !service->slices.empty()) return;
  for (const auto& slice : slices_.by_index(std::string(kServiceIndex), key.str())) zone_.put_slice(slice);
}

void DnsImpl::on_slice(const api::Object& before, const api::Object& after) {
  if (before && (!after || service_of_slice(before) != service_of_slice(after))) zone_.erase_slice(before);
  if (after) zone_.put_slice(after);
}

rt::Task<> DnsImpl::udp_loop() {
  for (int packets = 1;; ++packets) {
    if (packets % kPacketsPerTurn == 0) co_await rt::yield();
    auto datagram = co_await udp_->receive();
    if (!datagram.ok()) {
      kLog.error("DNS over UDP ended", "error", datagram.error().message());
      co_return;
    }
    Query query = responder_.read(datagram->data, true);
    if (query.ready) {
      if (!query.reply.empty()) (void)co_await udp_->send(std::move(datagram->from), std::move(query.reply));
    } else if (group_.size() < kWaitingMax) {
      group_.spawn("dns question", serve_udp(std::move(datagram->from), std::move(query)));
    }
  }
}

rt::Task<> DnsImpl::serve_udp(net::Peer peer, Query query) {
  std::string reply = co_await responder_.finish(std::move(query));
  (void)co_await udp_->send(std::move(peer), std::move(reply));
}

rt::Task<> DnsImpl::serve_tcp(std::shared_ptr<net::RawStream> stream) {
  struct Count {
    explicit Count(std::size_t& count_) : count(count_) { ++count; }
    ~Count() { --count; }
    std::size_t& count;
  } held(tcp_connections_);
  if (tcp_connections_ > kTcpMax) co_return stream->close();
  const auto buffer = std::make_shared<std::string>();
  for (;;) {
    auto packet = co_await rt::with_timeout(clock_, kTcpIdle, read_tcp(stream, buffer));
    if (!packet || !packet->ok()) break;
    Query query = responder_.read(**packet, false);
    std::string reply = std::move(query.reply);
    if (!query.ready) reply = co_await responder_.finish(std::move(query));
    if (reply.empty()) break;
    std::string framed{static_cast<char>(reply.size() >> 8), static_cast<char>(reply.size())};
    auto written = co_await rt::with_timeout(clock_, kTcpIdle, stream->write_all(framed + reply));
    if (!written || !written->ok()) break;
  }
  stream->close();
}

// The next message of the connection; bytes behind it stay in the buffer.
rt::Task<Result<std::string>> DnsImpl::read_tcp(std::shared_ptr<net::RawStream> stream,
                                                std::shared_ptr<std::string> buffer) {
  for (;;) {
    if (buffer->size() >= 2) {
      const auto high = static_cast<std::uint8_t>((*buffer)[0]),
                 low = static_cast<std::uint8_t>((*buffer)[1]);
      const std::size_t size = static_cast<std::size_t>(high) << 8 | low;
      if (buffer->size() >= 2 + size) {
        std::string packet = buffer->substr(2, size);
        buffer->erase(0, 2 + size);
        co_return packet;
      }
    }
    MK_CO_ASSIGN(std::string part, co_await stream->read_some(4096));
    if (part.empty()) co_return Error(Reason::kGone, "the client closed the connection");
    *buffer += part;
  }
}

}  // namespace

std::unique_ptr<Dns> make_dns(rt::Loop& loop, rt::Clock& clock, rt::Random& random, client::Client& client,
                              DnsOptions options) {
  return std::make_unique<DnsImpl>(loop, clock, random, client, std::move(options));
}

}  // namespace mk::dns
