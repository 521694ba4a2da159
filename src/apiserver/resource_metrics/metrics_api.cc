#include "resource_metrics/metrics_api.h"

#include "cacher/filter.h"
#include "mk/api/resource.h"
#include "mk/base/assert.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Object;

namespace {

constexpr char kVersion[] = "metrics.k8s.io/v1beta1";

// In the form of CustomResourceDefinitions, which know how to be discovered, described and printed.
constexpr const char* kDefinitions[] = {R"(
metadata: {name: nodes.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  scope: Cluster
  versions:
    - name: v1beta1
      served: true
      storage: true
      additionalPrinterColumns:
        - {name: CPU, type: string, jsonPath: .usage.cpu}
        - {name: Memory, type: string, jsonPath: .usage.memory}
        - {name: Window, type: string, jsonPath: .window}
      schema:
        openAPIV3Schema:
          description: What a node uses, measured over a span of time.
          type: object
          required: [timestamp, window, usage]
          properties:
            timestamp: {type: string, format: date-time, description: The end of the span.}
            window: {type: string, description: The length of the span.}
            usage:
              description: By name of the resource.
              type: object
              additionalProperties: {x-kubernetes-int-or-string: true}
status:
  acceptedNames: {plural: nodes, kind: NodeMetrics, listKind: NodeMetricsList}
  conditions: [{type: NamesAccepted, status: "True"}, {type: Established, status: "True"}]
)",
                                        R"(
metadata: {name: pods.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  scope: Namespaced
  versions:
    - name: v1beta1
      served: true
      storage: true
      additionalPrinterColumns:
        - {name: CPU, type: string, jsonPath: ".containers[*].usage.cpu"}
        - {name: Memory, type: string, jsonPath: ".containers[*].usage.memory"}
        - {name: Window, type: string, jsonPath: .window}
      schema:
        openAPIV3Schema:
          description: What the containers of a pod use, measured over a span of time.
          type: object
          required: [timestamp, window, containers]
          properties:
            timestamp: {type: string, format: date-time, description: The end of the span.}
            window: {type: string, description: The length of the span.}
            containers:
              type: array
              items:
                type: object
                required: [name, usage]
                properties:
                  name: {type: string}
                  usage:
                    description: By name of the resource.
                    type: object
                    additionalProperties: {x-kubernetes-int-or-string: true}
status:
  acceptedNames: {plural: pods, kind: PodMetrics, listKind: PodMetricsList}
  conditions: [{type: NamesAccepted, status: "True"}, {type: Established, status: "True"}]
)"};

JsonObject usage_json(const Usage& usage) {
  return JsonObject{{"cpu", api::text(cpu_text(usage.nano_cores))},
                    {"memory", api::text(memory_text(usage.memory))}};
}

// The metrics of an object bear its name and labels.
JsonObject head(const Object& about, const char* kind, const Usage& usage) {
  JsonObject metadata{{"name", api::text(about.name())},
                      {"creationTimestamp", api::text(rt::format_time(usage.at))}};
  if (!about.ns().empty()) metadata["namespace"] = api::text(about.ns());
  if (const Json* labels = api::find(about.json(), "metadata.labels")) metadata["labels"] = *labels;
  return JsonObject{{"kind", kind},
                    {"apiVersion", kVersion},
                    {"metadata", std::move(metadata)},
                    {"timestamp", api::text(rt::format_time(usage.at))},
                    {"window", api::text(window_text(usage.window))}};
}

Object pod_metrics(const Object& pod, const std::map<std::string, Usage>& usages) {
  JsonArray containers;
  for (const auto& [name, usage] : usages)
    containers.push_back(JsonObject{{"name", api::text(name)}, {"usage", usage_json(usage)}});
  JsonObject out = head(pod, "PodMetrics", usages.begin()->second);
  out["containers"] = std::move(containers);
  return Object(Json(std::move(out)));
}

Object node_metrics(const Object& node, const Usage& usage) {
  JsonObject out = head(node, "NodeMetrics", usage);
  out["usage"] = usage_json(usage);
  return Object(Json(std::move(out)));
}

class MetricsApi {
 public:
  MetricsApi(Cacher& cacher, MetricsScraper& scraper) : cacher_(cacher), scraper_(scraper) {}

  rt::Task<Result<std::vector<Object>>> nodes(VirtualResources::Query query) const {
    MK_CO_ASSIGN(const auto found, select(api::resources::kNodes, query));
    std::set<std::string> names;
    for (const auto& node : found) names.emplace(node.name());
    co_await scraper_.refresh(names);
    std::vector<Object> out;
    for (const auto& node : found)
      if (const auto usage = scraper_.node(std::string(node.name())))
        out.push_back(node_metrics(node, *usage));
    co_return out;
  }

  rt::Task<Result<std::vector<Object>>> pods(VirtualResources::Query query) const {
    MK_CO_ASSIGN(const auto found, select(api::resources::kPods, query));
    std::set<std::string> names;
    for (const auto& pod : found)
      if (api::str(pod.json(), "status.phase") == "Running")
        names.emplace(api::str(pod.json(), "spec.nodeName"));
    names.erase("");
    co_await scraper_.refresh(names);
    std::vector<Object> out;
    for (const auto& pod : found) {
      const std::string node(api::str(pod.json(), "spec.nodeName"));
      const auto usages = scraper_.pod(node, std::string(pod.ns()), std::string(pod.name()));
      if (!usages.empty()) out.push_back(pod_metrics(pod, usages));
    }
    co_return out;
  }

 private:
  Result<std::vector<Object>> select(const api::Gvr& gvr, const VirtualResources::Query& query) const {
    MK_ASSIGN(Filter filter,
              make_filter(*api::find_builtin(gvr), query.ns, query.label_selector, query.field_selector));
    if (!query.name.empty()) filter.name = query.name;
    std::vector<Object> out;
    std::set<std::string> nodes;
    cacher_.resource(gvr).for_each(filter.ns, [&](const Object& object) {
      if (gvr == api::resources::kNodes) nodes.emplace(object.name());
      if (!filter.admits(object.key())) return true;
      const Object own(object.bytes());  // the shared object shall not keep a parsed form for our sake
      if (filter.selects(own)) out.push_back(own);
      return true;
    });
    if (gvr == api::resources::kNodes) scraper_.keep(nodes);
    return out;
  }

  Cacher& cacher_;
  MetricsScraper& scraper_;
};

}  // namespace

void add_metrics_api(Definitions& definitions, VirtualResources& virtuals, Cacher& cacher,
                     MetricsScraper& scraper) {
  for (const char* text : kDefinitions) {
    auto definition = api::parse_yaml(text);
    MK_ASSERT(definition.ok());
    definitions.serve_computed(std::move(*definition));
  }
  const auto metrics = std::make_shared<const MetricsApi>(cacher, scraper);
  virtuals.add_reader("nodes.metrics.k8s.io",
                      [metrics](VirtualResources::Query query) { return metrics->nodes(std::move(query)); });
  virtuals.add_reader("pods.metrics.k8s.io",
                      [metrics](VirtualResources::Query query) { return metrics->pods(std::move(query)); });
}

}  // namespace mk::apiserver
