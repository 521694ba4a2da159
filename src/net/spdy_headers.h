#pragma once

#include <zlib.h>

#include <string>
#include <string_view>

#include "mk/base/result.h"
#include "mk/net/http.h"

namespace mk::net {

// SPDY's name/value blocks (draft-mbelshe-httpbis-spdy-00 section 2.6.10): zlib streams that live as long as
// the connection and begin with a dictionary of the protocol's.
class SpdyHeaders {
 public:
  SpdyHeaders();
  ~SpdyHeaders();
  SpdyHeaders(const SpdyHeaders&) = delete;
  SpdyHeaders& operator=(const SpdyHeaders&) = delete;

  Result<Headers> decode(std::string_view block);  // an error breaks the connection
  std::string encode(const Headers& headers);

 private:
  z_stream in_{}, out_{};
};

const std::string& spdy_dictionary();
void append_u32(std::string& out, std::uint32_t value);  // big endian
std::uint32_t read_u32(std::string_view data, std::size_t at);

}  // namespace mk::net
