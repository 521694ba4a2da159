#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "message.h"
#include "mk/rt/clock.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "mk/rt/loop.h"

// The names that are not the cluster's: asked of upstream servers, remembered for as long as they allow.
namespace mk::dns {

struct Server {
  std::string address;  // of IP, no brackets
  int port = 53;
  bool operator==(const Server&) const = default;
};

// "1.1.1.1", "10.0.0.2:5353", "fd00::1" or "[fd00::1]:5353".
Result<Server> parse_server(std::string_view text);
// The nameserver lines of a resolv.conf.
std::vector<Server> servers_of(std::string_view resolv_conf);

struct UpstreamQuestion {
  Question question;
  bool dnssec_ok = false, checking_disabled = false;
  std::string key() const;
};

using Shared = std::shared_ptr<const Message>;

// Answers by question, at most `entries_max`, the least recently used going first.
class AnswerCache {
 public:
  AnswerCache(rt::Clock& clock, std::size_t entries_max) : clock_(clock), entries_max_(entries_max) {}
  // With the time that has passed taken off every TTL; null when absent or stale.
  Shared get(const std::string& key);
  void put(const std::string& key, Shared message);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    rt::MonoTime stored, expires;
    Shared message;
  };
  rt::Clock& clock_;
  std::size_t entries_max_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> index_;
};

// Seconds an answer may be kept: its lowest TTL, or what its SOA says for a negative one; 0: not at all.
std::uint32_t cache_seconds(const Message& message);

// Each question is under way once, whoever asks it: so a server that sends our questions back to us waits for
// itself and ends as an error after the timeout instead of multiplying.
class Forwarder {
 public:
  // `servers` is asked again now and then, so that it may follow a changed resolv.conf. References must
  // outlive it.
  Forwarder(rt::Loop& loop, rt::Clock& clock, std::function<std::vector<Server>()> servers);

  rt::Task<Result<Shared>> ask(UpstreamQuestion question);
  rt::Task<> stop();
  bool available();  // has a server to ask

 private:
  struct Pending {
    std::optional<Result<Shared>> result;
    rt::Event done;
  };

  rt::Task<> run(UpstreamQuestion question, std::string key);
  rt::Task<Result<Shared>> ask_servers(const UpstreamQuestion& question);
  rt::Task<Result<Message>> ask_server(Server server, UpstreamQuestion question);
  rt::Task<Result<Message>> exchange(Server server, UpstreamQuestion question, bool edns, bool tcp);
  rt::Task<Result<Message>> over_udp(Server server, Message query);
  rt::Task<Result<Message>> over_tcp(Server server, Message query);
  void refresh();

  rt::Loop& loop_;
  rt::Clock& clock_;
  std::function<std::vector<Server>()> find_servers_;
  std::vector<Server> servers_;
  std::optional<rt::MonoTime> refreshed_;
  std::size_t preferred_ = 0;  // the server that answered last
  std::unordered_map<std::string, std::shared_ptr<Pending>> pending_;
  AnswerCache cache_;
  rt::Group group_;
};

}  // namespace mk::dns
