#include "fuzz/target.h"
#include "mk/base/assert.h"
#include "parser.h"

// In pieces whose size the first byte chooses: what is parsed must not depend on it.
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

// Requests, and what their query is read as.
MK_FUZZ_TARGET(http1, input) {
  if (input.empty()) return;
  const auto first = static_cast<unsigned char>(input[0]);
  const std::string_view text = input.substr(1);
  const Outcome whole = parse(text, text.size() + 1), parts = parse(text, 1 + first % 64);
  if (whole.done && parts.done) MK_ASSERT(whole == parts);
  const mk::net::Request request(whole.method, whole.target);
  (void)mk::net::Query(request.query()).flag("watch");
}
