#pragma once

#include <memory>
#include <string>

#include "mk/net/client.h"
#include "parser.h"
#include "stream.h"

namespace mk::net {

// One connection of a client to its server. Used by one request at a time.
class ClientConnection {
 public:
  ClientConnection(Socket socket, TlsContext context, int generation)
      : stream_(std::make_shared<Stream>(std::move(socket), std::move(context))), generation_(generation) {}

  rt::Task<Result<void>> send(const Request& request, std::string head);
  // The final answer's head, interim ones skipped. The parser holds what came of the body.
  rt::Task<Result<void>> read_head(bool head_request);
  // More of the body into parser().body; false at its end.
  rt::Task<Result<bool>> read_more();
  rt::Task<Result<void>> read_body(std::size_t body_max);

  ResponseParser& parser() { return *parser_; }
  // Nothing of an answer has come: the server may have closed the kept connection before it saw the request.
  bool answer_begun() const { return answer_begun_; }
  bool reusable() const {
    return parser_ && parser_->is_done() && parser_->keep_alive() && input_.empty() && stream_->is_open();
  }
  bool dead();  // of an idle one: closed, or the server says something unasked
  // The connection without HTTP, after a 101.
  std::shared_ptr<Stream> release_stream();

  Stream& stream() { return *stream_; }
  int generation() const { return generation_; }
  rt::MonoTime idle_since;

 private:
  rt::Task<Result<bool>> read_into_parser();
  Result<void> feed(std::string_view data);

  std::shared_ptr<Stream> stream_;
  int generation_;  // of the credentials it was opened with
  std::unique_ptr<ResponseParser> parser_;
  std::string input_;  // not taken by the parser yet
  bool answer_begun_ = false;
};

// Connects to the first address that answers. kServiceUnavailable otherwise.
rt::Task<Result<Socket>> connect_socket(std::string host, int port);
std::string request_head(const Request& request, const std::string& host, const std::string& token);

}  // namespace mk::net
