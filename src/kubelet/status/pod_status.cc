#include "status/pod_status.h"

#include <fmt/core.h>

#include <algorithm>

#include "pods/resources.h"
#include "status/container_status.h"

namespace mk::kubelet {

namespace {

bool state_is(const Json& status, std::string_view state) {
  return api::find(status, "state." + std::string(state)) != nullptr;
}

bool ended_well(const Json& status) {
  return state_is(status, "terminated") && api::num(status, "state.terminated.exitCode", 1) == 0;
}

// Ours, and absent when they are not true.
constexpr std::string_view kResizeConditions[] = {"PodResizePending", "PodResizeInProgress"};
bool is_resize_condition(std::string_view type) {
  return type == kResizeConditions[0] || type == kResizeConditions[1];
}

// The pieces of one status on their way.
struct Draft {
  const Json& pod;
  const StatusInputs& in;
  JsonArray init, regular, ephemeral;

  // Has the init phase been passed? Also true for what ran before and came back.
  bool init_done(std::vector<std::string>* incomplete) const {
    bool done = true;
    const auto specs = init_containers(pod);
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const bool sidecar = specs[i].kind == ContainerKind::kSidecar;
      if (sidecar ? api::flag(init[i], "started") : ended_well(init[i])) continue;
      done = false;
      if (incomplete != nullptr) incomplete->emplace_back(specs[i].name());
    }
    return done;
  }

  bool any_regular_ran() const {
    return std::any_of(regular.begin(), regular.end(), [](const Json& status) {
      return !state_is(status, "waiting") || api::find(status, "lastState.terminated") != nullptr;
    });
  }
};

bool init_failed(const Draft& draft) {
  const auto specs = init_containers(draft.pod);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].kind != ContainerKind::kInit || !state_is(draft.init[i], "terminated")) continue;
    const auto code = static_cast<int>(api::num(draft.init[i], "state.terminated.exitCode"));
    if (code != 0 && !restarts_after(draft.pod, specs[i], code)) return true;
  }
  return false;
}

std::string_view phase_of(const Draft& draft) {
  if (draft.in.failure && draft.in.stopped) return "Failed";
  if (init_failed(draft)) return "Failed";
  std::size_t running = 0, waiting = 0, stopped = 0, succeeded = 0;
  for (const Json& status : draft.regular) {
    if (state_is(status, "running"))
      ++running;
    else if (state_is(status, "terminated"))
      ++stopped, succeeded += ended_well(status);
    else if (api::find(status, "lastState.terminated") != nullptr)
      ++stopped;
    else
      ++waiting;
  }
  if (draft.in.stopped && stopped > 0 && running == 0)
    return stopped == succeeded && waiting == 0 ? "Succeeded" : "Failed";
  if (!draft.any_regular_ran() && !draft.init_done(nullptr)) return "Pending";
  if (waiting > 0) return "Pending";
  if (running > 0) return "Running";
  if (stopped == 0) return "Pending";
  // All have stopped. A terminal phase needs the sidecars to have stopped too.
  for (const Json& status : draft.init)
    if (state_is(status, "running")) return "Running";
  const auto specs = regular_containers(draft.pod);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto code = static_cast<int>(api::num(draft.regular[i], "state.terminated.exitCode", 1));
    if (!state_is(draft.regular[i], "terminated") || restarts_after(draft.pod, specs[i], code))
      return "Running";
  }
  return stopped == succeeded ? "Succeeded" : "Failed";
}

struct Condition {
  std::string type;
  bool status = true;
  std::string reason, message;
};

Condition initialized_condition(const Draft& draft, std::string_view phase) {
  std::vector<std::string> incomplete;
  const bool done = draft.init_done(&incomplete);
  if (phase == "Succeeded") return {"Initialized", true, "PodCompleted", ""};
  if (done || draft.any_regular_ran()) return {"Initialized", true, "", ""};
  return {"Initialized", false, "ContainersNotInitialized",
          "containers with incomplete status: " + join_names(incomplete)};
}

Condition containers_ready_condition(const Draft& draft, std::string_view phase) {
  if (phase == "Succeeded") return {"ContainersReady", false, "PodCompleted", ""};
  if (phase == "Failed") return {"ContainersReady", false, "PodFailed", ""};
  std::vector<std::string> unready;
  const auto init = init_containers(draft.pod);
  for (std::size_t i = 0; i < init.size(); ++i)
    if (init[i].kind == ContainerKind::kSidecar && !api::flag(draft.init[i], "ready"))
      unready.emplace_back(init[i].name());
  for (const Json& status : draft.regular)
    if (!api::flag(status, "ready")) unready.emplace_back(api::str(status, "name"));
  if (unready.empty()) return {"ContainersReady", true, "", ""};
  return {"ContainersReady", false, "ContainersNotReady",
          "containers with unready status: " + join_names(unready)};
}

const Json* find_condition(const Json& pod, std::string_view type) {
  for (const Json& condition : api::list(pod, "status.conditions"))
    if (api::str(condition, "type") == type) return &condition;
  return nullptr;
}

Condition ready_condition(const Draft& draft, Condition ready) {
  ready.type = "Ready";
  if (!ready.status) return ready;
  std::string problems;
  for (const Json& gate : api::list(draft.pod, "spec.readinessGates")) {
    const auto type = api::str(gate, "conditionType");
    const Json* condition = find_condition(draft.pod, type);
    if (condition != nullptr && api::str(*condition, "status") == "True") continue;
    if (!problems.empty()) problems += ", ";
    if (condition == nullptr)
      problems += fmt::format("corresponding condition of pod readiness gate \"{}\" does not exist.", type);
    else
      problems += fmt::format("the status of pod readiness gate \"{}\" is not \"True\", but {}", type,
                              api::str(*condition, "status"));
  }
  if (problems.empty()) return ready;
  return {"Ready", false, "ReadinessGatesNotReady", problems};
}

Json condition_json(const Json& pod, const Condition& condition, rt::WallTime now) {
  const Json* old = find_condition(pod, condition.type);
  const std::string_view status = condition.status ? "True" : "False";
  JsonObject out{{"type", text(condition.type)}, {"status", text(status)}, {"lastProbeTime", nullptr}};
  if (!condition.reason.empty()) out["reason"] = text(condition.reason);
  if (!condition.message.empty()) out["message"] = text(condition.message);
  const bool same =
      old != nullptr && api::str(*old, "status") == status && !api::str(*old, "lastTransitionTime").empty();
  out["lastTransitionTime"] = same ? text(api::str(*old, "lastTransitionTime")) : text(rt::format_time(now));
  if (const auto generation = api::num(pod, "metadata.generation"); generation != 0)
    out["observedGeneration"] = generation;
  return out;
}

JsonArray make_conditions(const Draft& draft, std::string_view phase) {
  const Json& pod = draft.pod;
  const auto& snapshot = draft.in.snapshot;
  const bool sandbox = snapshot != nullptr && snapshot->sandbox.ready;
  const Condition containers_ready = containers_ready_condition(draft, phase);
  std::vector<Condition> own{{"PodReadyToStartContainers", sandbox, "", ""},
                             initialized_condition(draft, phase),
                             ready_condition(draft, containers_ready),
                             containers_ready};
  if (const auto& why = draft.in.resize_pending)
    own.push_back({std::string(kResizeConditions[0]), true, why->reason, why->message});
  if (const auto& why = draft.in.resize_running)
    own.push_back({std::string(kResizeConditions[1]), true, why->reason, why->message});
  if (draft.in.evicted && draft.in.failure)
    own.push_back({"DisruptionTarget", true, "TerminationByKubelet", draft.in.failure->message});
  if (find_condition(pod, "PodScheduled") == nullptr) own.push_back({"PodScheduled", true, "", ""});
  JsonArray out;
  for (const auto& condition : own) out.push_back(condition_json(pod, condition, draft.in.now));
  for (const Json& old : api::list(pod, "status.conditions")) {
    const auto type = api::str(old, "type");
    if (is_resize_condition(type)) continue;  // there while it is true only
    if (std::none_of(own.begin(), own.end(), [&](const Condition& mine) { return mine.type == type; }))
      out.push_back(old);
  }
  return out;
}

void set_addresses(JsonObject& out, const Draft& draft) {
  const auto& in = draft.in;
  if (!in.node_ip.empty()) {
    out["hostIP"] = text(in.node_ip);
    out["hostIPs"] = JsonArray{JsonObject{{"ip", text(in.node_ip)}}};
  }
  std::vector<std::string> ips;
  if (host_network(draft.pod) && !in.node_ip.empty())
    ips.push_back(in.node_ip);
  else if (in.snapshot != nullptr && !in.snapshot->sandbox.ips.empty())
    ips = in.snapshot->sandbox.ips;
  else if (!in.pod_ip.empty())
    ips.push_back(in.pod_ip);
  if (ips.empty()) return;
  out["podIP"] = text(ips.front());
  JsonArray all;
  for (const auto& ip : ips) all.push_back(JsonObject{{"ip", text(ip)}});
  out["podIPs"] = std::move(all);
}

void fill_statuses(Draft& draft) {
  for (const auto& container : all_containers(draft.pod)) {
    const bool init = container.kind == ContainerKind::kInit || container.kind == ContainerKind::kSidecar;
    const bool ephemeral = container.kind == ContainerKind::kEphemeral;
    const std::string_view field = init        ? "status.initContainerStatuses"
                                   : ephemeral ? "status.ephemeralContainerStatuses"
                                               : "status.containerStatuses";
    const Json* old = find_named(api::list(draft.pod, field), container.name());
    auto& list = init ? draft.init : ephemeral ? draft.ephemeral : draft.regular;
    list.push_back(make_container_status(draft.pod, container, old, draft.in));
  }
}

}  // namespace

std::string join_names(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const auto& name : names) out += (out.size() > 1 ? " " : "") + name;
  return out + "]";
}

Json make_pod_status(const Json& pod, const StatusInputs& in) {
  Draft draft{pod, in, {}, {}, {}};
  fill_statuses(draft);
  const auto phase = phase_of(draft);
  JsonObject out = api::object(pod, "status");
  out["phase"] = text(phase);
  out["conditions"] = make_conditions(draft, phase);
  out["qosClass"] = text(to_string(qos_class(pod)));
  if (const auto generation = api::num(pod, "metadata.generation"); generation != 0)
    out["observedGeneration"] = generation;
  const auto started = api::str(pod, "status.startTime");
  out["startTime"] = started.empty() ? text(rt::format_time(in.now)) : text(started);
  for (auto [name, list] : {std::pair<const char*, JsonArray*>{"initContainerStatuses", &draft.init},
                            {"containerStatuses", &draft.regular},
                            {"ephemeralContainerStatuses", &draft.ephemeral}}) {
    if (list->empty())
      out.erase(name);
    else
      out[name] = std::move(*list);
  }
  if (in.failure) {
    out["reason"] = text(in.failure->reason);
    if (!in.failure->message.empty()) out["message"] = text(in.failure->message);
  }
  set_addresses(out, draft);
  return out;
}

namespace {

// Lists that the API merges by a key: elements to change, and "$patch: delete" for those that went.
JsonArray merge_list_patch(const JsonArray& current, const JsonArray& wanted, std::string_view key,
                           bool remove) {
  JsonArray out;
  const auto find_in = [&](const JsonArray& list, const Json& item) -> const Json* {
    for (const Json& other : list)
      if (api::str(other, key) == api::str(item, key)) return &other;
    return nullptr;
  };
  for (const Json& item : wanted) {
    const Json* old = find_in(current, item);
    if (old != nullptr && *old == item) continue;
    JsonObject change = item.get_object();
    if (old != nullptr && old->is_object())
      for (const auto& field : old->get_object())
        if (!change.contains(field.key())) change[field.key()] = nullptr;
    out.push_back(std::move(change));
  }
  for (const Json& item : current)
    if ((remove || is_resize_condition(api::str(item, key))) && find_in(wanted, item) == nullptr)
      out.push_back(JsonObject{{"$patch", "delete"}, {key, text(api::str(item, key))}});
  return out;
}

}  // namespace

std::optional<Json> status_patch(const std::string& uid, const Json& current, const Json& wanted) {
  JsonObject change;
  static const JsonObject kNone;
  const JsonObject& old = current.is_object() ? current.get_object() : kNone;
  static const JsonArray kEmpty;
  for (const auto& field : wanted.get_object()) {
    const Json* before = old.if_contains(field.key());
    if (before != nullptr && *before == field.value()) continue;
    const std::string_view name(field.key().data(), field.key().size());
    const bool conditions = name == "conditions";
    if (conditions || name == "podIPs" || name == "hostIPs") {
      const JsonArray& had = before != nullptr && before->is_array() ? before->get_array() : kEmpty;
      auto list = merge_list_patch(had, field.value().get_array(), conditions ? "type" : "ip", !conditions);
      if (!list.empty()) change[name] = std::move(list);
    } else {
      change[name] = field.value();
    }
  }
  for (const auto& field : old)
    if (wanted.get_object().if_contains(field.key()) == nullptr) change[field.key()] = nullptr;
  if (change.empty()) return std::nullopt;
  return JsonObject{{"metadata", JsonObject{{"uid", text(uid)}}}, {"status", std::move(change)}};
}

}  // namespace mk::kubelet
