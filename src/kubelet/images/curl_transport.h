#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "images/registries.h"
#include "mk/base/result.h"

namespace mk::kubelet {

struct TransferLimits {
  int connect_seconds = 10;
  int idle_seconds = 30;  // without a byte
};

struct HttpCall {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string form;                  // not empty: POST of this form
  RegistryTls tls;
  // Gets the body of a successful (2xx) answer; returning an error ends the transfer with it. Without it the
  // body is kept in the reply.
  std::function<Result<void>(int status, std::string_view bytes)> sink;
  std::size_t body_max = 4 << 20;
};

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // lower-case names, of the last answer
  std::string body;
};

// HTTP by libcurl: blocking, for threads of a pool. The only file that knows libcurl, which is loaded when
// the first image is pulled: it brings 25 shared libraries, whose memory and start time a process that rarely
// pulls should not pay.
class CurlTransport {
 public:
  explicit CurlTransport(TransferLimits limits, std::shared_ptr<std::atomic<bool>> stop = nullptr)
      : limits_(limits), stop_(std::move(stop)) {}

  // kServiceUnavailable: refused, unreachable, stalled, TLS failed. Any HTTP status is an answer, no error.
  Result<HttpAnswer> perform(const HttpCall& call) const;

 private:
  TransferLimits limits_;
  std::shared_ptr<std::atomic<bool>> stop_;  // set: running transfers end soon
};

}  // namespace mk::kubelet
