#include "handlers/request_info.h"

#include <catch2/catch.hpp>

using mk::apiserver::parse_request;

namespace {

// "verb group/version resource/subresource ns name rest", with - for what is empty.
std::string parsed(const std::string& method, const std::string& path, bool watch = false) {
  const auto info = parse_request(method, path, watch);
  if (!info.resource_request) return info.verb + " " + info.path;
  const auto word = [](const std::string& text) { return text.empty() ? std::string("-") : text; };
  return info.verb + " " + word(info.group) + "/" + info.version + " " + info.resource +
         (info.subresource.empty() ? "" : "/" + info.subresource) + " " + word(info.ns) + " " +
         word(info.name) + " " + word(info.rest);
}

}  // namespace

TEST_CASE("what a URL and method ask for") {
  CHECK(parsed("GET", "/") == "get /");
  CHECK(parsed("GET", "/healthz/etcd") == "get /healthz/etcd");
  CHECK(parsed("GET", "/api/v1") == "get /api/v1");
  CHECK(parsed("GET", "/apis/apps/v1/") == "get /apis/apps/v1/");
  CHECK(parsed("GET", "/apis/apps") == "get /apis/apps");
  CHECK(parsed("GET", "") == "get ");
  CHECK(parsed("GET", "/api/v1/pods") == "list -/v1 pods - - -");
  CHECK(parsed("GET", "/api/v1/pods", true) == "watch -/v1 pods - - -");
  CHECK(parsed("GET", "/api/v1/watch/namespaces/a/pods") == "watch -/v1 pods a - -");
  CHECK(parsed("GET", "/api/v1/namespaces/a/pods/p") == "get -/v1 pods a p -");
  CHECK(parsed("HEAD", "/api/v1/namespaces/a/pods/p") == "get -/v1 pods a p -");
  CHECK(parsed("GET", "/api/v1/namespaces/a/pods/p", true) == "watch -/v1 pods a p -");
  CHECK(parsed("POST", "/apis/apps/v1/namespaces/a/deployments") == "create apps/v1 deployments a - -");
  CHECK(parsed("PUT", "/apis/apps/v1/namespaces/a/deployments/d/status") ==
        "update apps/v1 deployments/status a d -");
  CHECK(parsed("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale") ==
        "patch apps/v1 deployments/scale a d -");
  CHECK(parsed("DELETE", "/api/v1/namespaces/a/pods/p") == "delete -/v1 pods a p -");
  CHECK(parsed("DELETE", "/api/v1/namespaces/a/pods") == "deletecollection -/v1 pods a - -");
  CHECK(parsed("GET", "/api/v1/namespaces") == "list -/v1 namespaces - - -");
  CHECK(parsed("GET", "/api/v1/namespaces/a") == "get -/v1 namespaces a a -");
  CHECK(parsed("PUT", "/api/v1/namespaces/a/finalize") == "update -/v1 namespaces/finalize a a -");
  CHECK(parsed("GET", "/api/v1/namespaces/a/status") == "get -/v1 namespaces/status a a -");
  CHECK(parsed("POST", "/api/v1/namespaces/a/pods/p/exec") == "create -/v1 pods/exec a p -");
  CHECK(parsed("GET", "/api/v1/namespaces/a/pods/p/exec") == "get -/v1 pods/exec a p -");
  CHECK(parsed("GET", "/api/v1/namespaces/a/services/s/proxy/x/y") == "get -/v1 services/proxy a s x/y");
  CHECK(parsed("GET", "/api/v1/nodes/n/proxy/metrics") == "get -/v1 nodes/proxy - n metrics");
  CHECK(parsed("BREW", "/api/v1/pods") == "brew -/v1 pods - - -");
}
