#include "http/endpoint_proxy.h"

#include <catch2/catch.hpp>

#include "mk/api/json.h"

using namespace mk;
using namespace mk::apiserver;

namespace {

api::Object object(const char* json) {
  return api::Object(api::parse_json(json).value());
}

const char* const kPod = R"({"metadata":{"name":"web"},"status":{"podIP":"10.42.0.7"},"spec":{"containers":[
  {"name":"a"},{"name":"b","ports":[{"name":"http","containerPort":8080},{"containerPort":9090}]}]}})";
const char* const kService = R"({"metadata":{"name":"s"},"spec":{"ports":[
  {"name":"web","port":80},{"name":"tls","port":443}]}})";
const char* const kSlice = R"({"ports":[{"name":"web","port":8080},{"name":"tls","port":8443}],"endpoints":[
  {"addresses":["10.42.0.7"],"conditions":{"ready":true}},{"addresses":["10.42.0.8"],"conditions":{"ready":false}},
  {"addresses":["10.42.0.9"]}]})";

std::string address(const char* name) {
  auto address = pod_address(object(kPod), parse_proxy_name(name).value());
  return address.ok() ? *address : address.error().message();
}

std::string endpoint(const char* name, std::size_t turn) {
  auto address = service_address(object(kService), {object(kSlice)}, parse_proxy_name(name).value(), turn);
  return address.ok() ? *address : address.error().message();
}

}  // namespace

TEST_CASE("names of proxied pods and services carry scheme and port") {
  CHECK(parse_proxy_name("https:s:443")->scheme == "https");
  CHECK(parse_proxy_name("s:web")->port == "web");
  CHECK(parse_proxy_name("http:s:")->port.empty());
  for (const char* bad : {"", "ftp:s:1", "a:b:c:d", ":80"}) CHECK_FALSE(parse_proxy_name(bad).ok());
}

TEST_CASE("a proxied pod is reached at its first port unless another is named") {
  CHECK(address("web") == "http://10.42.0.7:8080");
  CHECK(address("https:web:9090") == "https://10.42.0.7:9090");
  CHECK(address("web:http") == "http://10.42.0.7:8080");
  CHECK(address("web:none") == "pod \"web\" has no port \"none\"");
  const auto local = object(R"({"metadata":{"name":"h"},"status":{"podIP":"127.0.0.1"}})");
  CHECK(pod_address(local, parse_proxy_name("h").value()).error().is(Reason::kForbidden));
  const auto unplaced = object(R"({"metadata":{"name":"h"}})");
  CHECK(pod_address(unplaced, parse_proxy_name("h").value()).error().is(Reason::kServiceUnavailable));
}

TEST_CASE("a proxied service is reached at its ready endpoints in turn") {
  CHECK(endpoint("s:web", 0) == "http://10.42.0.7:8080");
  CHECK(endpoint("s:80", 1) == "http://10.42.0.9:8080");
  CHECK(endpoint("https:s:tls", 2) == "https://10.42.0.7:8443");
  CHECK(endpoint("s", 0) == "no service port \"\" found for service \"s\"");
  const auto none = service_address(object(kService), {}, parse_proxy_name("s:web").value(), 0);
  CHECK(none.error().message() == "no endpoints available for service \"s\"");
}
