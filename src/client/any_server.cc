#include "mk/client/any_server.h"

#include <algorithm>

#include "mk/base/log.h"
#include "mk/rt/event.h"

namespace mk::client {

namespace {

constexpr Log kLog("client");

// One server in use. Who holds it may go on after it was given up, and finds out by `given_up`.
struct Use {
  std::string url;
  std::unique_ptr<net::HttpClient> http;
  bool given_up = false;
  rt::Event gave_up;

  rt::Task<> until_given_up() {
    while (!given_up) co_await gave_up.wait();
  }
};

Error lost(const Use& use) {
  return Error(Reason::kServiceUnavailable, use.url + " does not answer any more");
}

bool unreachable(const Error& error) {
  return error.is(Reason::kServiceUnavailable) || error.is(Reason::kTimeout);
}

// A stream that ends when its server is given up, instead of waiting for the kernel to notice.
class Reader : public net::BodyReader {
 public:
  Reader(std::shared_ptr<Use> use, std::unique_ptr<net::BodyReader> inner)
      : use_(std::move(use)), inner_(std::move(inner)) {}
  const net::Response& head() const override { return inner_->head(); }

  rt::Task<Result<std::string>> read_some() override {
    std::optional<Result<std::string>> out;
    co_await rt::race(read_into(out), use_->until_given_up());
    if (!out) co_return lost(*use_);
    co_return std::move(*out);
  }

 private:
  rt::Task<> read_into(std::optional<Result<std::string>>& out) { out.emplace(co_await inner_->read_some()); }

  const std::shared_ptr<Use> use_;
  const std::unique_ptr<net::BodyReader> inner_;
};

class AnyServerImpl : public AnyServer {
 public:
  AnyServerImpl(rt::Loop& loop, rt::Clock& clock, net::ClientOptions options)
      : loop_(loop), clock_(clock), options_(std::move(options)), urls_{options_.base_url} {}

  Result<void> open(const std::string& url) {
    net::ClientOptions options = options_;
    options.base_url = url;
    auto use = std::make_shared<Use>();
    use->url = url;
    MK_ASSIGN(use->http, net::make_http_client(loop_, clock_, std::move(options)));
    use_ = std::move(use);
    return ok();
  }

  void set_servers(std::vector<std::string> urls) override {
    if (urls.empty()) return;
    urls_ = std::move(urls);
    if (std::find(urls_.begin(), urls_.end(), use_->url) == urls_.end()) give_up(use_);
  }
  std::string current() const override { return use_->url; }

  rt::Task<Result<net::Response>> request(net::Request request) override {
    const bool repeatable = request.method == "GET" || request.method == "HEAD";
    for (std::size_t tried = 1;; ++tried) {
      const auto use = use_;
      auto answer = co_await use->http->request(request);
      if (answer.ok() || !unreachable(answer.error())) co_return answer;
      give_up(use);
      if (!repeatable || tried >= urls_.size()) co_return answer;
    }
  }

  rt::Task<Result<std::unique_ptr<net::BodyReader>>> stream(net::Request request) override {
    const bool repeatable = request.method == "GET";
    for (std::size_t tried = 1;; ++tried) {
      const auto use = use_;
      auto reader = co_await use->http->stream(request);
      if (reader.ok()) {
        std::unique_ptr<net::BodyReader> out = std::make_unique<Reader>(use, std::move(reader).value());
        co_return out;
      }
      if (!unreachable(reader.error())) co_return reader;
      give_up(use);
      if (!repeatable || tried >= urls_.size()) co_return reader;
    }
  }

  rt::Task<Result<std::unique_ptr<net::WebSocket>>> websocket(
      net::Request request, std::vector<std::string> subprotocols) override {
    const auto use = use_;
    co_return co_await use->http->websocket(std::move(request), std::move(subprotocols));
  }
  rt::Task<Result<net::Upgraded>> upgrade(net::Request request) override {
    const auto use = use_;
    co_return co_await use->http->upgrade(std::move(request));
  }

  void set_credentials(pki::KeyPair client_certificate, std::string token) override {
    options_.client_certificate = client_certificate;
    options_.token = token;
    use_->http->set_credentials(std::move(client_certificate), std::move(token));
  }

 private:
  // To the next of the list. Several callers find out at once; the first of them moves.
  void give_up(std::shared_ptr<Use> use) {
    if (use != use_) return;
    const auto found = std::find(urls_.begin(), urls_.end(), use->url);
    const std::size_t next = found == urls_.end() ? 0 : std::size_t(found - urls_.begin() + 1) % urls_.size();
    if (urls_[next] == use->url) return;  // there is no other
    if (const auto opened = open(urls_[next]); !opened.ok()) {
      kLog.warn("cannot use a server", "server", urls_[next], "error", opened.error().message());
      return;
    }
    kLog.warn("a server does not answer, going on with another", "server", use->url, "other", use_->url);
    use->given_up = true;
    use->gave_up.notify_all();
  }

  rt::Loop& loop_;
  rt::Clock& clock_;
  net::ClientOptions options_;
  std::vector<std::string> urls_;
  std::shared_ptr<Use> use_;
};

}  // namespace

Result<std::unique_ptr<AnyServer>> make_any_server(rt::Loop& loop, rt::Clock& clock,
                                                   net::ClientOptions options) {
  const std::string first = options.base_url;
  auto made = std::make_unique<AnyServerImpl>(loop, clock, std::move(options));
  MK_TRY(made->open(first));
  return std::unique_ptr<AnyServer>(std::move(made));
}

}  // namespace mk::client
