#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <optional>

#include "mk/apiserver/server.h"
#include "mk/net/client.h"
#include "mk/rt/group.h"
#include "test_dir.h"
#include "test_store.h"

// For tests: a whole API server on a loopback port, with its own CA, and clients of several users.
namespace mk::apiserver::testing {

class TestServer {
 public:
  TestServer() : clock_(rt::make_real_clock()) {
    store_ = open_store(loop_, dir_.path() + "/db");
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(clock_->now().time_since_epoch()).count();
    from_ = now - 60;
    until_ = now + 3600;
    ca_ = pki::make_ca("test", from_, until_);
    ServerOptions options;
    options.bind_address = "127.0.0.1";
    options.port = free_port();
    options.advertise_address = "192.0.2.10";  // only written down
    options.version = "v1.36.0+mk1";
    options.ca_pem = ca_.certificate_pem;
    options.ca = ca_;
    options.identity.certificate = issue("apiserver", {}, pki::Usage::kServer);
    options.identity.client_ca_pem = ca_.certificate_pem;
    options.kubelet_client = issue("kubelet-client", {}, pki::Usage::kClient);
    options.service_account_keys = {pki::make_private_key()};
    options.agent_token = "secret";
    server_ = make_api_server(loop_, *clock_, *store_, std::move(options));
    auto started = run(server_->start());
    if (!started.ok()) FAIL(started.error().message());
    admin_ = client(issue("admin", {"system:masters"}, pki::Usage::kClient));
    nobody_ = client(issue("jane", {}, pki::Usage::kClient));
    anonymous_ = client({});
  }
  ~TestServer() {
    admin_.reset();
    nobody_.reset();
    anonymous_.reset();
    auto stop = [&]() -> rt::Task<> { co_await server_->stop(); };
    rt::run_until_done(loop_, stop());
    server_.reset();
    store_.reset();
  }

  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out;
    auto body = [&]() -> rt::Task<> { out.emplace(co_await std::move(task)); };
    rt::run_until_done(loop_, body());
    return std::move(*out);
  }

  struct Answer {
    int status = 0;
    net::Headers headers;
    std::string text;
    api::Json json() const { return api::parse_json(text).value_or(api::Json()); }
    std::string reason() const { return std::string(api::str(json(), "reason")); }
    std::string message() const { return std::string(api::str(json(), "message")); }
  };

  static net::Request request(const std::string& method, const std::string& target, std::string body = "",
                              const std::string& type = "application/json", const std::string& accept = "") {
    net::Request out(method, target);
    out.body = std::move(body);
    out.headers.set("User-Agent", "tester/1.0");
    if (!out.body.empty()) out.headers.set("Content-Type", type);
    if (!accept.empty()) out.headers.set("Accept", accept);
    return out;
  }
  Answer send(net::HttpClient& from, net::Request request) {
    auto response = run(from.request(std::move(request)));
    if (!response.ok()) FAIL(response.error().message());
    return Answer{response->status, response->headers, response->body};
  }
  Answer get(const std::string& target, const std::string& accept = "") {
    return send(admin(), request("GET", target, "", "", accept));
  }
  // A manifest in YAML.
  Answer post(const std::string& target, const std::string& manifest) {
    return send(admin(), request("POST", target, manifest, "application/yaml"));
  }
  // A whole stream, as far as the server ends it.
  std::string stream(const std::string& target, const std::string& accept = "") {
    auto whole = [&]() -> rt::Task<Result<std::string>> {
      MK_CO_ASSIGN(auto reader, co_await admin().stream(request("GET", target, "", "", accept)));
      std::string out;
      for (;;) {
        MK_CO_ASSIGN(const std::string more, co_await reader->read_some());
        if (more.empty()) co_return out;
        out += more;
      }
    };
    auto text = run(whole());
    if (!text.ok()) FAIL(text.error().message());
    return *text;
  }

  net::HttpClient& admin() { return *admin_; }
  net::HttpClient& nobody() { return *nobody_; }  // authenticated, without a role
  net::HttpClient& anonymous() { return *anonymous_; }
  ApiServer& server() { return *server_; }
  store::Store& store() { return *store_; }

 private:
  // The kubernetes Service is written before the server listens, so its port must be known by then.
  static int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ::close(fd);
    return ntohs(address.sin_port);
  }

  pki::KeyPair issue(const std::string& name, std::vector<std::string> groups, pki::Usage usage) {
    pki::CertificateRequest request;
    request.common_name = name;
    request.organizations = std::move(groups);
    request.usage = usage;
    if (usage == pki::Usage::kServer) request.ip_addresses = {"127.0.0.1"};
    request.not_before = from_;
    request.not_after = until_;
    return pki::issue(ca_, request).value();
  }

  std::unique_ptr<net::HttpClient> client(pki::KeyPair certificate) {
    net::ClientOptions options;
    options.base_url = "https://127.0.0.1:" + std::to_string(server_->port());
    options.ca_pem = ca_.certificate_pem;
    options.client_certificate = std::move(certificate);
    return net::make_http_client(loop_, *clock_, std::move(options)).value();
  }

  rt::Loop loop_;
  std::unique_ptr<rt::Clock> clock_;
  TestDir dir_;
  std::unique_ptr<quorum::ReplicatedStore> store_;
  std::int64_t from_ = 0, until_ = 0;
  pki::KeyPair ca_;
  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<net::HttpClient> admin_, nobody_, anonymous_;
};

}  // namespace mk::apiserver::testing
