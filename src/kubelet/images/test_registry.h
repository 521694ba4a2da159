#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

// An HTTP server on loopback for the tests of the registry client: one thread a connection, one request each.
namespace mk::kubelet::testing {

struct TestRequest {
  std::string method, target, head, body;
  std::string header(const std::string& name) const {
    const auto at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const auto start = at + name.size() + 4;
    return head.substr(start, head.find("\r\n", start) - start);
  }
};

struct TestReply {
  int status = 200;
  std::string body;
  std::string headers;         // "Name: value\r\n"...
  std::size_t cut = SIZE_MAX;  // close the connection after so many bytes of the body
  bool hang = false;           // send nothing until the server stops
};

class TestRegistry {
 public:
  using Handler = std::function<TestReply(const TestRequest&)>;
  explicit TestRegistry(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 16);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_loop(); });
  }
  ~TestRegistry() {
    stop_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (auto& thread : threads_) thread.join();
    ::close(listener_);
  }
  std::string host() const { return "127.0.0.1:" + std::to_string(port); }
  int count(const std::string& part) {
    const std::lock_guard lock(mutex_);
    int out = 0;
    for (const auto& request : log_) out += request.find(part) != std::string::npos;
    return out;
  }

  int port = 0;

 private:
  void accept_loop() {
    while (!stop_) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) threads_.emplace_back([this, fd] { serve(fd); });
    }
  }

  void serve(int fd) {
    TestRequest request;
    std::string data;
    char buffer[4096];
    while (data.find("\r\n\r\n") == std::string::npos) {
      const auto got = ::read(fd, buffer, sizeof buffer);
      if (got <= 0) return void(::close(fd));
      data.append(buffer, static_cast<std::size_t>(got));
    }
    request.head = data.substr(0, data.find("\r\n\r\n") + 2);
    request.body = data.substr(data.find("\r\n\r\n") + 4);
    request.method = data.substr(0, data.find(' '));
    request.target = data.substr(request.method.size() + 1,
                                 data.find(' ', request.method.size() + 1) - request.method.size() - 1);
    {
      const std::lock_guard lock(mutex_);
      log_.push_back(request.method + " " + request.target);
    }
    const TestReply reply = handler_(request);
    while (reply.hang && !stop_) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::string out = "HTTP/1.1 " + std::to_string(reply.status) +
                      " X\r\nConnection: close\r\nContent-Length: " + std::to_string(reply.body.size()) +
                      "\r\n" + reply.headers + "\r\n" + reply.body.substr(0, reply.cut);
    for (std::size_t done = 0; done < out.size();) {
      const auto put = ::send(fd, out.data() + done, out.size() - done, MSG_NOSIGNAL);
      if (put <= 0) break;
      done += static_cast<std::size_t>(put);
    }
    ::close(fd);
  }

  Handler handler_;
  int listener_ = -1;
  std::atomic<bool> stop_ = false;
  std::thread acceptor_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::vector<std::string> log_;
};

}  // namespace mk::kubelet::testing
