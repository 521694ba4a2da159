#include "mk/dns/dns.h"

#include <catch2/catch.hpp>

#include "message.h"
#include "mk/client/fake_client.h"
#include "mk/net/datagram.h"
#include "mk/rt/fd.h"
#include "mk/rt/group.h"
#include "upstream.h"

#include <arpa/inet.h>
#include <sys/socket.h>

using namespace mk;
using namespace mk::dns;

namespace {

const api::Gvr kServices{"", "v1", "services"};
const api::Gvr kSlices{"discovery.k8s.io", "v1", "endpointslices"};

// An upstream server that answers A with 192.0.2.<number of questions so far> and TTL 60; names that begin
// with "big" only over TCP, "mute" not at all, "gone" with NXDOMAIN.
class FakeUpstream {
 public:
  explicit FakeUpstream(rt::Loop& loop) : group_(loop.executor()) {
    udp_ = net::bind_udp(loop, "127.0.0.1", 0).value();
    auto serve = [this](std::shared_ptr<net::RawStream> stream, net::Peer) { return serve_tcp(stream); };
    tcp_ = net::listen_tcp(loop, "127.0.0.1", udp_->port(), serve).value();
    group_.spawn("fake upstream", run());
  }
  rt::Task<> stop() {
    co_await tcp_->stop();
    co_await group_.stop();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(udp_->port()); }
  int questions = 0;

 private:
  std::string reply(const std::string& packet, bool tcp) {
    Message message = decode(packet).value();
    const std::string name = name_to_text(message.questions[0].name);
    ++questions;
    if (name.starts_with("mute")) return {};
    message.response = message.recursion_available = true;
    message.truncated = !tcp && name.starts_with("big");
    if (name.starts_with("gone"))
      message.rcode = kNxDomain;
    else if (!message.truncated)
      message.answers.emplace_back(message.questions[0].name, kA, 60,
                                   std::string{static_cast<char>(192), 0, 2, static_cast<char>(questions)});
    return encode(message, 65535);
  }
  rt::Task<> run() {
    for (;;) {
      auto datagram = co_await udp_->receive();
      if (!datagram.ok()) co_return;
      auto packet = reply(datagram->data, false);
      if (!packet.empty()) (void)co_await udp_->send(datagram->from, packet);
    }
  }
  rt::Task<> serve_tcp(std::shared_ptr<net::RawStream> stream) {
    auto framed = co_await stream->read_some(4096);
    const auto packet = reply(framed->substr(2), true);
    std::string length{static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())};
    (void)co_await stream->write_all(length + packet);
    stream->close_write();
  }

  std::unique_ptr<net::UdpSocket> udp_;
  std::unique_ptr<net::TcpListener> tcp_;
  rt::Group group_;
};

struct Fixture {
  rt::Loop loop;
  std::unique_ptr<rt::Clock> clock = rt::make_real_clock();
  std::unique_ptr<rt::Random> random = rt::make_random(3);
  client::FakeClient client{*clock};
  std::unique_ptr<Dns> dns;

  void make(std::vector<std::string> upstreams) {
    DnsOptions options;
    options.listen_address = "127.0.0.1";
    options.port = 0;
    options.upstreams = std::move(upstreams);
    options.resolv_conf = "/nonexistent";
    dns = make_dns(loop, *clock, *random, client, options);
  }

  void put(const api::Gvr& resource, std::string_view yaml) {
    client.put(resource, api::parse_yaml(yaml).value());
  }
  void put_web() {
    put(kServices,
        "{apiVersion: v1, kind: Service, metadata: {namespace: default, name: web},"
        " spec: {type: ClusterIP, clusterIP: 10.43.0.7, ports: [{name: http, port: 80}]}}");
  }

  static Message question(std::string_view name, std::uint16_t type) {
    Message message;
    message.id = 4711;
    message.recursion_desired = true;
    message.questions.push_back(Question{name_from_text(name).value(), type, kClassIn});
    return message;
  }

  rt::Task<Message> send(std::string packet) {
    auto socket = net::bind_udp(loop, "127.0.0.1", 0).value();
    REQUIRE((co_await socket->send(net::Peer{"127.0.0.1", dns->port()}, packet)).ok());
    auto reply = co_await rt::with_timeout(*clock, std::chrono::seconds(8), socket->receive());
    REQUIRE(reply);
    REQUIRE((*reply)->from.port == dns->port());
    auto message = decode((*reply)->data);
    REQUIRE(message.ok());
    co_return std::move(message).value();
  }
  rt::Task<Message> ask(std::string name, std::uint16_t type = kA) {
    auto message = co_await send(encode(question(name, type), 512));
    CHECK(message.id == 4711);
    CHECK(message.response);
    co_return message;
  }
  // Several messages over one connection, written at once.
  rt::Task<std::vector<Message>> ask_tcp(std::vector<Message> questions) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(dns->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    rt::AsyncFd stream(loop.executor(), fd);
    std::string out;
    for (const auto& item : questions) {
      const auto packet = encode(item, 65535);
      out += {static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())};
      out += packet;
    }
    REQUIRE((co_await stream.write_all(out)).ok());
    std::vector<Message> replies;
    std::string in;
    while (replies.size() < questions.size()) {
      auto part = co_await stream.read_some(65535);
      REQUIRE(part.ok());
      REQUIRE_FALSE(part->empty());
      in += *part;
      for (;;) {
        if (in.size() < 2) break;
        const std::size_t size = static_cast<std::uint8_t>(in[0]) * 256u + static_cast<std::uint8_t>(in[1]);
        if (in.size() < 2 + size) break;
        replies.push_back(decode(in.substr(2, size)).value());
        in.erase(0, 2 + size);
      }
    }
    co_return replies;
  }
  rt::Task<> wait_for(std::string name, std::uint16_t rcode) {
    for (int i = 0; i < 200; ++i) {
      const auto reply = co_await ask(name);
      if (reply.rcode == rcode) co_return;
      co_await clock->sleep_for(std::chrono::milliseconds(5));
    }
    FAIL(name + " never got rcode " + std::to_string(rcode));
  }
};

std::string address_in(const Message& message) {
  return message.answers.empty() ? "" : address_text(message.answers.back().rdata);
}

}  // namespace

TEST_CASE("the server follows Services and EndpointSlices", "[dns]") {
  Fixture f;
  f.put_web();
  f.make({});
  auto body = [&]() -> rt::Task<> {
    REQUIRE((co_await f.dns->start()).ok());
    co_await f.wait_for("web.default.svc.cluster.local", kNoError);
    const auto web = co_await f.ask("web.default.svc.cluster.local");
    CHECK(address_in(web) == "10.43.0.7");
    CHECK(web.authoritative);
    CHECK(web.answers[0].ttl == 5);
    const auto other = co_await f.ask("www.example.com");
    CHECK(other.rcode == kServFail);  // there is no upstream

    f.put(kSlices,
          "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: default, name: db-1,"
          " labels: {kubernetes.io/service-name: db}}, addressType: IPv4, ports: [],"
          " endpoints: [{addresses: [10.42.0.5], hostname: db-0}]}");
    f.put(kServices,
          "{apiVersion: v1, kind: Service, metadata: {namespace: default, name: db},"
          " spec: {clusterIP: None}}");
    co_await f.wait_for("db-0.db.default.svc.cluster.local", kNoError);
    f.client.erase(kSlices, api::Key("default", "db-1"));
    co_await f.wait_for("db-0.db.default.svc.cluster.local", kNxDomain);
    co_await f.dns->stop();
  };
  rt::run_until_done(f.loop, body());
}

TEST_CASE("before the cache is complete the cluster's names are a server failure, not absent", "[dns]") {
  Fixture f;
  f.put_web();
  bool broken = true;
  f.client.intercept = [&](const client::FakeClient::Action&) -> Result<void> {
    if (broken) return Error(Reason::kServiceUnavailable, "not yet");
    return ok();
  };
  f.make({});
  auto body = [&]() -> rt::Task<> {
    REQUIRE((co_await f.dns->start()).ok());
    const auto early = co_await f.ask("web.default.svc.cluster.local");
    CHECK(early.rcode == kServFail);
    broken = false;
    co_await f.dns->stop();
  };
  rt::run_until_done(f.loop, body());
}

TEST_CASE("protocol: refusals, malformed packets, sizes, TCP", "[dns]") {
  Fixture f;
  f.put_web();
  std::string endpoints;
  for (int i = 1; i <= 60; ++i) endpoints += "{addresses: [10.42.0." + std::to_string(i) + "]},";
  f.put(
      kServices,
      "{apiVersion: v1, kind: Service, metadata: {namespace: default, name: many}, spec: {clusterIP: None}}");
  f.put(kSlices,
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: default, name: many-1,"
        " labels: {kubernetes.io/service-name: many}}, addressType: IPv4, endpoints: [" +
            endpoints + "]}");
  f.make({});
  auto body = [&]() -> rt::Task<> {
    REQUIRE((co_await f.dns->start()).ok());
    co_await f.wait_for("many.default.svc.cluster.local", kNoError);
    const auto cut = co_await f.ask("many.default.svc.cluster.local");
    CHECK(cut.truncated);
    auto wide = Fixture::question("many.default.svc.cluster.local", kA);
    wide.edns = Edns{4096, 0, false};
    const auto whole = co_await f.send(encode(wide, 512));
    CHECK_FALSE(whole.truncated);
    CHECK(whole.answers.size() == 60);
    CHECK(whole.edns);

    std::vector<Message> questions{Fixture::question("many.default.svc.cluster.local", kA),
                                   Fixture::question("web.default.svc.cluster.local", kA)};
    const auto replies = co_await f.ask_tcp(questions);
    CHECK(replies[0].answers.size() == 60);
    CHECK(address_in(replies[1]) == "10.43.0.7");

    auto odd = Fixture::question("web.default.svc.cluster.local", kA);
    odd.opcode = 5;
    CHECK((co_await f.send(encode(odd, 512))).rcode == kNotImp);
    odd.opcode = 0;
    odd.questions[0].klass = 3;
    CHECK((co_await f.send(encode(odd, 512))).rcode == kRefused);
    odd.questions[0].klass = kClassIn;
    odd.edns = Edns{512, 1, false};
    CHECK((co_await f.send(encode(odd, 512))).rcode == kBadVers);
    odd.questions.clear();
    odd.edns.reset();
    CHECK((co_await f.send(encode(odd, 512))).rcode == kFormErr);
    CHECK((co_await f.send(encode(wide, 512) + "tail")).rcode == kFormErr);
    CHECK((co_await f.ask("web.default.svc.cluster.local", kAxfr)).rcode == kRefused);
    co_await f.dns->stop();
  };
  rt::run_until_done(f.loop, body());
}

TEST_CASE("other names go upstream, are cached, and come back whole", "[dns]") {
  Fixture f;
  f.put(kServices,
        "{apiVersion: v1, kind: Service, metadata: {namespace: default, name: out},"
        " spec: {type: ExternalName, externalName: target.example.com}}");
  FakeUpstream upstream(f.loop);
  f.make({"127.0.0.1:1", upstream.address()});  // the first refuses
  auto body = [&]() -> rt::Task<> {
    REQUIRE((co_await f.dns->start()).ok());
    const auto first = co_await f.ask("www.example.com");
    CHECK(address_in(first) == "192.0.2.1");
    CHECK_FALSE(first.authoritative);
    CHECK(first.recursion_available);
    const auto again = co_await f.ask("WWW.example.com");
    CHECK(address_in(again) == "192.0.2.1");
    CHECK(upstream.questions == 1);
    CHECK((co_await f.ask("gone.example.com")).rcode == kNxDomain);
    CHECK(address_in(co_await f.ask("big.example.com")) == "192.0.2.4");  // UDP, then TCP
    co_await f.wait_for("out.default.svc.cluster.local", kNoError);
    const auto out = co_await f.ask("out.default.svc.cluster.local");
    REQUIRE(out.answers.size() == 2);
    CHECK(out.answers[0].type == kCname);
    CHECK(address_in(out) == "192.0.2.5");
    co_await f.dns->stop();
    co_await upstream.stop();
  };
  rt::run_until_done(f.loop, body());
}

TEST_CASE("an upstream that is silent or sends our questions back ends as SERVFAIL", "[dns]") {
  Fixture f;
  FakeUpstream upstream(f.loop);
  f.make({upstream.address()});
  auto body = [&]() -> rt::Task<> {
    REQUIRE((co_await f.dns->start()).ok());
    CHECK((co_await f.ask("mute.example.com")).rcode == kServFail);
    CHECK(upstream.questions == 2);
    co_await f.dns->stop();
    co_await upstream.stop();
  };
  rt::run_until_done(f.loop, body());
}

TEST_CASE("server lists", "[dns]") {
  CHECK(parse_server("1.1.1.1")->port == 53);
  CHECK(parse_server("10.0.0.2:5353")->port == 5353);
  CHECK(parse_server("fd00::1")->address == "fd00::1");
  CHECK(parse_server("[fd00::1]:5353")->port == 5353);
  for (const auto* bad :
       {"", "dns.example.com", "1.1.1.1:", "1.1.1.1:0", "1.1.1.1:70000", "[fd00::1]5353", "[fd00::1"})
    CHECK_FALSE(parse_server(bad).ok());
  const auto servers = servers_of(
      "# c\nnameserver 1.1.1.1\nsearch a b\n nameserver\t10.0.0.2 # x\nnameserver bad\nnameserverx "
      "1.2.3.4\n");
  REQUIRE(servers.size() == 2);
  CHECK(servers[1].address == "10.0.0.2");
}

TEST_CASE("the cache keeps what TTLs allow and no more entries than it may", "[dns]") {
  rt::ManualClock clock;
  AnswerCache cache(clock, 2);
  auto make = [](std::uint32_t ttl) {
    auto message = std::make_shared<Message>();
    message->answers.emplace_back(name_from_text("a").value(), kA, ttl, std::string(4, 'x'));
    return message;
  };
  cache.put("a", make(10));
  cache.put("zero", make(0));
  CHECK_FALSE(cache.get("zero"));
  clock.advance(std::chrono::seconds(4));
  CHECK(cache.get("a")->answers[0].ttl == 6);
  cache.put("b", make(100));
  CHECK(cache.get("a"));
  cache.put("c", make(100));
  CHECK_FALSE(cache.get("b"));
  CHECK(cache.size() == 2);
  clock.advance(std::chrono::seconds(6));
  CHECK_FALSE(cache.get("a"));
}
