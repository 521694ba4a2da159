#include <cstdint>

#include "mk/base/assert.h"
#include "parser.h"

// HTTP/1.1 requests, in pieces whose size the first byte chooses: what is parsed must not depend on it.
namespace {

struct Outcome {
  bool failed = false, done = false;
  std::string method, target, body;
  std::size_t fields = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome parse(std::string_view text, std::size_t piece) {
  mk::net::RequestParser parser;
  parser.header_limit(8192);
  parser.body_limit(65536);
  Outcome out;
  std::string kept;
  while (!text.empty() && !parser.is_done() && !out.failed) {
    kept.append(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
    const auto used = parser.feed(kept);
    out.failed = !used.ok();
    if (used.ok()) {
      MK_ASSERT(*used <= kept.size());
      kept.erase(0, *used);
    }
  }
  MK_ASSERT(parser.body.size() <= 65536);
  out.done = parser.is_done();
  if (!out.done) return out;
  out.method = parser.request.method;
  out.target = parser.request.target;
  out.body = parser.body;
  out.fields = parser.request.headers.all().size();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = parse(text, text.size() + 1), parts = parse(text, 1 + data[0] % 64);
  if (whole.done && parts.done) MK_ASSERT(whole == parts);
  return 0;
}
