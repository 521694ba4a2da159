#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "network_test_kit.h"

namespace mk::proxy::testing {

namespace {

constexpr int kWaitMs = 1000;

int own_namespace() {
  return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

sockaddr_in address_of(const std::string& ip, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  return address;
}

std::string text_of(const sockaddr_in& address) {
  std::array<char, INET_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
}

bool readable(int fd, int milliseconds, short events = POLLIN) {
  pollfd item{fd, events, 0};
  return poll(&item, 1, milliseconds) == 1;
}

std::string failure(int code) {
  if (code == ECONNREFUSED) return "refused";
  return code == ENETUNREACH || code == EHOSTUNREACH ? "unreachable" : "error " + std::to_string(code);
}

std::string read_answer(int fd) {
  std::array<char, 200> data{};
  if (!readable(fd, kWaitMs)) return "timeout";
  const auto size = recv(fd, data.data(), data.size(), 0);
  return size < 0 ? failure(errno) : std::string(data.data(), static_cast<std::size_t>(size));
}

}  // namespace

bool can_make_namespaces() {
  bool can = false;
  std::thread([&] { can = unshare(CLONE_NEWNET) == 0; }).join();
  return can;
}

Namespace::Namespace() {
  std::thread([&] {
    if (unshare(CLONE_NEWNET) == 0) fd_ = own_namespace();
  }).join();
  REQUIRE(fd_ >= 0);
}
Namespace::~Namespace() {
  close(fd_);
}
std::string Namespace::path() const {
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_);
}

void Namespace::run(const std::function<void()>& work) const {
  std::thread([&] {
    if (setns(fd_, CLONE_NEWNET) != 0) std::abort();
    work();
  }).join();
}

void Namespace::sh(const std::string& commands) const {
  int code = -1;
  run([&] { code = std::system(("set -e; " + commands).c_str()); });
  INFO(commands);
  REQUIRE(code == 0);
}

NodeScope::NodeScope() : before_(own_namespace()) {
  REQUIRE(unshare(CLONE_NEWNET) == 0);
}
NodeScope::~NodeScope() {
  if (setns(before_, CLONE_NEWNET) != 0) std::abort();  // never go on in the wrong namespace
  close(before_);
}

void sh(const std::string& commands) {
  INFO(commands);
  REQUIRE(std::system(("set -e; " + commands).c_str()) == 0);
}

std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> data{};
  for (std::size_t size; pipe && (size = fread(data.data(), 1, data.size(), pipe)) > 0;)
    out.append(data.data(), size);
  if (pipe) pclose(pipe);
  return out;
}

Server::Server(const Namespace* where, std::string name, int port, const std::string& ip)
    : name_(std::move(name)) {
  const auto open_sockets = [&] {
    const int on = 1;
    auto address = address_of(ip, port);
    tcp_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(tcp_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    for (int fd : {tcp_, udp_})
      if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::perror("bind");
    listen(tcp_, 64);
  };
  if (where)
    where->run(open_sockets);
  else
    open_sockets();
  thread_ = std::thread([this] { serve(); });
}

Server::~Server() {
  stop_ = true;
  thread_.join();
  close(tcp_);
  close(udp_);
}

void Server::serve() {
  while (!stop_) {
    std::array<pollfd, 2> items{pollfd{tcp_, POLLIN, 0}, pollfd{udp_, POLLIN, 0}};
    if (poll(items.data(), items.size(), 20) < 1) continue;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto* peer = reinterpret_cast<sockaddr*>(&from);
    if (items[0].revents) {
      const int fd = accept(tcp_, peer, &size);
      const std::string answer = name_ + " " + text_of(from);
      if (fd >= 0) (void)!write(fd, answer.data(), answer.size());
      if (fd >= 0) close(fd);
    }
    if (items[1].revents) {
      std::array<char, 64> data{};
      if (recvfrom(udp_, data.data(), data.size(), 0, peer, &size) < 0) continue;
      const std::string answer = name_ + " " + text_of(from);
      sendto(udp_, answer.data(), answer.size(), 0, peer, size);
    }
  }
}

std::string call_tcp(const std::string& ip, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const auto address = address_of(ip, port);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) {
    answer = failure(errno);
  } else if (!readable(fd, kWaitMs, POLLOUT)) {
    answer = "timeout";
  } else {
    int code = 0;
    socklen_t size = sizeof code;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
    answer = code != 0 ? failure(code) : read_answer(fd);
  }
  close(fd);
  return answer;
}

UdpClient::UdpClient() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  const auto any = address_of("0.0.0.0", 0);
  (void)!bind(fd_, reinterpret_cast<const sockaddr*>(&any), sizeof any);
}
UdpClient::~UdpClient() {
  close(fd_);
}

std::string UdpClient::call(const std::string& ip, int port) {
  const auto address = address_of(ip, port);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return failure(errno);
  if (send(fd_, "x", 1, 0) < 0 && send(fd_, "x", 1, 0) < 0) return failure(errno);
  return read_answer(fd_);
}

std::string in(const Namespace& where, const std::function<std::string()>& work) {
  std::string out;
  where.run([&] { out = work(); });
  return out;
}

}  // namespace mk::proxy::testing
