#include "spdy_headers.h"

#include <array>

#include "mk/base/assert.h"

namespace mk::net {

namespace {

constexpr std::size_t kBlockMax = 64 << 10;

constexpr const char* kWords[] = {"options",
                                  "head",
                                  "post",
                                  "put",
                                  "delete",
                                  "trace",
                                  "accept",
                                  "accept-charset",
                                  "accept-encoding",
                                  "accept-language",
                                  "accept-ranges",
                                  "age",
                                  "allow",
                                  "authorization",
                                  "cache-control",
                                  "connection",
                                  "content-base",
                                  "content-encoding",
                                  "content-language",
                                  "content-length",
                                  "content-location",
                                  "content-md5",
                                  "content-range",
                                  "content-type",
                                  "date",
                                  "etag",
                                  "expect",
                                  "expires",
                                  "from",
                                  "host",
                                  "if-match",
                                  "if-modified-since",
                                  "if-none-match",
                                  "if-range",
                                  "if-unmodified-since",
                                  "last-modified",
                                  "location",
                                  "max-forwards",
                                  "pragma",
                                  "proxy-authenticate",
                                  "proxy-authorization",
                                  "range",
                                  "referer",
                                  "retry-after",
                                  "server",
                                  "te",
                                  "trailer",
                                  "transfer-encoding",
                                  "upgrade",
                                  "user-agent",
                                  "vary",
                                  "via",
                                  "warning",
                                  "www-authenticate",
                                  "method",
                                  "get",
                                  "status",
                                  "200 OK",
                                  "version",
                                  "HTTP/1.1",
                                  "url",
                                  "public",
                                  "set-cookie",
                                  "keep-alive",
                                  "origin"};

constexpr const char* kTail =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

const Bytef* bytes(std::string_view text) {
  return reinterpret_cast<const Bytef*>(text.data());
}

Error malformed() {
  return Error(Reason::kBadRequest, "malformed SPDY header block");
}

}  // namespace

void append_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

std::uint32_t read_u32(std::string_view data, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(data[at + i]);
  return value;
}

const std::string& spdy_dictionary() {
  static const std::string dictionary = [] {
    std::string out;
    for (const std::string_view word : kWords) {
      append_u32(out, static_cast<std::uint32_t>(word.size()));
      out.append(word);
    }
    return out.append(kTail);
  }();
  return dictionary;
}

SpdyHeaders::SpdyHeaders() {
  MK_ASSERT(inflateInit(&in_) == Z_OK && deflateInit(&out_, Z_BEST_SPEED) == Z_OK);
  const std::string& words = spdy_dictionary();
  MK_ASSERT(deflateSetDictionary(&out_, bytes(words), static_cast<uInt>(words.size())) == Z_OK);
}

SpdyHeaders::~SpdyHeaders() {
  inflateEnd(&in_);
  deflateEnd(&out_);
}

Result<Headers> SpdyHeaders::decode(std::string_view block) {
  std::string text;
  std::array<char, 4096> piece;
  in_.next_in = const_cast<Bytef*>(bytes(block));
  in_.avail_in = static_cast<uInt>(block.size());
  for (;;) {
    in_.next_out = reinterpret_cast<Bytef*>(piece.data());
    in_.avail_out = static_cast<uInt>(piece.size());
    int code = inflate(&in_, Z_SYNC_FLUSH);
    if (code == Z_NEED_DICT) {
      const std::string& words = spdy_dictionary();
      if (inflateSetDictionary(&in_, bytes(words), static_cast<uInt>(words.size())) != Z_OK)
        return malformed();
      continue;
    }
    if (code != Z_OK && code != Z_BUF_ERROR) return malformed();
    text.append(piece.data(), piece.size() - in_.avail_out);
    if (text.size() > kBlockMax) return malformed();
    if (in_.avail_out != 0) break;  // all there is
  }
  std::size_t at = 4;
  const auto take = [&](std::string& out) {
    if (text.size() < at + 4) return false;
    const std::size_t size = read_u32(text, at);
    if (size > text.size() - at - 4) return false;
    out = text.substr(at + 4, size);
    at += 4 + size;
    return true;
  };
  if (text.size() < 4) return malformed();
  Headers out;
  for (std::uint32_t left = read_u32(text, 0); left > 0; --left) {
    std::string name, value;
    if (!take(name) || !take(value)) return malformed();
    out.add(std::move(name), value.substr(0, value.find('\0')));
  }
  return out;
}

std::string SpdyHeaders::encode(const Headers& headers) {
  std::string text, out;
  append_u32(text, static_cast<std::uint32_t>(headers.all().size()));
  for (const auto& [name, value] : headers.all()) {
    append_u32(text, static_cast<std::uint32_t>(name.size()));
    text += name;
    append_u32(text, static_cast<std::uint32_t>(value.size()));
    text += value;
  }
  out.resize(deflateBound(&out_, static_cast<uLong>(text.size())) + 64);
  out_.next_in = const_cast<Bytef*>(bytes(text));
  out_.avail_in = static_cast<uInt>(text.size());
  out_.next_out = reinterpret_cast<Bytef*>(out.data());
  out_.avail_out = static_cast<uInt>(out.size());
  MK_ASSERT(deflate(&out_, Z_SYNC_FLUSH) == Z_OK && out_.avail_in == 0);
  out.resize(out.size() - out_.avail_out);
  return out;
}

}  // namespace mk::net
