#include "http/call.h"

#include "http/presentation.h"
#include "http/status.h"
#include "mk/api/protobuf.h"
#include "mk/net/gzip.h"

namespace mk::apiserver {

namespace {

constexpr std::string_view kJsonType = "application/json", kYamlType = "application/yaml";

std::string quote_warning(const std::string& text) {
  std::string out = "299 - \"";
  for (char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c == '\n' || c == '\r' ? ' ' : c);
  }
  return out + "\"";
}

}  // namespace

net::Headers answer_headers(const Call& call, std::string_view content_type) {
  net::Headers headers;
  headers.add("Content-Type", std::string(content_type));
  headers.add("Cache-Control", "no-cache, private");
  headers.add("Audit-Id", call.audit_id);
  if (call.flow.schema) {
    headers.add("X-Kubernetes-PF-FlowSchema-UID", call.flow.schema->uid);
    headers.add("X-Kubernetes-PF-PriorityLevel-UID", call.flow.level->config().uid);
  }
  for (const auto& warning : call.warnings) headers.add("Warning", quote_warning(warning));
  return headers;
}

namespace {

constexpr std::size_t kGzipFrom = 128 << 10;   // bytes; below, time is worth more than the network
constexpr std::size_t kGzipPause = 128 << 10;  // bytes packed without letting others run, about a millisecond
constexpr std::size_t kGzipWrite = 32 << 10;   // packed bytes kept before they are sent

// Packs while it sends, so that only a piece is in memory at any time.
rt::Task<Result<void>> send_gzipped(std::shared_ptr<net::Exchange> exchange, int status, net::Headers headers,
                                    std::vector<SharedBytes> chunks) {
  headers.set("Content-Encoding", "gzip");
  headers.add("Vary", "Accept-Encoding");
  MK_CO_ASSIGN(auto body, co_await exchange->start(status, std::move(headers)));
  net::GzipWriter gzip;
  std::string out;
  std::size_t packed = 0;
  for (const SharedBytes& chunk : chunks) {
    for (std::string_view text = chunk.view(); !text.empty();) {
      const std::string_view part = text.substr(0, kGzipPause - packed);
      gzip.write(part, out);
      text.remove_prefix(part.size());
      packed += part.size();
      if (out.size() >= kGzipWrite) {
        std::vector<SharedBytes> piece{SharedBytes(std::move(out))};
        out = std::string();
        MK_CO_TRY(co_await body->write(std::move(piece)));
      }
      if (packed < kGzipPause) continue;
      packed = 0;
      co_await rt::yield();
    }
  }
  gzip.finish(out);
  std::vector<SharedBytes> last{SharedBytes(std::move(out))};
  MK_CO_TRY(co_await body->write(std::move(last)));
  co_return co_await body->finish();
}

}  // namespace

rt::Task<Result<void>> send_body(Call& call, int status, net::Headers headers,
                                 std::vector<SharedBytes> chunks) {
  std::size_t size = 0;
  for (const SharedBytes& chunk : chunks) size += chunk.size();
  const net::Request& request = call.exchange->request();
  if (size < kGzipFrom || request.method != "GET" ||
      !net::accepts_gzip(request.headers.get("Accept-Encoding")))
    return call.exchange->respond(status, std::move(headers), std::move(chunks));
  return send_gzipped(call.exchange, status, std::move(headers), std::move(chunks));
}

namespace {

struct Encoded {
  std::string_view content_type;
  std::string text;
};

// A document as the client wants it; what has no protobuf form goes out in the client's next choice, or as
// JSON where there is none: the work is done, and front.cc has refused what could be refused before.
Encoded encode(const Call& call, const api::Json& body) {
  const Accepted* accepted = &call.accepted;
  if (accepted->encoding == Encoding::kProtobuf) {
    auto encoded = api::encode_protobuf(body);
    if (encoded.ok()) return {api::kProtobufMediaType, std::move(encoded).value()};
    accepted = accepted->otherwise.get();
  }
  if (accepted && accepted->encoding == Encoding::kYaml) return {kYamlType, api::to_yaml(body)};
  return {kJsonType, (call.query.flag("pretty") ? api::to_pretty_json(body) : api::to_json(body)) + "\n"};
}

}  // namespace

rt::Task<> answer_json(Call& call, int status, const api::Json& body) {
  Encoded encoded = encode(call, body);
  std::vector<SharedBytes> chunks;
  chunks.emplace_back(std::move(encoded.text));
  call.status = status;
  (void)co_await send_body(call, status, answer_headers(call, encoded.content_type), std::move(chunks));
}

bool sends_bytes(const Call& call) {
  return call.accepted.transform == Transform::kNone && call.accepted.encoding == Encoding::kJson &&
         !call.query.flag("pretty");
}

rt::Task<> answer_object(Call& call, int status, api::Object object) {
  if (sends_bytes(call)) {
    std::vector<SharedBytes> chunks;
    chunks.push_back(object.bytes());
    call.status = status;
    (void)co_await send_body(call, status, answer_headers(call, kJsonType), std::move(chunks));
    co_return;
  }
  const api::Json body =
      present_object(call, api::Object(object.bytes()));  // the parsed form goes with this answer
  co_await answer_json(call, status, body);
}

rt::Task<> answer_error(Call& call, Error error) {
  call.accepted.transform = Transform::kNone;
  Encoded encoded = encode(call, status_of(error));
  net::Headers headers = answer_headers(call, encoded.content_type);
  if (error.retry_after_seconds > 0) headers.set("Retry-After", std::to_string(error.retry_after_seconds));
  std::vector<SharedBytes> chunks;
  chunks.emplace_back(std::move(encoded.text));
  call.status = http_code(error.reason());
  (void)co_await call.exchange->respond(call.status, std::move(headers), std::move(chunks));
}

rt::Task<> answer_text(Call& call, int status, std::string content_type, std::string body) {
  std::vector<SharedBytes> chunks;
  chunks.emplace_back(std::move(body));
  call.status = status;
  (void)co_await call.exchange->respond(status, answer_headers(call, content_type), std::move(chunks));
}

}  // namespace mk::apiserver
