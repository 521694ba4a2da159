#pragma once

#include <map>
#include <memory>
#include <string>

#include "cacher/cacher.h"
#include "http/call.h"
#include "mk/net/client.h"

namespace mk::apiserver {

// The way to the kubelets: logs, exec, attach and port-forward of pods, and the node proxy. The API server
// presents its own client certificate; who may do what has been decided before.
class NodeProxy {
 public:
  NodeProxy(rt::Loop& loop, rt::Clock& clock, Cacher& cacher, pki::KeyPair client, std::string ca_pem);
  ~NodeProxy();

  // True if this call is one of ours.
  static bool handles(const RequestInfo& info);
  rt::Task<> handle(Call& call);

 private:
  struct Target {
    net::HttpClient* kubelet = nullptr;
    std::string path;  // with query
  };
  Result<Target> target(const Call& call);
  Result<std::string> pod_path(const Call& call, const api::Object& pod) const;
  Result<net::HttpClient*> kubelet_of(const std::string& node);
  rt::Task<> stream(Call& call, Target target);
  rt::Task<> tunnel(Call& call, Target target);

  rt::Loop& loop_;
  rt::Clock& clock_;
  Cacher& cacher_;
  pki::KeyPair client_;
  std::string ca_pem_;
  std::map<std::string, std::unique_ptr<net::HttpClient>> kubelets_;  // by base URL
};

}  // namespace mk::apiserver
