#include "http/call.h"

#include "http/presentation.h"
#include "http/status.h"

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
  headers.set("Content-Type", std::string(content_type));
  headers.set("Cache-Control", "no-cache, private");
  headers.set("Audit-Id", call.audit_id);
  for (const auto& warning : call.warnings) headers.add("Warning", quote_warning(warning));
  return headers;
}

rt::Task<> answer_json(Call& call, int status, const api::Json& body) {
  const bool yaml = call.accepted.encoding == Encoding::kYaml;
  std::string text = yaml ? api::to_yaml(body) : call.query.flag("pretty") ? api::to_pretty_json(body) : api::to_json(body);
  if (!yaml) text.push_back('\n');
  std::vector<SharedBytes> chunks;
  chunks.emplace_back(std::move(text));
  call.status = status;
  (void)co_await call.exchange->respond(status, answer_headers(call, yaml ? kYamlType : kJsonType), std::move(chunks));
}

rt::Task<> answer_object(Call& call, int status, api::Object object) {
  if (call.accepted.transform == Transform::kNone && call.accepted.encoding == Encoding::kJson && !call.query.flag("pretty")) {
    std::vector<SharedBytes> chunks;
    chunks.push_back(object.bytes());
    call.status = status;
    (void)co_await call.exchange->respond(status, answer_headers(call, kJsonType), std::move(chunks));
    co_return;
  }
  const api::Json body = present_object(call, object);
  co_await answer_json(call, status, body);
}

rt::Task<> answer_error(Call& call, Error error) {
  call.accepted.transform = Transform::kNone;
  const api::Json body = status_of(error);
  if (error.retry_after_seconds > 0) {
    net::Headers headers = answer_headers(call, kJsonType);
    headers.set("Retry-After", std::to_string(error.retry_after_seconds));
    std::vector<SharedBytes> chunks;
    chunks.emplace_back(api::to_json(body));
    call.status = http_code(error.reason());
    (void)co_await call.exchange->respond(call.status, std::move(headers), std::move(chunks));
    co_return;
  }
  co_await answer_json(call, http_code(error.reason()), body);
}

rt::Task<> answer_text(Call& call, int status, std::string content_type, std::string body) {
  std::vector<SharedBytes> chunks;
  chunks.emplace_back(std::move(body));
  call.status = status;
  (void)co_await call.exchange->respond(status, answer_headers(call, content_type), std::move(chunks));
}

}  // namespace mk::apiserver
