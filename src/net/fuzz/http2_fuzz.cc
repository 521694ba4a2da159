#include "fuzz/target.h"
#include "http2_session.h"
#include "mk/base/assert.h"
#include "mk/rt/clock.h"

// Frames of HTTP/2 behind the client's preface; every request that comes out of them is answered.
MK_FUZZ_TARGET(http2, input) {
  static const mk::net::ServerLimits limits = [] {
    mk::net::ServerLimits out;
    out.header_max = 4096;
    out.body_max = 16384;
    return out;
  }();
  mk::rt::ManualClock clock;
  mk::net::Kept::Total kept;
  mk::net::Http2Session session(limits, clock, kept);
  std::string_view text = input;
  if (!session.feed("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").ok()) return;
  std::size_t piece = 1 + (input.empty() ? 0 : static_cast<unsigned char>(input[0]) % 128);
  mk::net::Headers headers;
  headers.set("Content-Type", "text/plain");
  while (!text.empty()) {
    const auto fed = session.feed(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
    piece = piece * 3 % 1021 + 1;
    for (const auto& stream : session.ready()) {
      MK_ASSERT(stream->request.body.size() <= limits.body_max);
      MK_ASSERT(stream->refusal != 0 || stream->header_bytes <= limits.header_max);
      const bool has_body = stream->id % 3 != 0;
      session.begin(*stream, stream->refusal == 0 ? 200 : stream->refusal, headers, has_body);
      if (!has_body) continue;
      session.send(*stream,
                   {mk::SharedBytes(std::string(static_cast<std::size_t>(stream->id) % 70000, 'x'))});
      session.finish(*stream);
    }
    session.ready().clear();
    for (std::string out; session.fill(out, 65536), !out.empty(); out.clear()) {
    }
    if (!fed.ok() || session.is_over()) break;
    clock.advance(std::chrono::seconds(1));
    session.sweep(clock.mono());
  }
  MK_ASSERT(session.open_streams() <= limits.streams_max + 1);
}
