#include "cacher/autoscaler_versions.h"

namespace mk::apiserver {

namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr std::string_view kPrefix = "autoscaling.alpha.kubernetes.io/";
constexpr std::int64_t kDefaultCpu = 80;

std::string annotation_name(std::string_view name) {
  return std::string(kPrefix) + std::string(name);
}

// Where the two versions keep the parts of one metric's target or measurement, by the metric's source.
struct Field {
  std::string_view source, v2, v1;
};
constexpr Field kSpecFields[] = {
    {"resource", "name", "name"},
    {"resource", "target.averageUtilization", "targetAverageUtilization"},
    {"resource", "target.averageValue", "targetAverageValue"},
    {"containerResource", "name", "name"},
    {"containerResource", "container", "container"},
    {"containerResource", "target.averageUtilization", "targetAverageUtilization"},
    {"containerResource", "target.averageValue", "targetAverageValue"},
    {"pods", "metric.name", "metricName"},
    {"pods", "metric.selector", "selector"},
    {"pods", "target.averageValue", "targetAverageValue"},
    {"object", "describedObject", "target"},
    {"object", "metric.name", "metricName"},
    {"object", "metric.selector", "selector"},
    {"object", "target.value", "targetValue"},
    {"object", "target.averageValue", "averageValue"},
    {"external", "metric.name", "metricName"},
    {"external", "metric.selector", "metricSelector"},
    {"external", "target.value", "targetValue"},
    {"external", "target.averageValue", "targetAverageValue"},
};
constexpr Field kStatusFields[] = {
    {"resource", "name", "name"},
    {"resource", "current.averageUtilization", "currentAverageUtilization"},
    {"resource", "current.averageValue", "currentAverageValue"},
    {"containerResource", "name", "name"},
    {"containerResource", "container", "container"},
    {"containerResource", "current.averageUtilization", "currentAverageUtilization"},
    {"containerResource", "current.averageValue", "currentAverageValue"},
};

template <std::size_t N>
Json translated(const Json& metric, const Field (&fields)[N], std::string_view Field::*from,
                std::string_view Field::*to) {
  Json out = JsonObject{{"type", api::text(api::str(metric, "type"))}};
  for (const Field& field : fields) {
    const Json* source = api::find(metric, field.source);
    if (source == nullptr) continue;
    if (const Json* value = api::find(*source, field.*from))
      api::set(out, std::string(field.source) + "." + std::string(field.*to), *value);
  }
  return out;
}

// v2 names the kind of a target, which follows from what it has.
void add_target_type(Json& metric) {
  for (auto& [source, body] : metric.as_object()) {
    if (!body.is_object() || api::find(body, "target") == nullptr) continue;
    const char* type = api::find(body, "target.averageUtilization") ? "Utilization"
                       : api::find(body, "target.value")            ? "Value"
                                                                    : "AverageValue";
    api::set(body, "target.type", type);
  }
}

bool is_cpu_utilization(const Json& metric, std::string_view path) {
  return api::str(metric, "type") == "Resource" && api::str(metric, "resource.name") == "cpu" &&
         api::find(metric, "resource." + std::string(path)) != nullptr;
}

Json cpu_metric(std::int64_t utilization) {
  Json out = JsonObject{{"type", "Resource"}};
  api::set(out, "resource.name", "cpu");
  api::set(out, "resource.target.averageUtilization", utilization);
  add_target_type(out);
  return out;
}

void copy(const Json& from, Json& to, std::initializer_list<std::string_view> paths) {
  for (const auto path : paths)
    if (const Json* value = api::find(from, path)) api::set(to, path, *value);
}

// The list in an annotation, which goes.
JsonArray take_list(JsonObject& annotations, std::string_view name) {
  const auto found = annotations.find(annotation_name(name));
  if (found == annotations.end()) return {};
  const auto parsed =
      found->value().is_string() ? api::parse_json(found->value().get_string()) : Result<Json>(Json());
  annotations.erase(found);
  return parsed.ok() && parsed->is_array() ? parsed->get_array() : JsonArray();
}

Json begin(const Json& from, const char* version) {
  Json out = JsonObject{{"kind", "HorizontalPodAutoscaler"}, {"apiVersion", version}};
  copy(
      from, out,
      {"metadata", "spec.scaleTargetRef", "spec.minReplicas", "spec.maxReplicas", "status.observedGeneration",
       "status.lastScaleTime", "status.currentReplicas", "status.desiredReplicas"});
  return out;
}

void set_annotations(Json& object, JsonObject annotations) {
  if (annotations.empty())
    api::erase(object, "metadata.annotations");
  else
    api::set(object, "metadata.annotations", std::move(annotations));
}

}  // namespace

bool is_old_autoscaler(const Json& object) {
  return api::str(object, "kind") == "HorizontalPodAutoscaler" &&
         api::str(object, "apiVersion") == kOldAutoscaling;
}

Json autoscaler_for_view(const Json& stored) {
  if (is_old_autoscaler(stored)) return stored;
  Json out = begin(stored, "autoscaling/v1");
  JsonObject annotations = api::object(stored, "metadata.annotations");
  const auto note = [&](std::string_view name, Json value) {
    annotations[annotation_name(name)] = api::text(api::to_json(value));
  };
  JsonArray metrics, current;
  for (const Json& metric : api::list(stored, "spec.metrics")) {
    if (is_cpu_utilization(metric, "target.averageUtilization") &&
        api::find(out, "spec.targetCPUUtilizationPercentage") == nullptr)
      api::set(out, "spec.targetCPUUtilizationPercentage",
               api::num(metric, "resource.target.averageUtilization"));
    else
      metrics.push_back(translated(metric, kSpecFields, &Field::v2, &Field::v1));
  }
  for (const Json& metric : api::list(stored, "status.currentMetrics")) {
    if (is_cpu_utilization(metric, "current.averageUtilization"))
      api::set(out, "status.currentCPUUtilizationPercentage",
               api::num(metric, "resource.current.averageUtilization"));
    current.push_back(translated(metric, kStatusFields, &Field::v2, &Field::v1));
  }
  if (!metrics.empty()) note("metrics", std::move(metrics));
  if (!current.empty()) note("current-metrics", std::move(current));
  if (const Json* behavior = api::find(stored, "spec.behavior")) note("behavior", *behavior);
  if (const Json* conditions = api::find(stored, "status.conditions")) note("conditions", *conditions);
  set_annotations(out, std::move(annotations));
  return out;
}

Json autoscaler_for_store(const Json& shown) {
  Json out = begin(shown, "autoscaling/v2");
  JsonObject annotations = api::object(shown, "metadata.annotations");
  JsonArray metrics, current;
  for (const Json& metric : take_list(annotations, "metrics")) {
    metrics.push_back(translated(metric, kSpecFields, &Field::v1, &Field::v2));
    add_target_type(metrics.back());
  }
  if (const Json* cpu = api::find(shown, "spec.targetCPUUtilizationPercentage");
      cpu != nullptr || metrics.empty())
    metrics.insert(metrics.begin(),
                   cpu_metric(api::num(shown, "spec.targetCPUUtilizationPercentage", kDefaultCpu)));
  api::set(out, "spec.metrics", std::move(metrics));
  for (const Json& metric : take_list(annotations, "current-metrics"))
    current.push_back(translated(metric, kStatusFields, &Field::v1, &Field::v2));
  if (!current.empty()) api::set(out, "status.currentMetrics", std::move(current));
  if (auto conditions = take_list(annotations, "conditions"); !conditions.empty())
    api::set(out, "status.conditions", std::move(conditions));
  if (const auto found = annotations.find(annotation_name("behavior")); found != annotations.end()) {
    if (found->value().is_string())
      if (auto behavior = api::parse_json(found->value().get_string());
          behavior.ok() && behavior->is_object())
        api::set(out, "spec.behavior", std::move(*behavior));
    annotations.erase(annotation_name("behavior"));
  }
  set_annotations(out, std::move(annotations));
  return out;
}

}  // namespace mk::apiserver
