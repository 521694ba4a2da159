#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <string>
#include <string_view>

#include "mk/base/result.h"
#include "mk/net/http.h"

// Beast's incremental HTTP/1.1 parser, filling our own messages.
namespace mk::net {

template <bool kIsRequest>
class ParserBase : public boost::beast::http::basic_parser<kIsRequest> {
 public:
  // Takes what it can of `data` and says how much that was: what is left must come again with more behind it.
  Result<std::size_t> feed(std::string_view data);
  std::string body;  // as far as it has come; the owner may take it away between two calls

 protected:
  using Code = boost::beast::error_code;
  using Text = boost::beast::string_view;
  virtual Headers& fields() = 0;

 private:
  void on_field_impl(boost::beast::http::field, Text name, Text value, Code&) override {
    if (!this->is_header_done_) fields().add(std::string(name), std::string(value));  // trailers are dropped
  }
  void on_header_impl(Code&) override { is_header_done_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, Code&) override {
    if (length) body.reserve(std::min<std::uint64_t>(*length, 4 << 20));
  }
  std::size_t on_body_impl(Text text, Code&) override { return take(text); }
  void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text text, Code&) override { return take(text); }
  void on_finish_impl(Code&) override {}
  std::size_t take(Text text) {
    body.append(text.data(), text.size());
    return text.size();
  }

  bool is_header_done_ = false;
};

class RequestParser : public ParserBase<true> {
 public:
  Request request;
  int version = 11;  // 10 for HTTP/1.0

 private:
  Headers& fields() override { return request.headers; }
  void on_request_impl(boost::beast::http::verb, Text method, Text target, int, Code&) override;
  void on_response_impl(int, Text, int, Code&) override {}
};

class ResponseParser : public ParserBase<false> {
 public:
  Response response;
  // The end of the connection; an error when something is missing.
  Result<void> feed_end();

 private:
  Headers& fields() override { return response.headers; }
  void on_request_impl(boost::beast::http::verb, Text, Text, int, Code&) override {}
  void on_response_impl(int status, Text, int, Code&) override { response.status = status; }
};

}  // namespace mk::net
