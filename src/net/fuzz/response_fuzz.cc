#include "fuzz/target.h"
#include "mk/base/assert.h"
#include "parser.h"

// What a registry, a webhook or a probed container answers, in pieces, and the end of the connection.
MK_FUZZ_TARGET(response, input) {
  if (input.empty()) return;
  mk::net::ResponseParser parser;
  parser.header_limit(8192);
  parser.body_limit(65536);
  const std::size_t piece = 1 + static_cast<unsigned char>(input[0]) % 64;
  std::string kept;
  for (input.remove_prefix(1); !input.empty() && !parser.is_done();) {
    kept.append(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    const auto used = parser.feed(kept);
    if (!used.ok()) return;
    MK_ASSERT(*used <= kept.size());
    kept.erase(0, *used);
    MK_ASSERT(parser.body.size() <= 65536);
  }
  if (!parser.is_done()) (void)parser.feed_end().ok();
}
