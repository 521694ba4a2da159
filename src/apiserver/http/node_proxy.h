#pragma once

#include <map>
#include <memory>
#include <string>

#include "cacher/cacher.h"
#include "http/call.h"
#include "http/endpoint_proxy.h"
#include "mk/net/client.h"

namespace mk::apiserver {

// The way to the nodes: logs, exec, attach and port-forward of pods, and the proxies. To kubelets the API
// server presents its own client certificate; who may do what has been decided before.
class NodeProxy {
 public:
  NodeProxy(rt::Loop& loop, rt::Clock& clock, Cacher& cacher, pki::KeyPair client, std::string ca_pem);
  ~NodeProxy();

  // True if this call is one of ours.
  static bool handles(const RequestInfo& info);
  rt::Task<> handle(Call& call);
  // The client for a node's kubelet; lives as long as this.
  Result<net::HttpClient*> kubelet_of(const std::string& node);

 private:
  struct Target {
    net::HttpClient* kubelet = nullptr;
    std::string path;    // with query
    std::string prefix;  // of links; "": they stay
  };
  Result<Target> target(const Call& call);
  Result<std::string> pod_path(const Call& call, const api::Object& pod) const;

  rt::Loop& loop_;
  rt::Clock& clock_;
  Cacher& cacher_;
  pki::KeyPair client_;
  std::string ca_pem_;
  std::map<std::string, std::unique_ptr<net::HttpClient>> kubelets_;  // by base URL
  EndpointProxy endpoints_;
};

}  // namespace mk::apiserver
