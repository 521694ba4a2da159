#include <catch2/catch.hpp>

#include "http2_peer.h"
#include "mk/rt/clock.h"

using namespace mk;
using namespace std::chrono_literals;

namespace {

// A session and a client, with no socket between them.
struct Pair {
  explicit Pair(bool opens_windows = true) : peer(opens_windows) {}
  explicit Pair(net::ServerLimits with) : limits(std::move(with)) {}

  // Until neither says anything more. False when the session has given the connection up.
  bool talk() {
    for (;;) {
      const std::string there = peer.output();
      if (!there.empty() && !session.feed(there).ok()) return false;
      std::string back;
      for (std::string part; session.fill(part, 65536), !part.empty(); part.clear()) back += part;
      peer.input(back);
      if (there.empty() && back.empty()) return !session.is_over();
    }
  }
  std::shared_ptr<net::Http2Stream> next() {
    REQUIRE(!session.ready().empty());
    auto stream = session.ready().front();
    session.ready().erase(session.ready().begin());
    return stream;
  }
  void answer(net::Http2Stream& stream, int status, std::string body) {
    net::Headers headers;
    headers.set("Content-Type", "text/plain");
    headers.set("Connection", "close");
    headers.set("X-Text", "two\r\nlines");
    session.begin(stream, status, headers, true);
    session.send(stream, {SharedBytes(std::move(body))});
    session.finish(stream);
  }

  net::ServerLimits limits;
  rt::ManualClock clock;
  net::Kept::Total kept;
  net::Http2Session session{limits, clock, kept};
  net::Http2Peer peer;
};

net::ServerLimits small_limits() {
  net::ServerLimits limits;
  limits.header_max = 2000;
  limits.body_max = 1000;
  return limits;
}

std::string raw_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                      const std::string& payload) {
  std::string out{static_cast<char>(payload.size() >> 16),
                  static_cast<char>(payload.size() >> 8),
                  static_cast<char>(payload.size()),
                  static_cast<char>(type),
                  static_cast<char>(flags),
                  static_cast<char>(stream >> 24),
                  static_cast<char>(stream >> 16),
                  static_cast<char>(stream >> 8),
                  static_cast<char>(stream)};
  return out + payload;
}

}  // namespace

TEST_CASE("HTTP/2: requests overlap and are answered in any order") {
  Pair pair;
  const auto one = pair.peer.request("GET", "/one?a=b", "", {{"accept", "x"}, {"cookie", "c"}});
  const auto two = pair.peer.request("POST", "/two", std::string(200000, 'b'));
  REQUIRE(pair.talk());
  auto first = pair.next(), second = pair.next();
  CHECK((first->request.method == "GET" && first->request.target == "/one?a=b"));
  CHECK((first->request.headers.get("Accept") == "x" && first->request.headers.get("Host") == "mk"));
  CHECK(second->request.body == std::string(200000, 'b'));
  pair.answer(*second, 201, "made");
  REQUIRE(pair.talk());
  CHECK((pair.peer.answers[two].whole && pair.peer.answers[two].status == 201));
  CHECK(pair.peer.answers[one].status == 0);
  pair.answer(*first, 200, std::string(300000, 'x'));
  REQUIRE(pair.talk());
  auto& got = pair.peer.answers[one];
  CHECK((got.whole && got.body.size() == 300000 && got.fields["content-type"] == "text/plain"));
  CHECK((got.fields["x-text"] == "two  lines" && got.fields.count("connection") == 0));
  CHECK((first->closed && pair.session.open_streams() == 0));
}

TEST_CASE("HTTP/2: a stream whose client takes nothing holds up no other, and leaves its queue where it is") {
  Pair pair(false);
  const auto slow = pair.peer.request("GET", "/slow");
  REQUIRE(pair.talk());
  auto stream = pair.next();
  net::Headers headers;
  pair.session.begin(*stream, 200, headers, true);
  pair.session.send(*stream, {SharedBytes(std::string(60000, 's'))});
  REQUIRE(pair.talk());
  CHECK(stream->queued == 0);
  pair.session.send(*stream, {SharedBytes(std::string(20000, 's'))});
  REQUIRE(pair.talk());
  CHECK(pair.peer.answers[slow].body.size() == 65535);
  CHECK(stream->queued == 80000 - 65535);
  const auto other = pair.peer.request("HEAD", "/");
  REQUIRE(pair.talk());
  pair.session.begin(*pair.next(), 204, headers, false);
  REQUIRE(pair.talk());
  CHECK((pair.peer.answers[other].whole && pair.peer.answers[other].status == 204));
  pair.peer.open_window(slow, 65535);
  pair.session.finish(*stream);
  REQUIRE(pair.talk());
  CHECK((pair.peer.answers[slow].whole && pair.peer.answers[slow].body.size() == 80000));
}

TEST_CASE("HTTP/2: what is too large is refused, and the connection lives on") {
  Pair pair(small_limits());
  const std::pair<int, std::int32_t> wanted[] = {
      {431, pair.peer.request("GET", "/", "", {{"big", std::string(2500, 'h')}})},
      {413, pair.peer.request("POST", "/", std::string(1001, 'b'))},
      {413, pair.peer.request("POST", "/", "b", {{"content-length", "5000"}}, true)},
      {400, pair.peer.request("CONNECT", "/")},
      {0, pair.peer.request("POST", "/", std::string(1000, 'b'), {{"expect", "100-continue"}})}};
  REQUIRE(pair.talk());
  std::map<std::int32_t, std::shared_ptr<net::Http2Stream>> streams;
  for (auto& stream : pair.session.ready()) streams[stream->id] = stream;
  pair.session.ready().clear();
  CHECK(pair.peer.informational == 1);
  for (const auto& [status, id] : wanted) {
    if (streams.count(id) == 0) {  // nghttp2 knows itself that this is no CONNECT
      CHECK((status == 400 && pair.peer.answers[id].reset == NGHTTP2_PROTOCOL_ERROR));
      continue;
    }
    CHECK(streams[id]->refusal == status);
    pair.answer(*streams[id], status == 0 ? 200 : status, "text");
    REQUIRE(pair.talk());
    CHECK((pair.peer.answers[id].whole && pair.peer.answers[id].body == "text"));
  }
  CHECK(pair.session.open_streams() == 1);  // the one whose body may still come
  pair.clock.advance(33s);
  pair.session.sweep(pair.clock.mono());
  REQUIRE(pair.talk());
  CHECK(pair.session.open_streams() == 0);
}

TEST_CASE("HTTP/2: the rest of a refused upload is dropped, as far as there is an end to it") {
  Pair pair(small_limits());
  const auto large = pair.peer.request("POST", "/", std::string(3 << 20, 'b'));
  const auto endless = pair.peer.request("POST", "/", std::string(9 << 20, 'b'));
  REQUIRE(pair.talk());
  for (int i = 0; i < 2; ++i) pair.answer(*pair.next(), 413, "text");
  REQUIRE(pair.talk());
  CHECK((pair.peer.unsent(large) == 0 && pair.peer.answers[large].reset == -1));
  CHECK((pair.peer.unsent(endless) > 0 && pair.peer.answers[endless].reset == NGHTTP2_NO_ERROR));
  CHECK((pair.peer.answers[large].body == "text" && pair.session.open_streams() == 0));
}

TEST_CASE("HTTP/2: headers of one client, and requests of all, are kept up to a limit") {
  Pair pair;
  for (int i = 0; i < 90; ++i) pair.peer.request("GET", "/", "", {{"big", std::string(60000, 'h')}}, true);
  REQUIRE(pair.talk());
  std::size_t refused = 0;
  for (const auto& stream : pair.session.ready()) refused += stream->refusal == 431 ? 1 : 0;
  CHECK((refused >= 20 && refused <= 24));  // of 5.4 MB, 4 MiB
  CHECK(pair.kept.used <= (4u << 20));

  Pair other;
  other.kept.max = 100000;
  const auto one = other.peer.request("POST", "/", std::string(60000, 'b'));
  REQUIRE(other.talk());
  CHECK(other.next()->refusal == 0);
  other.peer.request("POST", "/", std::string(60000, 'b'));
  REQUIRE(other.talk());
  CHECK(other.next()->refusal == 503);
  other.peer.reset(one);
  REQUIRE(other.talk());
  CHECK(other.kept.used < 1000);
  other.peer.request("POST", "/", std::string(60000, 'b'));
  REQUIRE(other.talk());
  CHECK(other.next()->refusal == 0);
}

TEST_CASE("HTTP/2: no more streams at once than said") {
  net::ServerLimits limits;
  limits.streams_max = 3;
  Pair pair(limits);
  REQUIRE(pair.talk());  // the client knows the limit now and keeps to it
  for (int i = 0; i < 5; ++i) pair.peer.request("GET", "/");
  REQUIRE(pair.talk());
  CHECK(pair.session.ready().size() == 3);
  auto stream = pair.next();
  pair.answer(*stream, 200, "");
  REQUIRE(pair.talk());
  CHECK(pair.session.ready().size() == 3);
}

TEST_CASE("HTTP/2: of many uploads only the oldest goes on when much is kept already") {
  Pair pair;
  std::vector<std::int32_t> ids;
  constexpr std::size_t kSize = 3 << 20;
  for (int i = 0; i < 20; ++i) ids.push_back(pair.peer.request("POST", "/", std::string(kSize, 'b')));
  REQUIRE(pair.talk());
  // Twice 4 MiB and one whole body, and a window of each.
  std::size_t kept = 0;
  for (const auto id : ids) kept += kSize - pair.peer.unsent(id);
  CHECK(kept < (8u << 20) + kSize + 20 * 65536 + 16384);
  for (std::size_t done = 0; done < ids.size(); ++done) {
    auto stream = pair.next();
    CHECK(stream->request.body.size() == kSize);
    pair.answer(*stream, 200, "");
    REQUIRE(pair.talk());
  }
  CHECK(pair.session.open_streams() == 0);
}

TEST_CASE("HTTP/2: a client that resets what it has just asked is sent away") {
  Pair pair;
  bool alive = true;
  for (int i = 0; i < 3000 && alive; ++i) {
    const auto id = pair.peer.request("GET", "/");
    alive = pair.session.feed(pair.peer.output()).ok();
    pair.peer.reset(id);
    alive = alive && pair.talk();
    CHECK(pair.session.open_streams() == 0);
  }
  CHECK(!alive);
  CHECK(pair.peer.goaway > 0);
}

TEST_CASE("HTTP/2: floods of PING, SETTINGS and empty DATA are cut, a few are answered") {
  for (const std::string& flood :
       {raw_frame(NGHTTP2_PING, 0, 0, "12345678"), raw_frame(NGHTTP2_SETTINGS, 0, 0, ""),
        raw_frame(NGHTTP2_DATA, 0, 1, ""), raw_frame(NGHTTP2_PRIORITY, 0, 1, std::string("\0\0\0\0\0", 5))}) {
    Pair pair;
    pair.peer.request("POST", "/", "", {}, true);
    REQUIRE(pair.talk());
    int sent = 0;
    bool alive = true;
    for (; sent < 20000 && alive; ++sent) {
      alive = pair.session.feed(flood).ok();
      std::string out;
      pair.session.fill(out, 1 << 20);
      alive = alive && !pair.session.is_over();
    }
    CHECK((sent > 1000 && sent < 20000));
  }
}

TEST_CASE("HTTP/2: a header that goes on for ever is cut") {
  Pair pair;
  REQUIRE(pair.talk());
  bool alive = pair.session.feed(raw_frame(NGHTTP2_HEADERS, 0, 1, "\x82")).ok();
  int sent = 0;
  for (; sent < 1000 && alive; ++sent)
    alive = pair.session.feed(raw_frame(NGHTTP2_CONTINUATION, 0, 1, "\x86")).ok();
  std::string out;
  pair.session.fill(out, 1 << 20);
  CHECK((!alive || pair.session.is_over()));
  CHECK(sent < 100);
}

TEST_CASE("HTTP/2: requests that never come to their end and answers that nobody takes are given up") {
  Pair pair(false);
  const auto upload = pair.peer.request("POST", "/", "some", {}, true);
  const auto taker = pair.peer.request("GET", "/");
  const auto watch = pair.peer.request("GET", "/watch");
  REQUIRE(pair.talk());
  auto stream = pair.next(), watching = pair.next();
  pair.answer(*stream, 200, std::string(100000, 'x'));
  pair.session.begin(*watching, 200, net::Headers(), true);
  REQUIRE(pair.talk());
  pair.clock.advance(33s);
  pair.session.sweep(pair.clock.mono());
  REQUIRE(pair.talk());
  CHECK((pair.peer.answers[upload].reset == NGHTTP2_CANCEL && pair.peer.answers[taker].reset == -1));
  pair.clock.advance(10min);
  pair.session.sweep(pair.clock.mono());
  REQUIRE(pair.talk());
  CHECK((pair.peer.answers[taker].reset == NGHTTP2_CANCEL && stream->closed));
  CHECK((pair.peer.answers[watch].reset == -1 && !watching->closed));
}

TEST_CASE("HTTP/2: GOAWAY lets streams under way end and takes no new ones") {
  Pair pair;
  const auto old = pair.peer.request("GET", "/");
  REQUIRE(pair.talk());
  auto stream = pair.next();
  pair.session.shut_down();
  REQUIRE(pair.talk());
  CHECK(pair.peer.goaway == NGHTTP2_NO_ERROR);
  pair.answer(*stream, 200, "end");
  pair.talk();
  CHECK((pair.peer.answers[old].whole && pair.peer.answers[old].body == "end"));
  CHECK(pair.session.is_over());
}
