#include "message.h"

#include <catch2/catch.hpp>

#include "mk/rt/random.h"
#include "names.h"

using namespace mk;
using namespace mk::dns;

namespace {

Name name(std::string_view text) {
  return name_from_text(text).value();
}

Message full_message() {
  Message message;
  message.id = 0xbeef;
  message.response = message.recursion_desired = message.recursion_available = true;
  message.questions.push_back(Question{name("Web.default.svc.cluster.local"), kAny, kClassIn});
  message.answers.emplace_back(name("Web.default.svc.cluster.local"), kA, 5,
                               address_bytes("10.43.0.7").value());
  message.answers.emplace_back(name("web.default.svc.cluster.local"), kCname, 5, name("x.example.com"));
  message.answers.emplace_back(name("_http._tcp.web.default.svc.cluster.local"), kSrv, 5,
                               srv_rdata(0, 100, 80, name("web.default.svc.cluster.local")));
  message.answers.emplace_back(name("dns-version.cluster.local"), kTxt, 5, txt_rdata("1.1.0"));
  message.authorities.emplace_back(
      name("cluster.local"), kSoa, 5,
      soa_rdata(name("ns.dns.cluster.local"), name("h.cluster.local"), Soa{1, 2, 3, 4, 5}));
  message.additionals.emplace_back(name("web.default.svc.cluster.local"), kAaaa, 5,
                                   address_bytes("fd00::1").value());
  message.edns = Edns{1232, 0, true};
  return message;
}

std::string header(std::uint8_t questions, std::uint8_t answers) {
  std::string out(12, '\0');
  out[5] = static_cast<char>(questions);
  out[7] = static_cast<char>(answers);
  return out;
}

bool refused(const std::string& packet) {
  return !decode(packet).ok();
}

}  // namespace

TEST_CASE("names: text and wire", "[dns]") {
  CHECK(name("a.bc") == std::string("\1a\2bc\0", 6));
  CHECK(name("a.bc.") == name("a.bc"));
  CHECK(name("") == std::string(1, '\0'));
  CHECK(name_to_text(name("A.Bc")) == "a.bc");
  CHECK(name_to_text(std::string("\3a.b\0", 5)) == "a\\046b");
  CHECK_FALSE(name_from_text("a..b"));
  CHECK_FALSE(name_from_text(".a"));
  CHECK_FALSE(name_from_text(std::string(64, 'a')));
  CHECK(name_from_text(std::string(63, 'a')));
  std::string longest;
  for (int i = 0; i < 4; ++i) longest += std::string(62, 'a') + ".";
  CHECK(name_from_text(longest + "b"));
  CHECK_FALSE(name_from_text(longest + "bcd"));
}

TEST_CASE("a message survives encoding and decoding, smaller than its parts", "[dns]") {
  const Message message = full_message();
  const std::string packet = encode(message, 65535);
  std::size_t plain = 12 + message.questions[0].name.size() + 4 + 11;
  for (const auto* section : {&message.answers, &message.authorities, &message.additionals})
    for (const auto& record : *section) plain += record.name.size() + 10 + record.rdata.size();
  CHECK(packet.size() < plain - 100);
  const auto back = decode(packet);
  REQUIRE(back.ok());
  CHECK(back->id == 0xbeef);
  CHECK(back->response);
  CHECK(back->edns->udp_size == 1232);
  CHECK(back->edns->dnssec_ok);
  REQUIRE(back->answers.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(back->answers[i].name == message.answers[i].name);
    CHECK(back->answers[i].rdata == message.answers[i].rdata);
  }
  CHECK(back->authorities[0].rdata == message.authorities[0].rdata);
  CHECK(back->additionals.size() == 1);
}

TEST_CASE("what does not fit is left out whole and marked", "[dns]") {
  Message message = full_message();
  for (int i = 0; i < 60; ++i)
    message.answers.emplace_back(message.questions[0].name, kA, 5,
                                 std::string{10, 0, 0, static_cast<char>(i)});
  const std::string packet = encode(message, 512);
  CHECK(packet.size() <= 512);
  const auto back = decode(packet);
  REQUIRE(back.ok());
  CHECK(back->truncated);
  CHECK(back->answers.size() > 10);
  CHECK(back->answers.size() < 64);
  CHECK(back->authorities.empty());
  CHECK(back->edns);

  Message extra = full_message();
  for (int i = 0; i < 60; ++i)
    extra.additionals.emplace_back(name("web.default.svc.cluster.local"), kA, 5,
                                   std::string{10, 0, 0, static_cast<char>(i)});
  const auto kept = decode(encode(extra, 512));
  REQUIRE(kept.ok());
  CHECK_FALSE(kept->truncated);
  CHECK(kept->answers.size() == 4);
}

TEST_CASE("malformed packets are refused", "[dns]") {
  const std::string type_class("\0\1\0\1", 4);
  CHECK(refused(""));
  CHECK(refused(std::string(11, '\0')));
  CHECK_FALSE(refused(header(0, 0)));
  CHECK(refused(header(0, 0) + "x"));                                         // trailing bytes
  CHECK(refused(header(1, 0)));                                               // no question
  CHECK(refused(header(1, 0) + std::string("\5abc", 4)));                     // label past the end
  CHECK(refused(header(1, 0) + std::string("\1a\0\0\1\0", 6)));               // cut off type
  CHECK(refused(header(1, 0) + std::string("\xc0\x0c", 2) + type_class));     // points to itself
  CHECK(refused(header(1, 0) + std::string("\1a\xc0\x0c", 4) + type_class));  // a loop through a label
  CHECK(refused(header(1, 0) + std::string("\xc0\x20", 2) + type_class));     // points forward
  CHECK(refused(header(1, 0) + std::string("\xc0", 1)));                      // half a pointer
  CHECK(refused(header(1, 0) +
                std::string("\x40"
                            "a\0",
                            3) +
                type_class));                                                          // reserved label type
  CHECK(refused(header(0, 1) + std::string("\0\0\1\0\1\0\0\0\5\0\5", 11) + "abcde"));  // A of 5 bytes
  CHECK(refused(header(0, 1) + std::string("\0\0\5\0\1\0\0\0\5\0\4\1a\0x", 15)));      // CNAME with a tail
  CHECK(refused(header(0, 1) + std::string("\0\0\x29\0\1\0\0\0\0\0\0", 11)));          // OPT among answers
  std::string many = header(1, 0);
  for (int i = 0; i < 5; ++i) many += '\x3f' + std::string(63, 'a');
  CHECK(refused(many + '\0' + type_class));  // over 255 bytes
  CHECK(form_error_for("short").empty());
  const auto error = decode(form_error_for(header(1, 0)));
  REQUIRE(error.ok());
  CHECK(error->rcode == kFormErr);
  std::string response = header(1, 0);
  response[2] = '\x80';
  CHECK(form_error_for(response).empty());
}

TEST_CASE("mutated and random packets never break the reader, and what it takes it can write", "[dns]") {
  const auto random = rt::make_random(7);
  const std::string good = encode(full_message(), 65535);
  for (int round = 0; round < 20000; ++round) {
    std::string packet = good;
    if (round % 4 == 0) {
      packet.resize(random->below(200));
      for (char& c : packet) c = static_cast<char>(random->next());
      if (packet.size() > 12) packet.replace(4, 8, std::string("\0\1\0\1\0\1\0\1", 8));
    } else {
      for (std::uint64_t i = 0, n = 1 + random->below(4); i < n; ++i)
        packet[random->below(packet.size())] = static_cast<char>(random->next());
      if (round % 3 == 0) packet.resize(random->below(packet.size() + 1));
    }
    const auto message = decode(packet);
    if (!message.ok()) continue;
    const auto again = decode(encode(*message, 65535));
    REQUIRE(again.ok());
    REQUIRE(again->answers.size() == message->answers.size());
  }
}
