#include "cacher/autoscaler_versions.h"

#include <array>
#include <span>

namespace mk::apiserver {
namespace {

using api::Json;
using api::JsonArray;

constexpr std::string_view kShown = "autoscaling/v1", kStored = "autoscaling/v2";
constexpr std::string_view kMetrics = "autoscaling.alpha.kubernetes.io/metrics",
                           kCurrent = "autoscaling.alpha.kubernetes.io/current-metrics",
                           kConditions = "autoscaling.alpha.kubernetes.io/conditions",
                           kBehavior = "autoscaling.alpha.kubernetes.io/behavior";
constexpr int kDefaultUtilization = 80;

// Where a value is in the metrics of v2 and of v1.
struct Place {
  std::string_view stored, shown;
};

constexpr std::array<Place, 19> kTargets = {{
    {"resource.name", "resource.name"},
    {"resource.target.averageUtilization", "resource.targetAverageUtilization"},
    {"resource.target.averageValue", "resource.targetAverageValue"},
    {"containerResource.name", "containerResource.name"},
    {"containerResource.container", "containerResource.container"},
    {"containerResource.target.averageUtilization", "containerResource.targetAverageUtilization"},
    {"containerResource.target.averageValue", "containerResource.targetAverageValue"},
    {"pods.metric.name", "pods.metricName"},
    {"pods.metric.selector", "pods.selector"},
    {"pods.target.averageValue", "pods.targetAverageValue"},
    {"object.describedObject", "object.target"},
    {"object.metric.name", "object.metricName"},
    {"object.metric.selector", "object.selector"},
    {"object.target.value", "object.targetValue"},
    {"object.target.averageValue", "object.averageValue"},
    {"external.metric.name", "external.metricName"},
    {"external.metric.selector", "external.metricSelector"},
    {"external.target.value", "external.targetValue"},
    {"external.target.averageValue", "external.targetAverageValue"},
}};

constexpr std::array<Place, 19> kCurrents = {{
    {"resource.name", "resource.name"},
    {"resource.current.averageUtilization", "resource.currentAverageUtilization"},
    {"resource.current.averageValue", "resource.currentAverageValue"},
    {"containerResource.name", "containerResource.name"},
    {"containerResource.container", "containerResource.container"},
    {"containerResource.current.averageUtilization", "containerResource.currentAverageUtilization"},
    {"containerResource.current.averageValue", "containerResource.currentAverageValue"},
    {"pods.metric.name", "pods.metricName"},
    {"pods.metric.selector", "pods.selector"},
    {"pods.current.averageValue", "pods.currentAverageValue"},
    {"object.describedObject", "object.target"},
    {"object.metric.name", "object.metricName"},
    {"object.metric.selector", "object.selector"},
    {"object.current.value", "object.currentValue"},
    {"object.current.averageValue", "object.averageValue"},
    {"external.metric.name", "external.metricName"},
    {"external.metric.selector", "external.metricSelector"},
    {"external.current.value", "external.currentValue"},
    {"external.current.averageValue", "external.currentAverageValue"},
}};

Json moved(const Json& metric, std::span<const Place> places, std::string_view Place::*from,
           std::string_view Place::*to) {
  Json out(api::JsonObject{{"type", api::text(api::str(metric, "type"))}});
  for (const auto& place : places) {
    if (const Json* value = api::find(metric, place.*from)) api::set(out, place.*to, *value);
  }
  return out;
}

// v2 says what kind of target it is; v1 leaves it to the field that is set.
void name_target(Json& metric) {
  for (const std::string_view source : {"resource", "containerResource", "pods", "object", "external"}) {
    const std::string target = std::string(source) + ".target";
    const Json* found = api::find(metric, target);
    if (found == nullptr) continue;
    const char* type = api::find(*found, "averageUtilization") != nullptr ? "Utilization"
                       : api::find(*found, "averageValue") != nullptr     ? "AverageValue"
                                                                          : "Value";
    api::set(metric, target + ".type", type);
  }
}

bool of_cpu(const Json& metric, std::string_view utilization) {
  return api::str(metric, "type") == "Resource" && api::str(metric, "resource.name") == "cpu" &&
         api::find(metric, utilization) != nullptr;
}

void annotate(Json& object, std::string_view key, const Json& value) {
  if (api::find(object, "metadata.annotations") == nullptr)
    api::set(object, "metadata.annotations", api::JsonObject());
  object.as_object()["metadata"].as_object()["annotations"].as_object()[key] = api::text(api::to_json(value));
}

// The JSON in an annotation, which goes; null where there is none or no JSON.
Json take_annotation(Json& object, std::string_view key) {
  if (api::find(object, "metadata.annotations") == nullptr) return nullptr;
  auto* annotations = object.as_object()["metadata"].as_object()["annotations"].if_object();
  const Json* text = annotations != nullptr ? annotations->if_contains(key) : nullptr;
  if (text == nullptr) return nullptr;
  auto parsed = text->is_string() ? api::parse_json(text->get_string()) : Result<Json>(Json());
  annotations->erase(key);
  if (annotations->empty()) api::erase(object, "metadata.annotations");
  return parsed.ok() ? std::move(*parsed) : Json();
}

// What v1 has no field for becomes an annotation; of metrics the use of CPU has one.
void show_metrics(const Json& stored, Json& out) {
  JsonArray others, current;
  for (const auto& metric : api::list(stored, "spec.metrics")) {
    constexpr std::string_view kUse = "resource.target.averageUtilization";
    if (of_cpu(metric, kUse) && api::find(out, "spec.targetCPUUtilizationPercentage") == nullptr) {
      api::set(out, "spec.targetCPUUtilizationPercentage", *api::find(metric, kUse));
      continue;
    }
    others.push_back(moved(metric, kTargets, &Place::stored, &Place::shown));
  }
  for (const auto& metric : api::list(stored, "status.currentMetrics")) {
    constexpr std::string_view kUse = "resource.current.averageUtilization";
    if (of_cpu(metric, kUse))
      api::set(out, "status.currentCPUUtilizationPercentage", *api::find(metric, kUse));
    current.push_back(moved(metric, kCurrents, &Place::stored, &Place::shown));
  }
  if (!others.empty()) annotate(out, kMetrics, others);
  if (!current.empty()) annotate(out, kCurrent, current);
}

JsonArray stored_metrics(const Json& shown, const Json& annotated) {
  JsonArray out;
  const auto cpu = api::num(shown, "spec.targetCPUUtilizationPercentage");
  const auto* others = annotated.if_array();
  if (cpu != 0 || others == nullptr || others->empty()) {
    Json metric(api::JsonObject{{"type", "Resource"}});
    api::set(metric, "resource.name", "cpu");
    api::set(metric, "resource.target.type", "Utilization");
    api::set(metric, "resource.target.averageUtilization", cpu != 0 ? cpu : kDefaultUtilization);
    out.push_back(std::move(metric));
  }
  for (std::size_t i = 0; others != nullptr && i < others->size(); ++i) {
    Json metric = moved((*others)[i], kTargets, &Place::shown, &Place::stored);
    name_target(metric);
    out.push_back(std::move(metric));
  }
  return out;
}

}  // namespace

bool is_autoscaler_view(const api::Gvr& gvr) {
  return gvr.group == "autoscaling" && gvr.version == "v1" && gvr.resource == "horizontalpodautoscalers";
}

bool is_shown_autoscaler(const Json& object) {
  return api::str(object, "apiVersion") == kShown && api::str(object, "kind") == "HorizontalPodAutoscaler";
}

Json autoscaler_for_view(const Json& stored) {
  Json out = stored;
  api::set(out, "apiVersion", api::text(kShown));
  for (const std::string_view path :
       {"spec.metrics", "spec.behavior", "status.currentMetrics", "status.conditions"})
    api::erase(out, path);
  show_metrics(stored, out);
  if (const Json* behavior = api::find(stored, "spec.behavior")) annotate(out, kBehavior, *behavior);
  if (const auto& conditions = api::list(stored, "status.conditions"); !conditions.empty())
    annotate(out, kConditions, conditions);
  return out;
}

Json autoscaler_for_store(const Json& shown) {
  Json out = shown;
  api::set(out, "apiVersion", api::text(kStored));
  for (const std::string_view path :
       {"spec.targetCPUUtilizationPercentage", "status.currentCPUUtilizationPercentage"})
    api::erase(out, path);
  api::set(out, "spec.metrics", stored_metrics(shown, take_annotation(out, kMetrics)));
  if (Json behavior = take_annotation(out, kBehavior); behavior.is_object())
    api::set(out, "spec.behavior", std::move(behavior));
  if (Json conditions = take_annotation(out, kConditions); conditions.is_array())
    api::set(out, "status.conditions", std::move(conditions));
  const Json current = take_annotation(out, kCurrent);
  if (const auto* list = current.if_array()) {
    JsonArray metrics;
    for (const auto& metric : *list)
      metrics.push_back(moved(metric, kCurrents, &Place::shown, &Place::stored));
    api::set(out, "status.currentMetrics", std::move(metrics));
  }
  return out;
}

}  // namespace mk::apiserver
