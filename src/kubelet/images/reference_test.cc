#include "images/reference.h"

#include <catch2/catch.hpp>

using mk::kubelet::parse_reference;

TEST_CASE("references are completed as Docker does") {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const std::pair<std::string, std::string> cases[] = {
      {"busybox", "docker.io/library/busybox:latest"},
      {"redis:7", "docker.io/library/redis:7"},
      {"me/app", "docker.io/me/app:latest"},
      {"docker.io/busybox:1", "docker.io/library/busybox:1"},
      {"index.docker.io/library/busybox", "docker.io/library/busybox:latest"},
      {"registry.k8s.io/e2e-test-images/agnhost:2.53", "registry.k8s.io/e2e-test-images/agnhost:2.53"},
      {"localhost/a", "localhost/a:latest"},
      {"reg:5000/a/b", "reg:5000/a/b:latest"},
      {"reg:5000/a/b@" + digest, "reg:5000/a/b@" + digest},
      {"busybox:1.36@" + digest, "docker.io/library/busybox:1.36@" + digest},
      {"[::1]:5000/a__b/c.d-e--f:V1_x", "[::1]:5000/a__b/c.d-e--f:V1_x"},
  };
  for (const auto& [text, complete] : cases) {
    const auto parsed = parse_reference(text);
    REQUIRE(parsed.ok());
    CHECK(parsed->str() == complete);
  }
}

TEST_CASE("what is no reference is refused") {
  for (const char* text : {"", "Busybox", "a//b", "../etc", "a:", "a@sha256:12", "a b", "-a", "a..b", "a___b",
                           "reg:99999/a", "a/b:tag/c:", "docker.io/", "a@md5:0"}) {
    INFO(text);
    CHECK_FALSE(parse_reference(text).ok());
  }
}
