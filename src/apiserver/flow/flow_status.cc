#include "flow/flow_status.h"

#include "mk/base/log.h"

namespace mk::apiserver {
namespace {

constexpr Log kLog("apiserver");
constexpr auto kSettle = std::chrono::milliseconds(200);  // changes of many objects are looked at once
constexpr auto kRetry = std::chrono::seconds(10);

const api::Gvr kSchemas{"flowcontrol.apiserver.k8s.io", "v1", "flowschemas"};

api::Object with_condition(const api::Object& schema, api::Json condition) {
  return schema.with([&](api::Json& json) {
    api::JsonArray conditions;
    for (const auto& each : api::list(json, "status.conditions"))
      if (api::str(each, "type") != "Dangling") conditions.push_back(each);
    conditions.push_back(std::move(condition));
    api::JsonObject status = api::object(json, "status");
    status["conditions"] = std::move(conditions);
    json.as_object()["status"] = std::move(status);
  });
}

}  // namespace

std::optional<api::Json> dangling_condition(const api::Object& schema, bool has_level,
                                            const std::string& now) {
  const std::string_view wanted = has_level ? "False" : "True";
  for (const auto& each : api::list(schema.json(), "status.conditions"))
    if (api::str(each, "type") == "Dangling" && api::str(each, "status") == wanted) return std::nullopt;
  const std::string level(api::str(schema.json(), "spec.priorityLevelConfiguration.name"));
  api::JsonObject out;
  out["type"] = "Dangling";
  out["status"] = api::text(wanted);
  out["lastTransitionTime"] = api::text(now);
  out["reason"] = has_level ? "Found" : "NotFound";
  out["message"] = api::text("This FlowSchema references the PriorityLevelConfiguration object named \"" +
                             level + (has_level ? "\" and it exists" : "\" but there is no such object"));
  return api::Json(std::move(out));
}

rt::Task<> keep_flow_status(Fairness& fairness, Cacher& cacher, client::Client& client, rt::Clock& clock) {
  for (;;) {
    co_await clock.sleep_for(kSettle);
    bool failed = false;
    fairness.refresh();
    const auto schemas = cacher.resource(kSchemas).list(Filter());
    for (const api::Object& schema : schemas) {
      const std::string level(api::str(schema.json(), "spec.priorityLevelConfiguration.name"));
      auto condition = dangling_condition(schema, fairness.has_level(level), rt::format_time(clock.now()));
      if (!condition) continue;
      api::Object changed = with_condition(schema, std::move(*condition));
      client::WriteOptions options;
      options.field_manager = "api-priority-and-fairness-config-consumer-v1";
      auto written = co_await client.update(kSchemas, std::move(changed), "status", std::move(options));
      if (written.ok() || written.error().is(Reason::kNotFound)) continue;
      kLog.debug("cannot write the status of a FlowSchema", "name", schema.name(), "error",
                 written.error().message());
      failed = true;
    }
    if (failed) {
      co_await clock.sleep_for(kRetry);
    } else {
      co_await fairness.changed();
    }
  }
}

}  // namespace mk::apiserver
