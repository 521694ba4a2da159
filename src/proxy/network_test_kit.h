#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

// A node with pods and a neighbour, each a network namespace of its own, for tests with real rules. Needs
// root.
namespace mk::proxy::testing {

bool can_make_namespaces();

// An open network namespace; gone when the last descriptor and thread are.
class Namespace {
 public:
  Namespace();  // a new one
  ~Namespace();
  Namespace(const Namespace&) = delete;
  void run(const std::function<void()>& work) const;  // on a thread inside
  void sh(const std::string& commands) const;         // must succeed
  std::string path() const;

 private:
  int fd_ = -1;
};

// The calling thread lives in a new namespace until the end of the scope; threads it starts do too.
class NodeScope {
 public:
  NodeScope();
  ~NodeScope();

 private:
  int before_ = -1;
};

void sh(const std::string& commands);  // in the calling thread's namespace; must succeed
std::string output_of(const std::string& command);

// Answers every TCP connection and every UDP packet on a port of a namespace with "<name> <address of the
// client>".
class Server {
 public:
  // `where` nullptr: the calling thread's namespace.
  Server(const Namespace* where, std::string name, int port, const std::string& address = "0.0.0.0");
  ~Server();

 private:
  void serve();
  std::string name_;
  int tcp_ = -1, udp_ = -1;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// What a client hears: the server's answer, "refused", "unreachable" or "timeout".
std::string call_tcp(const std::string& ip, int port);
// A UDP client that keeps its port, so that the kernel takes all it sends for one flow.
class UdpClient {
 public:
  UdpClient();
  ~UdpClient();
  std::string call(const std::string& ip, int port);

 private:
  int fd_;
};
std::string in(const Namespace& where, const std::function<std::string()>& work);

}  // namespace mk::proxy::testing
