#pragma once

#include <string>

#include "cacher/cacher.h"
#include "http/call.h"

namespace mk::apiserver {

// "[https:]name[:port]", as the proxy subresources of pods and services name what they mean.
struct ProxyName {
  std::string scheme = "http", name, port;  // port: a number, a name, or ""
};
Result<ProxyName> parse_proxy_name(std::string_view text);

// Where a request goes: "http://10.42.0.7:8080". kServiceUnavailable names what is missing.
Result<std::string> pod_address(const api::Object& pod, const ProxyName& name);
// `turn` chooses among the ready endpoints.
Result<std::string> service_address(const api::Object& service, const std::vector<api::Object>& slices,
                                    const ProxyName& name, std::size_t turn);

// pods/proxy and services/proxy: any HTTP request, passed on to a pod.
class EndpointProxy {
 public:
  EndpointProxy(rt::Loop& loop, rt::Clock& clock, Cacher& cacher)
      : loop_(loop), clock_(clock), cacher_(cacher) {}

  static bool handles(const RequestInfo& info);
  rt::Task<> handle(Call& call);

 private:
  Result<std::string> address(const Call& call);

  rt::Loop& loop_;
  rt::Clock& clock_;
  Cacher& cacher_;
  std::size_t turn_ = 0;
};

}  // namespace mk::apiserver
