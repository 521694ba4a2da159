#include "http/relay.h"

#include <algorithm>

#include "http/html_links.h"
#include "mk/base/strings.h"

namespace mk::apiserver {

namespace {

constexpr std::size_t kPageMax = 16 << 20;  // of a page whose links are rewritten, which needs all of it

// Headers that are between two neighbours only (RFC 9110 section 7.6.1), or the API's own.
bool stays_here(std::string_view lower_name) {
  static constexpr std::string_view kNames[] = {
      "authorization",    "host",    "content-length",    "connection", "keep-alive", "proxy-authenticate",
      "proxy-connection", "trailer", "transfer-encoding", "te",         "upgrade",    "accept-encoding"};
  return std::find(std::begin(kNames), std::end(kNames), lower_name) != std::end(kNames) ||
         lower_name.starts_with("impersonate-");
}

net::Request forwarded(const Call& call, const Relay& relay) {
  const net::Request& from = call.exchange->request();
  net::Request out(from.method, relay.path);
  for (const auto& [name, value] : from.headers.all())
    if (!stays_here(to_lower(name))) out.headers.add(name, value);
  out.headers.add("X-Forwarded-For", call.exchange->remote_address());
  out.headers.set("X-Forwarded-Host", std::string(from.headers.get("Host")));
  out.headers.set("X-Forwarded-Proto", "https");
  out.headers.set("X-Forwarded-Uri", std::string(from.path()));
  out.body = from.body;
  return out;
}

net::Headers passed_back(const Call& call, const net::Response& head, const std::string& prefix) {
  net::Headers out;
  for (const auto& [name, value] : head.headers.all()) {
    const std::string lower = to_lower(name);
    if (stays_here(lower)) continue;
    out.add(name, lower == "location" && !prefix.empty() ? moved_link(value, prefix) : value);
  }
  out.set("Audit-Id", call.audit_id);
  return out;
}

bool is_page(const net::Response& head) {
  return to_lower(head.headers.get("Content-Type")).starts_with("text/html") &&
         !head.headers.has("Content-Encoding");
}

rt::Task<Result<std::string>> read_whole(net::BodyReader& from) {
  std::string out;
  for (;;) {
    MK_CO_ASSIGN(const std::string more, co_await from.read_some());
    if (more.empty()) co_return out;
    if (out.size() + more.size() > kPageMax)
      co_return Error(Reason::kInternalError, "the page is too large for its links to be rewritten");
    out += more;
  }
}

rt::Task<> copy_body(net::BodyReader& from, net::BodyWriter& to) {
  std::vector<SharedBytes> none;
  if (!(co_await to.write(std::move(none))).ok()) co_return;
  for (;;) {
    auto data = co_await from.read_some();
    if (!data.ok()) co_return;  // without finish(): the client sees that something is missing
    if (data->empty()) break;
    std::vector<SharedBytes> chunks;
    chunks.emplace_back(std::move(data).value());
    if (!(co_await to.write(std::move(chunks))).ok()) co_return;
  }
  (void)co_await to.finish();
}

// Bytes from one end to the other until it ends.
rt::Task<> pump(std::shared_ptr<net::RawStream> from, std::shared_ptr<net::RawStream> to) {
  for (;;) {
    auto data = co_await from->read_some(64 << 10);
    if (!data.ok() || data->empty()) co_return;
    if (!(co_await to->write_all(std::move(data).value())).ok()) co_return;
  }
}

rt::Task<> answer_page(Call& call, net::BodyReader& from, net::Headers headers, std::string prefix) {
  auto page = co_await read_whole(from);
  if (!page.ok()) {
    co_await answer_error(call, std::move(page).error());
    co_return;
  }
  std::vector<SharedBytes> chunks;
  chunks.emplace_back(move_links(*page, prefix));
  (void)co_await call.exchange->respond(call.status, std::move(headers), std::move(chunks));
}

}  // namespace

rt::Task<> relay_request(Call& call, Relay relay) {
  net::Request request = forwarded(call, relay);
  const bool is_head = request.method == "HEAD";
  auto answer = co_await relay.backend.stream(std::move(request));
  if (!answer.ok()) {
    co_await answer_error(call, std::move(answer).error().wrap("error trying to reach service"));
    co_return;
  }
  const net::Response& head = (*answer)->head();
  call.status = head.status;
  net::Headers headers = passed_back(call, head, relay.prefix);
  if (!relay.prefix.empty() && !is_head && is_page(head)) {
    co_await answer_page(call, **answer, std::move(headers), relay.prefix);
    co_return;
  }
  auto body = co_await call.exchange->start(call.status, std::move(headers));
  if (!body.ok()) co_return;
  co_await rt::race(copy_body(**answer, **body), call.exchange->client_gone());
}

rt::Task<> relay_upgrade(Call& call, Relay relay) {
  net::Request request(call.exchange->request().method, relay.path);
  for (const auto& [name, value] : call.exchange->request().headers.all()) {
    const std::string lower = to_lower(name);
    if (lower == "authorization" || lower == "host" || lower == "content-length" ||
        lower.starts_with("impersonate-"))
      continue;
    request.headers.add(name, value);
  }
  auto upstream = co_await relay.backend.upgrade(std::move(request));
  if (!upstream.ok()) {
    co_await answer_error(call, std::move(upstream).error());
    co_return;
  }
  net::Headers headers = upstream->head.headers;
  const std::string protocol(headers.get("Upgrade"));
  auto downstream = co_await call.exchange->upgrade(protocol, std::move(headers));
  call.status = 101;
  if (!downstream.ok()) co_return;
  std::shared_ptr<net::RawStream> up = std::move(upstream->stream), down = std::move(*downstream);
  co_await rt::race(pump(up, down), pump(down, up));
  up->close();
  down->close();
}

}  // namespace mk::apiserver
