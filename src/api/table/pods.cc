#include <fmt/format.h>

#include <algorithm>

#include "schema/time_text.h"
#include "table/cells.h"

namespace mk::api {
namespace {

// What the STATUS and RESTARTS columns say of a pod.
struct PodSummary {
  std::string status;
  int ready = 0, containers = 0;
  std::int64_t restarts = 0;
  std::string last_restart;  // RFC 3339, "" when never
};

const Json* spec_of_init(const Json& pod, std::string_view name) {
  for (const auto& container : list(pod, "spec.initContainers")) {
    if (str(container, "name") == name) return &container;
  }
  return nullptr;
}

// An init container that restarts always: a sidecar, counted with the main containers.
bool sidecar(const Json* spec) {
  return spec && str(*spec, "restartPolicy") == "Always";
}

bool condition_true(const Json& pod, std::string_view type) {
  for (const auto& condition : list(pod, "status.conditions")) {
    if (str(condition, "type") == type) return str(condition, "status") == "True";
  }
  return false;
}

void note_restart(PodSummary& summary, const Json& status) {
  const auto finished = str(status, "lastState.terminated.finishedAt");
  if (finished > summary.last_restart) summary.last_restart = finished;
}

std::string exit_text(const Json& terminated) {
  if (const auto signal = num(terminated, "signal"); signal != 0) return fmt::format("Signal:{}", signal);
  return fmt::format("ExitCode:{}", num(terminated, "exitCode"));
}

// Looks at init containers; true while they keep the pod from running (the status is theirs then).
bool summarize_init(const Json& pod, PodSummary& summary) {
  const auto total = list(pod, "spec.initContainers").size();
  std::size_t index = 0;
  for (const auto& status : list(pod, "status.initContainerStatuses")) {
    const auto position = index++;
    const bool side = sidecar(spec_of_init(pod, str(status, "name")));
    summary.restarts += num(status, "restartCount");
    note_restart(summary, status);
    const auto* terminated = find(status, "state.terminated");
    if (terminated && num(*terminated, "exitCode") == 0) continue;
    if (side && flag(status, "started")) {
      if (flag(status, "ready")) ++summary.ready;
      continue;
    }
    if (terminated) {
      const auto reason = str(*terminated, "reason");
      summary.status = "Init:" + (reason.empty() ? exit_text(*terminated) : std::string(reason));
    } else if (const auto reason = str(status, "state.waiting.reason");
               !reason.empty() && reason != "PodInitializing") {
      summary.status = "Init:" + std::string(reason);
    } else {
      summary.status = fmt::format("Init:{}/{}", position, total);
    }
    return true;
  }
  return false;
}

void summarize_containers(const Json& pod, PodSummary& summary) {
  bool running = false;
  const auto& statuses = list(pod, "status.containerStatuses");
  for (auto at = statuses.end(); at != statuses.begin();) {
    const auto& status = *--at;
    summary.restarts += num(status, "restartCount");
    note_restart(summary, status);
    const auto* terminated = find(status, "state.terminated");
    if (const auto reason = str(status, "state.waiting.reason"); !reason.empty()) {
      summary.status = reason;
    } else if (terminated) {
      const auto why = str(*terminated, "reason");
      summary.status = why.empty() ? exit_text(*terminated) : std::string(why);
    } else if (flag(status, "ready") && find(status, "state.running")) {
      running = true;
      ++summary.ready;
    }
  }
  // One container done and another still running: the pod runs.
  if (summary.status == "Completed" && running)
    summary.status = condition_true(pod, "Ready") ? "Running" : "NotReady";
}

PodSummary summarize(const Json& pod) {
  PodSummary summary;
  const auto reason = str(pod, "status.reason");
  summary.status = reason.empty() ? str(pod, "status.phase") : reason;
  summary.containers = static_cast<int>(list(pod, "spec.containers").size());
  for (const auto& container : list(pod, "spec.initContainers"))
    summary.containers += sidecar(&container) ? 1 : 0;
  for (const auto& condition : list(pod, "status.conditions")) {
    if (str(condition, "type") == "PodScheduled" && str(condition, "reason") == "SchedulingGated") {
      summary.status = "SchedulingGated";
    }
  }
  const bool initializing = summarize_init(pod, summary);
  if (!initializing || condition_true(pod, "Initialized")) summarize_containers(pod, summary);
  const auto phase = str(pod, "status.phase");
  if (find(pod, "metadata.deletionTimestamp")) {
    if (reason == "NodeLost")
      summary.status = "Unknown";
    else if (phase != "Succeeded" && phase != "Failed")
      summary.status = "Terminating";
  }
  return summary;
}

std::string readiness_gates(const Json& pod) {
  const auto& gates = list(pod, "spec.readinessGates");
  if (gates.empty()) return "<none>";
  int met = 0;
  for (const auto& gate : gates) met += condition_true(pod, str(gate, "conditionType")) ? 1 : 0;
  return fmt::format("{}/{}", met, gates.size());
}

std::string restarts_text(const PodSummary& summary, std::int64_t now_seconds) {
  if (summary.restarts == 0 || summary.last_restart.empty()) return std::to_string(summary.restarts);
  return fmt::format("{} ({} ago)", summary.restarts, age(summary.last_restart, now_seconds));
}

void pod_cells(const RowContext& row, JsonArray& out) {
  const auto& pod = row.object;
  const auto summary = summarize(pod);
  const auto& ips = list(pod, "status.podIPs");
  out.emplace_back(object_name(row));
  out.emplace_back(fmt::format("{}/{}", summary.ready, summary.containers));
  out.emplace_back(summary.status);
  out.emplace_back(restarts_text(summary, row.now_seconds));
  out.emplace_back(age_of(row));
  out.emplace_back(or_none(ips.empty() ? str(pod, "status.podIP") : str(ips[0], "ip")));
  out.emplace_back(or_none(str(pod, "spec.nodeName")));
  out.emplace_back(or_none(str(pod, "status.nominatedNodeName")));
  out.emplace_back(readiness_gates(pod));
}

}  // namespace

void add_pod_printer(std::vector<Printer>& out) {
  out.push_back({"",
                 "Pod",
                 {name_column(), text_column("Ready"), text_column("Status"), text_column("Restarts"),
                  age_column(), text_column("IP", 1), text_column("Node", 1),
                  text_column("Nominated Node", 1), text_column("Readiness Gates", 1)},
                 pod_cells});
}

}  // namespace mk::api
