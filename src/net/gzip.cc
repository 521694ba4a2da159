#include "mk/net/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "http_text.h"
#include "mk/base/assert.h"
#include "mk/base/strings.h"

namespace mk::net {

struct GzipWriter::State {
  z_stream stream{};
};

GzipWriter::GzipWriter() : state_(std::make_unique<State>()) {
  constexpr int kGzip = 16, kWindowBits = 15, kMemory = 8;
  MK_ASSERT(deflateInit2(&state_->stream, Z_BEST_SPEED, Z_DEFLATED, kGzip + kWindowBits, kMemory,
                         Z_DEFAULT_STRATEGY) == Z_OK);
}

GzipWriter::~GzipWriter() {
  deflateEnd(&state_->stream);
}

void GzipWriter::run(std::string_view text, int flush, std::string& out) {
  z_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  Bytef block[16384];
  do {
    stream.next_out = block;
    stream.avail_out = sizeof block;
    deflate(&stream, flush);
    out.append(reinterpret_cast<char*>(block), sizeof block - stream.avail_out);
  } while (stream.avail_out == 0);
}

void GzipWriter::write(std::string_view text, std::string& out) {
  constexpr std::size_t kPiece = 1 << 30;  // zlib counts in 32 bits
  for (; !text.empty(); text.remove_prefix(std::min(text.size(), kPiece)))
    run(text.substr(0, kPiece), Z_NO_FLUSH, out);
}

void GzipWriter::finish(std::string& out) {
  run({}, Z_FINISH, out);
}

bool accepts_gzip(std::string_view accept_encoding) {
  if (accept_encoding.empty()) return false;
  for (const auto part : split(accept_encoding, ',')) {
    const auto words = split(part, ';');
    if (!same_name(trim(words[0]), "gzip")) continue;
    for (std::size_t i = 1; i < words.size(); ++i) {
      const auto word = trim(words[i]);
      if (!same_name(word.substr(0, 2), "q=")) continue;
      // "0", "0.", "0.000" refuse it.
      if (word.find_first_not_of("0.", 2) == std::string_view::npos) return false;
    }
    return true;
  }
  return false;
}

}  // namespace mk::net
