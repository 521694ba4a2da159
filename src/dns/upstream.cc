#include "upstream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "mk/base/ids.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "mk/rt/fd.h"

namespace mk::dns {

namespace {

constexpr Log kLog("dns");
constexpr auto kTryTimeout = std::chrono::seconds(2);
constexpr std::size_t kTriesMax = 4;  // clients give up after five seconds or so
constexpr std::size_t kPendingMax = 1024;
constexpr std::size_t kCacheMax = 2000;
constexpr auto kRefreshEvery = std::chrono::seconds(30);
constexpr std::uint16_t kUdpSize = 1232;  // does not fragment anywhere

// Unpredictable to whoever would forge an answer; the source port, chosen by the kernel, is too.
std::uint16_t random_id() {
  const auto bytes = random_bytes(2);
  return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[0]) << 8 |
                                    static_cast<std::uint8_t>(bytes[1]));
}

// A socket connected to the server: the kernel drops what others send and reports refusals at once.
Result<int> connect_to(const Server& server, int type) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_in);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  const auto port = htons(static_cast<std::uint16_t>(server.port));
  if (inet_pton(AF_INET, server.address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET, v4->sin_port = port;
  } else if (inet_pton(AF_INET6, server.address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6, v6->sin6_port = port, size = sizeof(sockaddr_in6);
  }
  const int fd = socket(storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Error(Reason::kServiceUnavailable, std::string("socket: ") + std::strerror(errno));
  if (connect(fd, reinterpret_cast<sockaddr*>(&storage), size) != 0 && errno != EINPROGRESS) {
    const int code = errno;
    close(fd);
    return Error(Reason::kServiceUnavailable, std::string("connect: ") + std::strerror(code));
  }
  return fd;
}

bool answers(const Message& reply, const Message& query) {
  return reply.response && reply.id == query.id && reply.questions.size() == 1 &&
         reply.questions[0].type == query.questions[0].type &&
         reply.questions[0].klass == query.questions[0].klass &&
         name_to_text(reply.questions[0].name) == name_to_text(query.questions[0].name);
}

// What another server may still answer better.
bool useless(const Message& reply) {
  return reply.rcode == kServFail || reply.rcode == kRefused || reply.rcode == kNotImp;
}

}  // namespace

std::string UpstreamQuestion::key() const {
  return name_to_text(question.name) + "/" + std::to_string(question.type) + (dnssec_ok ? "/d" : "/") +
         (checking_disabled ? "c" : "");
}

Result<Server> parse_server(std::string_view text) {
  const std::string whole(text);
  Server server;
  auto rest = std::string_view();
  if (text.starts_with('[') && text.find(']') != std::string_view::npos) {
    rest = text.substr(text.find(']') + 1);
    server.address = text.substr(1, text.find(']') - 1);
  } else if (text.find(':') == text.rfind(':') && text.find(':') != std::string_view::npos) {
    rest = text.substr(text.find(':'));
    server.address = text.substr(0, text.find(':'));
  } else {
    server.address = text;
  }
  const auto port = rest.empty() ? std::optional<std::int64_t>(53)
                                 : parse_int(rest.starts_with(':') ? rest.substr(1) : std::string_view());
  if (!address_bytes(server.address) || !port || *port < 1 || *port > 65535)
    return Error(Reason::kInvalid, "DNS server \"" + whole + "\": want an IP address, or address:port");
  server.port = static_cast<int>(*port);
  return server;
}

std::vector<Server> servers_of(std::string_view resolv_conf) {
  std::vector<Server> servers;
  for (auto line : split(resolv_conf, '\n')) {
    line = trim(line);
    if (!line.starts_with("nameserver") || line.size() < 12 || (line[10] != ' ' && line[10] != '\t'))
      continue;
    line = trim(line.substr(10));
    const auto server = parse_server(line.substr(0, line.find_first_of(" \t#;")));
    if (server.ok()) servers.push_back(*server);
  }
  return servers;
}

Forwarder::Forwarder(rt::Loop& loop, rt::Clock& clock, std::function<std::vector<Server>()> servers)
    : loop_(loop),
      clock_(clock),
      find_servers_(std::move(servers)),
      cache_(clock, kCacheMax),
      group_(loop.executor()) {}

rt::Task<> Forwarder::stop() {
  co_await group_.stop();
}

void Forwarder::refresh() {
  if (refreshed_ && clock_.mono() - *refreshed_ < kRefreshEvery) return;
  refreshed_ = clock_.mono();
  servers_ = find_servers_();
}

bool Forwarder::available() {
  refresh();
  return !servers_.empty();
}

rt::Task<Result<Shared>> Forwarder::ask(UpstreamQuestion question) {
  const std::string key = question.key();
  if (auto known = cache_.get(key)) co_return known;
  if (!available()) co_return Error(Reason::kServiceUnavailable, "no upstream DNS server is configured");
  auto& slot = pending_[key];
  if (!slot) {
    if (pending_.size() > kPendingMax) {
      pending_.erase(key);
      co_return Error(Reason::kTooManyRequests, "too many questions are waiting for upstream DNS servers");
    }
    slot = std::make_shared<Pending>();
    group_.spawn("dns upstream", run(std::move(question), key));
  }
  const auto pending = slot;
  while (!pending->result) co_await pending->done.wait();
  co_return *pending->result;
}

rt::Task<> Forwarder::run(UpstreamQuestion question, std::string key) {
  auto result = co_await ask_servers(question);
  if (result.ok()) cache_.put(key, *result);
  const auto found = pending_.find(key);
  const auto pending = found->second;
  pending_.erase(found);
  pending->result = std::move(result);
  pending->done.notify_all();
}

// Round the servers, beginning with the one that answered last, until one gives an answer worth having.
rt::Task<Result<Shared>> Forwarder::ask_servers(const UpstreamQuestion& question) {
  const auto servers = servers_;
  const std::size_t tries = std::min(kTriesMax, servers.size() * 2);
  const std::size_t first = preferred_;
  Shared poor;
  Error failure(Reason::kServiceUnavailable, "no upstream DNS server is configured");
  for (std::size_t i = 0; i < tries && !(poor && i >= servers.size()); ++i) {
    const std::size_t at = (first + i) % servers.size();
    auto reply = co_await ask_server(servers[at], question);
    if (!reply.ok()) {
      failure = std::move(reply).error().wrap("upstream DNS server " + servers[at].address);
      continue;
    }
    auto shared = std::make_shared<const Message>(std::move(reply).value());
    if (!useless(*shared)) {
      preferred_ = at;
      co_return shared;
    }
    poor = std::move(shared);
  }
  if (poor) co_return poor;
  kLog.debug("no answer from upstream", "name", name_to_text(question.question.name), "error",
             failure.message());
  co_return failure;
}

rt::Task<Result<Message>> Forwarder::ask_server(Server server, UpstreamQuestion question) {
  auto reply = co_await exchange(server, question, true, false);
  if (reply.ok() && reply->rcode == kFormErr) reply = co_await exchange(server, question, false, false);
  if (!reply.ok() || !reply->truncated) co_return reply;
  auto whole = co_await exchange(server, question, true, true);
  co_return whole.ok() ? std::move(whole) : std::move(reply);
}

rt::Task<Result<Message>> Forwarder::exchange(Server server, UpstreamQuestion question, bool edns, bool tcp) {
  Message query;
  query.id = random_id();
  query.recursion_desired = true;
  query.checking_disabled = question.checking_disabled;
  query.questions.push_back(question.question);
  if (edns) query.edns = Edns{kUdpSize, 0, question.dnssec_ok};
  rt::Task<Result<Message>> task =
      tcp ? over_tcp(server, std::move(query)) : over_udp(server, std::move(query));
  auto reply = co_await rt::with_timeout(clock_, kTryTimeout, std::move(task));
  if (!reply) co_return Error(Reason::kTimeout, "no answer within two seconds");
  co_return std::move(*reply);
}

rt::Task<Result<Message>> Forwarder::over_udp(Server server, Message query) {
  MK_CO_ASSIGN(const int descriptor, connect_to(server, SOCK_DGRAM));
  rt::AsyncFd fd(loop_.executor(), descriptor);
  MK_CO_TRY(co_await fd.write_all(encode(query, 65535)));
  for (;;) {
    MK_CO_ASSIGN(std::string packet, co_await fd.read_some(65535));
    auto reply = decode(packet);
    if (reply.ok() && answers(*reply, query)) co_return reply;
  }
}

rt::Task<Result<Message>> Forwarder::over_tcp(Server server, Message query) {
  MK_CO_ASSIGN(const int descriptor, connect_to(server, SOCK_STREAM));
  rt::AsyncFd fd(loop_.executor(), descriptor);
  const std::string packet = encode(query, 65535);
  std::string framed;
  framed += static_cast<char>(packet.size() >> 8);
  framed += static_cast<char>(packet.size());
  MK_CO_TRY(co_await fd.write_all(framed + packet));
  std::string in;
  for (;;) {
    MK_CO_ASSIGN(std::string part, co_await fd.read_some(65535));
    if (part.empty()) co_return Error(Reason::kServiceUnavailable, "the connection ended before the answer");
    in += part;
    if (in.size() < 2) continue;
    const std::size_t size =
        static_cast<std::size_t>(static_cast<std::uint8_t>(in[0])) << 8 | static_cast<std::uint8_t>(in[1]);
    if (in.size() < 2 + size) continue;
    auto reply = decode(std::string_view(in).substr(2, size));
    if (!reply.ok()) co_return reply;
    if (!answers(*reply, query))
      co_return Error(Reason::kServiceUnavailable, "an answer to another question");
    co_return reply;
  }
}

}  // namespace mk::dns
