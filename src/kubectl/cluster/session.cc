#include "cluster/session.h"

#include <fmt/format.h>

#include "cli/duration.h"
#include "mk/api/resource.h"
#include "mk/base/strings.h"
#include "mk/client/https_client.h"

namespace mk::kubectl {

using api::Json;

namespace {

constexpr std::string_view kAggregated =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

std::string invalid_text(const Error& error) {
  std::string subject = error.kind.empty() ? "The request is invalid"
                                           : fmt::format("The {} \"{}\" is invalid", error.kind, error.name);
  if (error.causes.empty()) return subject + ": " + error.message();
  const auto line = [](const Cause& cause) {
    return cause.field.empty() ? cause.message : cause.field + ": " + cause.message;
  };
  if (error.causes.size() == 1) return subject + ": " + line(error.causes[0]);
  subject += ": ";
  for (const auto& cause : error.causes) subject += "\n* " + line(cause);
  return subject;
}

Error with_text(const Error& error, std::string text) {
  Error out(error.reason(), std::move(text));
  out.group = error.group, out.kind = error.kind, out.name = error.name, out.causes = error.causes;
  out.retry_after_seconds = error.retry_after_seconds;
  return out;
}

}  // namespace

Error server_error(int status, std::string_view body) {
  Error error = client::error_from_response(status, body);
  const bool is_status = body.find("\"Status\"") != std::string_view::npos;
  if (error.is(Reason::kUnauthorized))
    return with_text(error, "error: You must be logged in to the server (Unauthorized)");
  if (error.is(Reason::kInvalid) && is_status) return with_text(error, invalid_text(error));
  std::string message = error.message();
  if (status == 404 && !is_status) message = "the server could not find the requested resource";
  const auto reason = to_string(error.reason());
  return with_text(error, reason.empty() ? "Error from server: " + message
                                         : fmt::format("Error from server ({}): {}", reason, message));
}

Result<std::unique_ptr<Session>> Session::open(const Globals& globals) {
  MK_ASSIGN(const pki::Kubeconfig config, load_configuration(globals));
  auto session = std::make_unique<Session>();
  net::ClientOptions options;
  options.base_url = config.server;
  if (options.base_url.find("://") == std::string::npos) options.base_url = "http://" + options.base_url;
  MK_ASSIGN(const net::Url url, net::parse_url(options.base_url));
  session->server_ = url.host.find(':') == std::string::npos ? fmt::format("{}:{}", url.host, url.port)
                                                             : fmt::format("[{}]:{}", url.host, url.port);
  options.ca_pem = config.insecure ? "" : config.ca_pem;
  options.insecure = config.insecure;
  options.client_certificate = {config.client_certificate_pem, config.client_key_pem};
  options.token = config.token;
  options.server_name = config.tls_server_name;
  MK_ASSIGN(const rt::Duration limit, parse_duration(globals.request_timeout));
  options.request_timeout = limit.count() > 0 ? limit : std::chrono::hours(24);
  MK_ASSIGN(session->http_, net::make_http_client(session->loop_, *session->clock_, options));
  session->ns_given_ = !globals.ns.empty();
  session->ns_ = session->ns_given_ ? globals.ns : config.ns.empty() ? "default" : config.ns;
  session->as_ = globals.as;
  session->as_groups_ = globals.as_groups;
  return session;
}

net::Request Session::request(std::string method, std::string target) const {
  net::Request out(std::move(method), std::move(target));
  out.headers.add("User-Agent", "kubectl/v1.36.0 (mk)");
  if (!as_.empty()) out.headers.add("Impersonate-User", as_);
  for (const auto& group : as_groups_) out.headers.add("Impersonate-Group", group);
  return out;
}

Error Session::explain(Error error) const {
  const std::string& message = error.message();
  if (message.find("refused") != std::string::npos)
    return Error(
        error.reason(),
        fmt::format("The connection to the server {} was refused - did you specify the right host or port?",
                    server_));
  return Error(error.reason(), "Unable to connect to the server: " + message);
}

Result<net::Response> Session::exchange(net::Request request) {
  auto response = wait_for(loop_, http_->request(std::move(request)));
  if (!response) return explain(std::move(response).error());
  if (response->status / 100 != 2) return server_error(response->status, response->body);
  return response;
}

Result<Json> Session::get(const std::string& target, const std::string& accept) {
  net::Request out = request("GET", target);
  out.headers.add("Accept", accept);
  MK_ASSIGN(const net::Response response, exchange(std::move(out)));
  return api::parse_json(response.body);
}

Result<Json> Session::send(std::string method, std::string target, const Json& body,
                           std::string content_type) {
  net::Request out = request(std::move(method), std::move(target));
  out.headers.add("Accept", "application/json");
  out.headers.add("Content-Type", std::move(content_type));
  out.body = body.is_null() ? std::string() : api::to_json(body);
  MK_ASSIGN(const net::Response response, exchange(std::move(out)));
  return api::parse_json(response.body);
}

Result<std::string> Session::get_text(const std::string& target) {
  MK_ASSIGN(net::Response response, exchange(request("GET", target)));
  return std::move(response.body);
}

Result<LineStream> Session::follow(const std::string& target, const std::string& accept) {
  net::Request out = request("GET", target);
  out.headers.add("Accept", accept);
  auto body = wait_for(loop_, http_->stream(std::move(out)));
  if (!body) return explain(std::move(body).error());
  const int status = (*body)->head().status;
  LineStream stream(loop_, *clock_, std::move(*body));
  if (status / 100 == 2) return stream;
  std::string text;
  for (;;) {
    auto more = stream.bytes();
    if (!more.ok() || more->empty() || text.size() > (1 << 20)) break;
    text += *more;
  }
  return server_error(status, text);
}

Result<const Discovery*> Session::discovery() {
  if (discovery_) return const_cast<const Discovery*>(discovery_.get());
  auto found = std::make_unique<Discovery>();
  for (const char* root : {"/api", "/apis"}) {
    MK_ASSIGN(const Json groups, get(root, std::string(kAggregated)));
    MK_TRY(found->add(groups));
  }
  discovery_ = std::move(found);
  return const_cast<const Discovery*>(discovery_.get());
}

std::string Session::path(const api::ResourceInfo& resource, const std::string& ns, const std::string& name,
                          const std::string& subresource) {
  return client::resource_path(resource.gvr, resource.namespaced ? ns : "", name, subresource);
}

void Session::sleep(rt::Duration duration) {
  rt::run_until_done(loop_, clock_->sleep_for(duration));
}

Result<std::string> LineStream::read(std::optional<rt::Duration> limit) {
  if (!limit) return wait_for(loop_, body_->read_some());
  auto more = wait_for(loop_, rt::with_timeout(clock_, *limit, body_->read_some()));
  if (!more) return Error(Reason::kTimeout, "timed out");
  return std::move(*more);
}

Result<std::string> LineStream::bytes() {
  return read(std::nullopt);
}

Result<std::optional<std::string>> LineStream::next(std::optional<rt::Duration> limit) {
  for (;;) {
    const auto end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::optional<std::string> line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (ended_) {
      std::optional<std::string> last;
      if (!buffer_.empty()) last = std::move(buffer_);
      buffer_.clear();
      return last;
    }
    MK_ASSIGN(const std::string more, read(limit));
    ended_ = more.empty();
    buffer_ += more;
  }
}

}  // namespace mk::kubectl
