#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "images/reference.h"
#include "mk/base/result.h"
#include "mk/kubelet/runtime.h"

namespace mk::kubelet {

struct RegistryTls {
  std::string ca_file, cert_file, key_file;
  bool insecure_skip_verify = false;
};

// Where to ask for an image.
struct Endpoint {
  std::string base;        // "https://registry-1.docker.io/v2"
  std::string host;        // "registry-1.docker.io", for messages and configs
  std::string repository;  // after the mirror's rewrite
  bool mirror = false;
  RegistryTls tls;
  std::vector<RegistryAuth> auth;  // of registries.yaml, to try after the pod's own
};

// registries.yaml in k3s' format:
//   mirrors: {"docker.io" | "*": {endpoint: [url...], rewrite: {"^a/(.*)": "b/$1"}}}
//   configs: {"host[:port]": {auth: {username, password, auth, identity_token}, tls: {ca_file, ...}}}
class Registries {
 public:
  static Result<Registries> parse(std::string_view yaml);
  // The file need not exist.
  static Result<Registries> load(const std::string& path);

  // In the order to try; the registry itself comes last.
  std::vector<Endpoint> endpoints(const Reference& reference) const;

 private:
  struct Mirror {
    std::vector<std::string> endpoints;
    std::vector<std::pair<std::string, std::string>> rewrites;
  };
  struct Config {
    RegistryTls tls;
    std::vector<RegistryAuth> auth;
  };

  const Mirror* mirror_of(const std::string& registry) const;
  Endpoint make_endpoint(std::string url, std::string repository, const std::string& registry) const;

  std::map<std::string, Mirror> mirrors_;
  std::map<std::string, Config> configs_;
};

}  // namespace mk::kubelet
