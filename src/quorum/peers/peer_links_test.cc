#include "mk/quorum/peer_links.h"

#include <catch2/catch.hpp>

#include "peers/wire.h"

namespace mk::quorum {

namespace {

using Frames = std::vector<std::pair<ServerId, std::string>>;

struct Server {
  std::unique_ptr<PeerLinks> links;
  Frames frames;
};

struct Cluster {
  Cluster() : clock(rt::make_real_clock()), random(rt::make_random(7)), ca(make_ca()) {}

  std::int64_t now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(clock->now().time_since_epoch()).count();
  }
  pki::KeyPair make_ca() const { return pki::make_ca("peers", now() - 3600, now() + 3600); }

  PeerIdentity identity(ServerId id, std::string cluster = "c1") const {
    return identity_by(ca, id, cluster);
  }
  PeerIdentity identity_by(const pki::KeyPair& by, ServerId id, std::string cluster) const {
    pki::CertificateRequest request = peer_certificate(id);
    request.not_before = now() - 60;
    request.not_after = now() + 3600;
    PeerIdentity out;
    out.id = id;
    out.cluster = std::move(cluster);
    out.certificate = pki::issue(by, request).value();
    out.ca_pem = ca.certificate_pem;
    return out;
  }

  Server& start(PeerIdentity identity, int port = 0) {
    auto server = std::make_unique<Server>();
    if (port != 0) identity.address = "127.0.0.1:" + std::to_string(port);
    server->links = listen_peers(loop, *clock, *random, "127.0.0.1", port, std::move(identity)).value();
    server->links->set_received([frames = &server->frames](ServerId from, SharedBytes frame) {
      frames->emplace_back(from, std::string(frame.view()));
    });
    servers.push_back(std::move(server));
    return *servers.back();
  }

  static Peer at(ServerId id, const Server& server) {
    return Peer{id, "127.0.0.1:" + std::to_string(server.links->port())};
  }

  rt::Task<> until(std::function<bool()> done) {
    for (int i = 0; i < 3000 && !done(); ++i) co_await clock->sleep_for(std::chrono::milliseconds(5));
    CHECK(done());
  }

  void run(rt::Task<> body) {
    auto whole = [](Cluster& self, rt::Task<> inner) -> rt::Task<> {
      co_await std::move(inner);
      for (auto& server : self.servers)
        if (server->links) co_await server->links->stop();
    };
    rt::run_until_done(loop, whole(*this, std::move(body)));
  }

  rt::Loop loop;
  std::unique_ptr<rt::Clock> clock;
  std::unique_ptr<rt::Random> random;
  pki::KeyPair ca;
  std::vector<std::unique_ptr<Server>> servers;
};

}  // namespace

TEST_CASE("frames arrive whole and in order, with the sender's id from its certificate") {
  Cluster cluster;
  Server& one = cluster.start(cluster.identity(1));
  Server& two = cluster.start(cluster.identity(2));
  one.links->set_peers({Cluster::at(2, two)});
  two.links->set_peers({Cluster::at(1, one)});
  const std::string large(3 << 20, 'x');
  one.links->send(2, std::string("first"));  // before there is a connection
  auto body = [](Cluster& c, Server& a, Server& b, const std::string& big) -> rt::Task<> {
    auto first = [&b] { return b.frames.size() == 1; };
    co_await c.until(first);
    for (int i = 0; i < 100; ++i) a.links->send(2, std::to_string(i));
    a.links->send(2, big);
    b.links->send(1, std::string("back"));
    auto all = [&a, &b] { return b.frames.size() == 102 && a.frames.size() == 1; };
    co_await c.until(all);
    CHECK(a.links->connected(2));
  };
  cluster.run(body(cluster, one, two, large));
  REQUIRE(two.frames.size() == 102);
  CHECK(two.frames[0] == std::make_pair(ServerId(1), std::string("first")));
  CHECK(two.frames[1].second == "0");
  CHECK(two.frames[100].second == "99");
  CHECK(two.frames[101].second == large);
  CHECK(one.frames[0] == std::make_pair(ServerId(2), std::string("back")));
}

TEST_CASE("a server that knows nobody can answer who calls it") {
  Cluster cluster;
  int free_port = 0;
  {
    Cluster other;
    free_port = other.start(other.identity(9)).links->port();
    auto nothing = []() -> rt::Task<> { co_return; };
    other.run(nothing());
  }
  Server& one = cluster.start(cluster.identity(1), free_port);
  Server& two = cluster.start(cluster.identity(2));
  one.links->set_peers({Cluster::at(2, two)});
  auto body = [](Cluster& c, Server& a, Server& b) -> rt::Task<> {
    a.links->send(2, std::string("ask"));
    auto asked = [&b] { return !b.frames.empty(); };
    co_await c.until(asked);
    b.links->send(1, std::string("answer"));
    auto answered = [&a] { return !a.frames.empty(); };
    co_await c.until(answered);
    a.links->set_peers({});
    auto gone = [&b] { return !b.links->connected(1); };
    co_await c.until(gone);
  };
  cluster.run(body(cluster, one, two));
  CHECK(one.frames[0] == std::make_pair(ServerId(2), std::string("answer")));
}

TEST_CASE("servers of another cluster, of another CA and for another id are refused") {
  Cluster cluster;
  Server& one = cluster.start(cluster.identity(1));
  Server& other_cluster = cluster.start(cluster.identity(2, "c2"));
  const pki::KeyPair foreign = cluster.make_ca();
  Server& other_ca = cluster.start(cluster.identity_by(foreign, 3, "c1"));
  Server& wrong_target = cluster.start(cluster.identity(4));
  Server& right = cluster.start(cluster.identity(5));
  other_cluster.links->set_peers({Cluster::at(1, one)});
  other_ca.links->set_peers({Cluster::at(1, one)});
  wrong_target.links->set_peers({Cluster::at(9, one)});
  right.links->set_peers({Cluster::at(1, one)});
  other_cluster.links->send(1, std::string("no"));
  other_ca.links->send(1, std::string("no"));
  wrong_target.links->send(9, std::string("no"));
  auto body = [](Cluster& c, Server& target, Server& good) -> rt::Task<> {
    co_await c.clock->sleep_for(std::chrono::milliseconds(200));  // the others have had their chance
    good.links->send(1, std::string("yes"));
    auto arrived = [&target] { return !target.frames.empty(); };
    co_await c.until(arrived);
  };
  cluster.run(body(cluster, one, right));
  REQUIRE(one.frames.size() == 1);
  CHECK(one.frames[0] == std::make_pair(ServerId(5), std::string("yes")));
}

TEST_CASE("a link comes back when its peer does, at another address too") {
  Cluster cluster;
  Server& one = cluster.start(cluster.identity(1));
  Server& two = cluster.start(cluster.identity(2));
  one.links->set_peers({Cluster::at(2, two)});
  one.links->send(2, std::string("a"));
  auto body = [](Cluster& c, Server& a, Server& b) -> rt::Task<> {
    auto first = [&b] { return b.frames.size() == 1; };
    co_await c.until(first);
    co_await b.links->stop();
    auto broken = [&a] { return !a.links->connected(2); };
    co_await c.until(broken);
    Server& again = c.start(c.identity(2));
    a.links->set_peers({Cluster::at(2, again)});
    a.links->send(2, std::string("b"));
    auto second = [&again] { return again.frames.size() == 1; };
    co_await c.until(second);
    b.links.reset();
  };
  cluster.run(body(cluster, one, two));
  CHECK(cluster.servers.back()->frames[0].second == "b");
}

TEST_CASE("what is queued for a peer that is away stays small, and the newest is kept") {
  Cluster cluster;
  Server& one = cluster.start(cluster.identity(1));
  one.links->set_peers({Peer{2, "127.0.0.1:1"}});
  for (int i = 0; i < 100; ++i) one.links->send(2, std::string(100 << 10, 'x'));
  CHECK(one.links->queued(2) <= 1 << 20);
  CHECK(one.links->queued(2) > 0);
  auto nothing = []() -> rt::Task<> { co_return; };
  cluster.run(nothing());
}

TEST_CASE("frames are cut out of any pieces, and an impossible length is refused") {
  FrameReader reader;
  std::string bytes("\3\0\0\0abc\0\0\0\0\1\0\0\0d", 16);
  std::string found;
  for (const char byte : bytes) {
    reader.feed(std::string_view(&byte, 1));
    for (auto frame = reader.next(); frame.ok() && *frame; frame = reader.next())
      found += std::string((*frame)->view()) + ".";
  }
  CHECK(found == "abc.d.");
  reader.feed(std::string_view("\xff\xff\xff\xff", 4));
  CHECK(!reader.next().ok());
}

}  // namespace mk::quorum
