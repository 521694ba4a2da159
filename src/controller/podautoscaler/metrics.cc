#include "podautoscaler/metrics.h"

#include <fmt/core.h>

#include "mk/api/quantity.h"

namespace mk::controller::podautoscaler {

namespace {

constexpr std::int64_t kDefaultCpu = 80;

std::string amount_text(std::int64_t milli) {
  return milli % 1000 == 0 ? std::to_string(milli / 1000) : fmt::format("{}m", milli);
}

Metric cpu_metric(std::int64_t utilization) {
  return {"Resource", Target{"cpu", "", utilization, 0}};
}

Metric read(const api::Json& metric) {
  Metric out{std::string(api::str(metric, "type")), std::nullopt};
  const bool container = out.type == "ContainerResource";
  const api::Json* source = api::find(metric, container ? "containerResource" : "resource");
  if ((out.type != "Resource" && !container) || source == nullptr) return out;
  Target target;
  target.resource = api::str(*source, "name");
  target.container = api::str(*source, "container");
  if (const api::Json* value = api::find(*source, "target.averageValue")) {
    const auto text = value->is_string() ? std::string(value->get_string()) : api::to_json(*value);
    const auto quantity = api::Quantity::parse(text);
    if (!quantity.ok()) return out;
    target.average = quantity->milli_value();
  } else if (api::find(*source, "target.averageUtilization") != nullptr) {
    target.utilization = api::num(*source, "target.averageUtilization");
  } else {
    return out;
  }
  out.target = std::move(target);
  return out;
}

}  // namespace

std::string Metric::name() const {
  if (!target) return type + " metric";
  return fmt::format("{} {}resource{}", target->resource, target->container.empty() ? "" : "container ",
                     target->utilization ? " utilization (percentage of request)" : "");
}

std::vector<Metric> metrics_of(const api::Json& autoscaler) {
  std::vector<Metric> out;
  for (const api::Json& metric : api::list(autoscaler, "spec.metrics")) out.push_back(read(metric));
  if (out.empty())
    out.push_back(cpu_metric(api::num(autoscaler, "spec.targetCPUUtilizationPercentage", kDefaultCpu)));
  return out;
}

api::Json metric_status(const Metric& metric, const Proposal& measured) {
  api::JsonObject current{{"averageValue", api::text(amount_text(measured.average))}};
  if (measured.utilization) current["averageUtilization"] = *measured.utilization;
  api::JsonObject source{{"name", api::text(metric.target->resource)}, {"current", std::move(current)}};
  if (metric.target->container.empty())
    return api::JsonObject{{"type", "Resource"}, {"resource", std::move(source)}};
  source["container"] = api::text(metric.target->container);
  return api::JsonObject{{"type", "ContainerResource"}, {"containerResource", std::move(source)}};
}

}  // namespace mk::controller::podautoscaler
