#include "cacher/event_versions.h"

#include <catch2/catch.hpp>

#include "cacher/cached_object.h"

using namespace mk;
using namespace mk::apiserver;

TEST_CASE("an Event of events.k8s.io is stored as core/v1 and shown as it was") {
  const auto shown =
      api::parse_json(
          R"({"kind":"Event","apiVersion":"events.k8s.io/v1","metadata":{"name":"e","namespace":"n"},
    "regarding":{"kind":"Pod","name":"p"},"note":"text","reportingController":"c","reportingInstance":"i","action":"a","type":"Normal",
    "deprecatedCount":3,"deprecatedSource":{"component":"s"},"deprecatedFirstTimestamp":"2026-01-02T03:04:05Z"})")
          .value();
  const auto stored = event_for_store(shown);
  CHECK(api::str(stored, "apiVersion") == "v1");
  CHECK(api::str(stored, "involvedObject.name") == "p");
  CHECK(api::str(stored, "message") == "text");
  CHECK(api::str(stored, "reportingComponent") == "c");
  CHECK(api::num(stored, "count") == 3);
  CHECK(api::find(stored, "note") == nullptr);
  CHECK(event_for_view(stored) == shown);

  const api::Gvr view{"events.k8s.io", "v1", "events"}, core{"", "v1", "events"};
  CHECK(stored_as(view) == core);
  CHECK(stored_as(core) == core);
  const auto bytes = encode_stored(shown);
  const auto again = decode_stored(bytes, 7);
  CHECK(api::str(again.json(), "message") == "text");
  CHECK(again.resource_version() == "7");
}
