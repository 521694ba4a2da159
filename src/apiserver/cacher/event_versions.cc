#include "cacher/event_versions.h"


namespace mk::apiserver {
namespace {

using api::Json;
using api::JsonObject;

constexpr std::string_view kGroup = "events.k8s.io", kVersion = "events.k8s.io/v1";

struct Names {
  std::string_view stored, shown;
};
constexpr Names kNames[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"reportingComponent", "reportingController"},
    {"source", "deprecatedSource"},
    {"count", "deprecatedCount"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
};

Json renamed(const Json& event, std::string_view Names::*from, std::string_view Names::*to,
             std::string_view version) {
  JsonObject out;
  const auto* fields = event.if_object();
  if (!fields) return out;
  for (const auto& field : *fields) {
    std::string_view key = field.key();
    for (const Names& names : kNames) {
      if (names.*from == key) key = names.*to;
    }
    out[key] = field.value();
  }
  out["apiVersion"] = api::text(version);
  return out;
}

}  // namespace

bool is_event_view(const api::Gvr& gvr) {
  return gvr.group == kGroup && gvr.resource == "events";
}

api::Gvr stored_as(const api::Gvr& gvr) {
  return is_event_view(gvr) ? api::Gvr{"", "v1", "events"} : gvr;
}

Json event_for_view(const Json& stored) {
  return renamed(stored, &Names::stored, &Names::shown, kVersion);
}

Json event_for_store(const Json& shown) {
  return renamed(shown, &Names::shown, &Names::stored, "v1");
}

bool is_shown_event(const Json& object) {
  return api::str(object, "apiVersion") == kVersion && api::str(object, "kind") == "Event";
}

}  // namespace mk::apiserver
