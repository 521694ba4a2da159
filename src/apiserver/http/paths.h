#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "extensions/definitions.h"
#include "http/call.h"
#include "http/metrics.h"

namespace mk::apiserver {

// A named health check: "" when fine, else what is wrong.
using HealthCheck = std::function<std::string()>;

// What is served at paths that are no resources: discovery, OpenAPI, health, version, metrics, OIDC.
class Paths {
 public:
  struct Options {
    std::string version;         // "v1.36.0+mk1"
    std::string server_address;  // "10.0.0.1:6443"
    std::string issuer;
    std::string jwks;  // JSON
  };
  Paths(Options options, Cacher& cacher, const Definitions& definitions, Metrics& metrics)
      : options_(std::move(options)), cacher_(cacher), definitions_(definitions), metrics_(metrics) {}

  // `/livez` has those with live = true; `/readyz` and `/healthz` all.
  void add_check(std::string name, bool live, HealthCheck check) {
    checks_.push_back({std::move(name), live, std::move(check)});
  }
  rt::Task<> handle(Call& call);

 private:
  struct Check {
    std::string name;
    bool live;
    HealthCheck check;
  };
  rt::Task<> health(Call& call, std::string endpoint, std::string one);
  rt::Task<> openapi(Call& call);
  rt::Task<> discovery(Call& call);
  // Aggregated discovery as it is sent, made anew when the table has changed.
  struct Aggregated {
    std::uint64_t generation = 0;
    std::string tag;
    SharedBytes body;
  };
  const Aggregated& aggregated(bool core);
  api::Json version() const;
  api::Json openid_configuration() const;
  api::Json root() const;

  Options options_;
  Cacher& cacher_;
  const Definitions& definitions_;
  Metrics& metrics_;
  std::vector<Check> checks_;
  Aggregated aggregated_[2];
};

}  // namespace mk::apiserver
