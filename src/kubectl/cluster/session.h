#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "cli/io.h"
#include "cluster/discovery.h"
#include "mk/api/json.h"
#include "mk/net/client.h"
#include "mk/pki/kubeconfig.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"

namespace mk::kubectl {

// What every command's flags say about the cluster to talk to.
struct Globals {
  std::string kubeconfig, context, ns, server, token, as, ca_file, request_timeout = "0", tls_server_name;
  std::string client_certificate, client_key;
  std::vector<std::string> as_groups;
  bool insecure = false;
};

// Where the configuration comes from: --kubeconfig, $KUBECONFIG, ~/.kube/config, the pod's service account,
// /etc/mk/mk.yaml, in this order; then the flags override single fields.
Result<pki::Kubeconfig> load_configuration(const Globals& globals);
// The file that would be read, "" when there is none.
std::string kubeconfig_path(const Globals& globals);

// Lines of a streamed answer (a watch, logs).
class LineStream {
 public:
  LineStream(rt::Loop& loop, rt::Clock& clock, std::unique_ptr<net::BodyReader> body)
      : loop_(loop), clock_(clock), body_(std::move(body)) {}
  // The next line without its end; nullopt at the end of the stream. kTimeout once `limit` has passed.
  Result<std::optional<std::string>> next(std::optional<rt::Duration> limit = std::nullopt);
  // Whatever has come, for streams that are no lines. "" at the end.
  Result<std::string> bytes();

 private:
  Result<std::string> read(std::optional<rt::Duration> limit);
  rt::Loop& loop_;
  rt::Clock& clock_;
  std::unique_ptr<net::BodyReader> body_;
  std::string buffer_;
  bool ended_ = false;
};

// One connection to one cluster. Calls block: a command line has nothing else to do, except in exec and
// attach, which run tasks on loop(). Errors of the server come with kubectl's words in front ("Error from
// server (NotFound): ...") and keep their reason.
class Session {
 public:
  static Result<std::unique_ptr<Session>> open(const Globals& globals);

  Result<api::Json> get(const std::string& target, const std::string& accept = "application/json");
  Result<api::Json> send(std::string method, std::string target, const api::Json& body,
                         std::string content_type = "application/json");
  Result<std::string> get_text(const std::string& target);
  Result<LineStream> follow(const std::string& target, const std::string& accept = "application/json");

  // Read from the server when first asked for.
  Result<const Discovery*> discovery();
  // The API path of an object or (name "") a collection.
  static std::string path(const api::ResourceInfo& resource, const std::string& ns, const std::string& name,
                          const std::string& subresource = {});

  const std::string& ns() const { return ns_; }  // where namespaced commands work
  bool ns_given() const { return ns_given_; }    // by --namespace
  const std::string& server() const { return server_; }
  net::Request request(std::string method, std::string target) const;  // with impersonation headers
  Error explain(Error error) const;  // adds kubectl's words to a transport error

  net::HttpClient& http() { return *http_; }
  rt::Loop& loop() { return loop_; }
  rt::Clock& clock() { return *clock_; }
  void sleep(rt::Duration duration);

 private:
  Result<net::Response> exchange(net::Request request);

  rt::Loop loop_;
  std::unique_ptr<rt::Clock> clock_ = rt::make_real_clock();
  std::unique_ptr<net::HttpClient> http_;
  std::unique_ptr<Discovery> discovery_;
  std::string ns_, server_, as_;
  std::vector<std::string> as_groups_;
  bool ns_given_ = false;
};

// "Error from server (NotFound): ...", `The Pod "x" is invalid: ...`; keeps the reason.
Error server_error(int status, std::string_view body);

// Runs a task to its end and gives its value.
template <class T>
rt::Task<> store_value(rt::Task<T> task, std::optional<T>& out) {
  out.emplace(co_await std::move(task));
}
template <class T>
T wait_for(rt::Loop& loop, rt::Task<T> task) {
  std::optional<T> out;
  rt::run_until_done(loop, store_value(std::move(task), out));
  return std::move(*out);
}

}  // namespace mk::kubectl
