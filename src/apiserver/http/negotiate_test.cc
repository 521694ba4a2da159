#include "http/negotiate.h"

#include <catch2/catch.hpp>

#include "mk/api/protobuf.h"

using namespace mk;
using namespace mk::apiserver;

TEST_CASE("a client that prefers protobuf keeps its next choice for what has no such form") {
  const auto usual = negotiate("application/vnd.kubernetes.protobuf,application/json");
  REQUIRE(usual.ok());
  CHECK(usual->encoding == Encoding::kProtobuf);
  REQUIRE(usual->otherwise);
  CHECK(usual->otherwise->encoding == Encoding::kJson);

  const auto only = negotiate("application/vnd.kubernetes.protobuf");
  REQUIRE(only.ok());
  CHECK(only->encoding == Encoding::kProtobuf);
  CHECK_FALSE(only->otherwise);

  const auto json_first = negotiate("application/vnd.kubernetes.protobuf;q=0.5,application/json");
  REQUIRE(json_first.ok());
  CHECK(json_first->encoding == Encoding::kJson);
}

TEST_CASE("tables and aggregated discovery have no protobuf form, partial objects have") {
  const auto table = negotiate(
      "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/"
      "json;as=Table;g=meta.k8s.io;v=v1");
  REQUIRE(table.ok());
  CHECK(table->encoding == Encoding::kJson);
  CHECK(table->transform == Transform::kTable);
  const auto partial =
      negotiate("application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
  REQUIRE(partial.ok());
  CHECK(partial->encoding == Encoding::kProtobuf);
  CHECK(partial->transform == Transform::kPartial);
  const auto discovery =
      negotiate("application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  CHECK_FALSE(discovery.ok());
}

TEST_CASE("bodies by their media type") {
  const auto pod = api::parse_json(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"}})").value();
  CHECK(parse_body("application/vnd.kubernetes.protobuf", api::encode_protobuf(pod).value()).value() == pod);
  CHECK(parse_body("application/vnd.kubernetes.protobuf", "{}").error().is(Reason::kBadRequest));
  CHECK(parse_body("application/cbor", "").error().is(Reason::kUnsupportedMediaType));
  CHECK(is_json("application/json; charset=utf-8"));
  CHECK(is_json(""));
  CHECK_FALSE(is_json("application/vnd.kubernetes.protobuf"));
}
