#include "parser.h"

#include <boost/beast/http/error.hpp>

namespace mk::net {
namespace {

namespace http = boost::beast::http;

// A header that is too large (431) has no StatusReason of its own: the error's name tells it apart.
Error parse_error(const boost::beast::error_code& code) {
  if (code == http::error::body_limit) return Error(Reason::kRequestEntityTooLarge, "the body is too large");
  Error error(Reason::kBadRequest, "malformed HTTP message: " + code.message());
  if (code == http::error::header_limit) error.name = "header_limit";
  return error;
}

}  // namespace

template <bool kIsRequest>
Result<std::size_t> ParserBase<kIsRequest>::feed(std::string_view data) {
  std::size_t used = 0;
  while (!this->is_done() && used < data.size()) {
    Code code;
    const std::size_t count =
        this->put(boost::asio::const_buffer(data.data() + used, data.size() - used), code);
    used += count;
    if (code == http::error::need_more) break;
    if (code) return parse_error(code);
  }
  return used;
}

template Result<std::size_t> ParserBase<true>::feed(std::string_view);
template Result<std::size_t> ParserBase<false>::feed(std::string_view);

void RequestParser::on_request_impl(http::verb, Text method, Text target, int http_version, Code&) {
  version = http_version;
  request.method.assign(method.data(), method.size());
  request.target.assign(target.data(), target.size());
}

Result<void> ResponseParser::feed_end() {
  Code code = http::error::end_of_stream;
  if (got_some()) put_eof(code);
  if (code)
    return Error(Reason::kServiceUnavailable, "the server closed the connection before its answer was whole");
  return ok();
}

}  // namespace mk::net
