#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/authorizer.h"
#include "flow/fairness.h"
#include "handlers/request_info.h"
#include "http/negotiate.h"
#include "mk/api/object.h"
#include "mk/net/server.h"
#include "registry/context.h"
#include "user.h"

namespace mk::apiserver {

// One authenticated and authorized HTTP request being answered.
struct Call {
  Call(std::shared_ptr<net::Exchange> exchange_, RequestInfo info_)
      : exchange(std::move(exchange_)), info(std::move(info_)), query(exchange->request().query()) {}

  std::shared_ptr<net::Exchange> exchange;
  RequestInfo info;
  net::Query query;
  UserInfo user;
  ResourceRef resource;
  Accepted accepted;
  std::string audit_id;
  std::vector<std::string> warnings;
  int status = 0;        // as answered, for metrics
  Fairness::Class flow;  // how it was classified; none before that
};

// Headers every answer carries: content type, audit id, warnings (RFC 9111 section 5.5).
net::Headers answer_headers(const Call& call, std::string_view content_type);

// Sends a whole body: as it is, or gzipped when a GET of the client accepts that and the body is large
// (Kubernetes' APIResponseCompression).
rt::Task<Result<void>> send_body(Call& call, int status, net::Headers headers,
                                 std::vector<SharedBytes> chunks);
// A document in the encoding that the client wants.
rt::Task<> answer_json(Call& call, int status, const api::Json& body);
// True if the client takes objects as the bytes they are kept in.
bool sends_bytes(const Call& call);
// An object's shared bytes as they are, or the form the client asked for (Table, partial, YAML, protobuf).
rt::Task<> answer_object(Call& call, int status, api::Object object);
rt::Task<> answer_error(Call& call, Error error);
rt::Task<> answer_text(Call& call, int status, std::string content_type, std::string body);

}  // namespace mk::apiserver
