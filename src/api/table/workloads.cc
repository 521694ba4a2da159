#include <fmt/format.h>

#include "schema/time_text.h"
#include "table/cells.h"

namespace mk::api {
namespace {

const Json& template_spec(const Json& object) {
  static const Json none = JsonObject();
  const auto* spec = find(object, "spec.template.spec");
  return spec ? *spec : none;
}

void wide_containers(const Json& object, JsonArray& out) {
  out.emplace_back(container_names(template_spec(object)));
  out.emplace_back(container_images(template_spec(object)));
}

void deployment(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  out.emplace_back(object_name(row));
  out.emplace_back(fmt::format("{}/{}", num(o, "status.readyReplicas"), num(o, "spec.replicas", 1)));
  out.emplace_back(num(o, "status.updatedReplicas"));
  out.emplace_back(num(o, "status.availableReplicas"));
  out.emplace_back(age_of(row));
  wide_containers(o, out);
  out.emplace_back(selector_text(find(o, "spec.selector")));
}

void replica_counts(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  out.emplace_back(object_name(row));
  out.emplace_back(num(o, "spec.replicas", 1));
  out.emplace_back(num(o, "status.replicas"));
  out.emplace_back(num(o, "status.readyReplicas"));
  out.emplace_back(age_of(row));
  wide_containers(o, out);
}

void replica_set(const RowContext& row, JsonArray& out) {
  replica_counts(row, out);
  out.emplace_back(selector_text(find(row.object, "spec.selector")));
}

void replication_controller(const RowContext& row, JsonArray& out) {
  replica_counts(row, out);
  out.emplace_back(labels_text(object(row.object, "spec.selector")));
}

void daemon_set(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  out.emplace_back(object_name(row));
  for (const std::string_view field :
       {"status.desiredNumberScheduled", "status.currentNumberScheduled", "status.numberReady",
        "status.updatedNumberScheduled", "status.numberAvailable"}) {
    out.emplace_back(num(o, field));
  }
  out.emplace_back(labels_text(object(o, "spec.template.spec.nodeSelector")));
  out.emplace_back(age_of(row));
  wide_containers(o, out);
  out.emplace_back(selector_text(find(o, "spec.selector")));
}

void stateful_set(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  out.emplace_back(object_name(row));
  out.emplace_back(fmt::format("{}/{}", num(o, "status.readyReplicas"), num(o, "spec.replicas", 1)));
  out.emplace_back(age_of(row));
  wide_containers(o, out);
}

std::string job_status(const Json& job) {
  const auto has = [&](std::string_view type) {
    for (const auto& condition : list(job, "status.conditions")) {
      if (str(condition, "type") == type && str(condition, "status") == "True") return true;
    }
    return false;
  };
  if (has("Complete")) return "Complete";
  if (has("Failed")) return "Failed";
  if (find(job, "metadata.deletionTimestamp")) return "Terminating";
  if (has("Suspended")) return "Suspended";
  if (has("FailureTarget")) return "FailureTarget";
  return has("SuccessCriteriaMet") ? "SuccessCriteriaMet" : "Running";
}

std::string job_completions(const Json& job) {
  const auto succeeded = num(job, "status.succeeded");
  if (find(job, "spec.completions")) return fmt::format("{}/{}", succeeded, num(job, "spec.completions"));
  const auto parallelism = num(job, "spec.parallelism");
  return parallelism > 1 ? fmt::format("{}/1 of {}", succeeded, parallelism) : fmt::format("{}/1", succeeded);
}

std::string job_duration(const Json& job, std::int64_t now_seconds) {
  const auto start = parse_time(str(job, "status.startTime"));
  if (!start) return "";
  const auto end = parse_time(str(job, "status.completionTime"));
  return human_duration((end ? end->seconds : now_seconds) - start->seconds);
}

void job(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  out.emplace_back(object_name(row));
  out.emplace_back(job_status(o));
  out.emplace_back(job_completions(o));
  out.emplace_back(job_duration(o, row.now_seconds));
  out.emplace_back(age_of(row));
  wide_containers(o, out);
  out.emplace_back(selector_text(find(o, "spec.selector")));
}

void cron_job(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  static const Json none = JsonObject();
  const auto last = str(o, "status.lastScheduleTime");
  const auto* spec = find(o, "spec.jobTemplate.spec.template.spec");
  out.emplace_back(object_name(row));
  out.emplace_back(str(o, "spec.schedule"));
  out.emplace_back(or_none(str(o, "spec.timeZone")));
  out.emplace_back(flag(o, "spec.suspend") ? "True" : "False");
  out.emplace_back(list(o, "status.active").size());
  out.emplace_back(last.empty() ? "<none>" : age(last, row.now_seconds));
  out.emplace_back(age_of(row));
  out.emplace_back(container_names(spec ? *spec : none));
  out.emplace_back(container_images(spec ? *spec : none));
  out.emplace_back(selector_text(find(o, "spec.jobTemplate.spec.selector")));
}

void controller_revision(const RowContext& row, JsonArray& out) {
  const auto* owner = controller_of(Object(row.object));
  std::string controller = "<none>";
  if (owner) {
    const auto gvk = parse_gvk(str(*owner, "apiVersion"), str(*owner, "kind"));
    const auto* resource = find_builtin(gvk);
    controller = (resource ? resource->singular : gvk.kind) + (gvk.group.empty() ? "" : "." + gvk.group) +
                 "/" + std::string(str(*owner, "name"));
  }
  out.emplace_back(object_name(row));
  out.emplace_back(controller);
  out.emplace_back(num(row.object, "revision"));
  out.emplace_back(age_of(row));
}

std::string scaled_metric(const Json& target, const Json* current, std::string_view source) {
  const std::string base(source);
  const auto utilization = num(target, "averageUtilization", -1);
  if (utilization >= 0) {
    const auto have = current ? num(*current, base + ".current.averageUtilization", -1) : -1;
    const auto shown = have < 0 ? std::string("<unknown>") : fmt::format("{}%", have);
    return fmt::format("{}/{}%", shown, utilization);
  }
  const bool average = str(target, "averageValue") != "";
  const auto have = current ? str(*current, base + (average ? ".current.averageValue" : ".current.value"))
                            : std::string_view();
  return fmt::format("{}/{}{}", have.empty() ? "<unknown>" : have,
                     str(target, average ? "averageValue" : "value"), average ? " (avg)" : "");
}

std::string hpa_targets(const Json& hpa) {
  const auto& metrics = list(hpa, "spec.metrics");
  const auto& current = list(hpa, "status.currentMetrics");
  std::string out;
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const auto type = str(metrics[i], "type");
    std::string source = type == "Resource"            ? "resource"
                         : type == "ContainerResource" ? "containerResource"
                         : type == "Pods"              ? "pods"
                         : type == "Object"            ? "object"
                                                       : "external";
    const auto* target = find(metrics[i], source + ".target");
    auto shown =
        target ? scaled_metric(*target, i < current.size() ? &current[i] : nullptr, source) : "<unknown>";
    if (source == "resource") shown = std::string(str(metrics[i], "resource.name")) + ": " + shown;
    out += (out.empty() ? "" : ", ") + shown;
  }
  return out.empty() ? "<none>" : out;
}

void hpa(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  out.emplace_back(object_name(row));
  out.emplace_back(
      fmt::format("{}/{}", str(o, "spec.scaleTargetRef.kind"), str(o, "spec.scaleTargetRef.name")));
  out.emplace_back(hpa_targets(o));
  out.emplace_back(find(o, "spec.minReplicas") ? std::to_string(num(o, "spec.minReplicas")) : "<unset>");
  out.emplace_back(num(o, "spec.maxReplicas"));
  out.emplace_back(num(o, "status.currentReplicas"));
  out.emplace_back(age_of(row));
}

}  // namespace

void add_workload_printers(std::vector<Printer>& out) {
  const Column containers = text_column("Containers", 1), images = text_column("Images", 1),
               selector = text_column("Selector", 1);
  out.push_back({"apps",
                 "Deployment",
                 {name_column(), text_column("Ready"), number("Up-to-date"), number("Available"),
                  age_column(), containers, images, selector},
                 deployment});
  const std::vector<Column> replicas = {name_column(),   number("Desired"), number("Current"),
                                        number("Ready"), age_column(),      containers,
                                        images,          selector};
  out.push_back({"apps", "ReplicaSet", replicas, replica_set});
  out.push_back({"", "ReplicationController", replicas, replication_controller});
  out.push_back(
      {"apps",
       "DaemonSet",
       {name_column(), number("Desired"), number("Current"), number("Ready"), number("Up-to-date"),
        number("Available"), text_column("Node Selector"), age_column(), containers, images, selector},
       daemon_set});
  out.push_back({"apps",
                 "StatefulSet",
                 {name_column(), text_column("Ready"), age_column(), containers, images},
                 stateful_set});
  out.push_back({"batch",
                 "Job",
                 {name_column(), text_column("Status"), text_column("Completions"), text_column("Duration"),
                  age_column(), containers, images, selector},
                 job});
  out.push_back({"batch",
                 "CronJob",
                 {name_column(), text_column("Schedule"), text_column("Timezone"), text_column("Suspend"),
                  number("Active"), text_column("Last Schedule"), age_column(), containers, images, selector},
                 cron_job});
  out.push_back({"apps",
                 "ControllerRevision",
                 {name_column(), text_column("Controller"), number("Revision"), age_column()},
                 controller_revision});
  out.push_back({"autoscaling",
                 "HorizontalPodAutoscaler",
                 {name_column(), text_column("Reference"), text_column("Targets"), text_column("MinPods"),
                  number("MaxPods"), number("Replicas"), age_column()},
                 hpa});
}

}  // namespace mk::api
