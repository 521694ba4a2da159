#include "mk/net/gzip.h"

#include <zlib.h>

#include <catch2/catch.hpp>

using namespace mk;

namespace {

std::string gunzip(const std::string& data) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 16 + 15) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  std::string out;
  int result = Z_OK;
  while (result == Z_OK) {
    Bytef block[4096];
    stream.next_out = block;
    stream.avail_out = sizeof block;
    result = inflate(&stream, Z_NO_FLUSH);
    out.append(reinterpret_cast<char*>(block), sizeof block - stream.avail_out);
  }
  inflateEnd(&stream);
  REQUIRE(result == Z_STREAM_END);
  return out;
}

}  // namespace

TEST_CASE("gzip written in pieces reads back whole") {
  std::string text, packed;
  net::GzipWriter writer;
  for (int i = 0; i < 20000; ++i) {
    const std::string piece = "item " + std::to_string(i * 7919) + ", ";
    text += piece;
    writer.write(piece, packed);
  }
  writer.finish(packed);
  CHECK(gunzip(packed) == text);
  CHECK(packed.size() < text.size() / 2);
  net::GzipWriter nothing;
  std::string empty;
  nothing.finish(empty);
  CHECK(gunzip(empty).empty());
}

TEST_CASE("gzip is accepted when it is named with a quality above zero") {
  for (const char* yes : {"gzip", "deflate, GZIP", "br;q=1.0, gzip;q=0.8", "gzip;q=0.001"}) {
    INFO(yes);
    CHECK(net::accepts_gzip(yes));
  }
  for (const char* no : {"", "identity", "gzip;q=0", "gzip; q=0.000", "deflate", "x-gzip", "*"}) {
    INFO(no);
    CHECK(!net::accepts_gzip(no));
  }
}
