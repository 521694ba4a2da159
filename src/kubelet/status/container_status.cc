#include "status/container_status.h"

#include "pods/actions.h"

namespace mk::kubelet {

namespace {

constexpr std::string_view kIdScheme = "mk://";

Json terminated_state(const ContainerStatus& status, const StatusInputs& in) {
  JsonObject out;
  const bool unknown = status.state == ContainerState::kUnknown;
  out["exitCode"] = unknown && status.exit_code == 0 ? 137 : status.exit_code;
  if (status.signal != 0) out["signal"] = status.signal;
  if (unknown)
    out["reason"] = "ContainerStatusUnknown";
  else if (in.start_errors.count(status.id) != 0)
    out["reason"] = "StartError";
  else if (status.oom_killed)
    out["reason"] = "OOMKilled";
  else
    out["reason"] = status.exit_code == 0 ? "Completed" : "Error";
  if (const auto found = in.termination_messages.find(status.id);
      found != in.termination_messages.end() && !found->second.empty())
    out["message"] = text(found->second);
  out["startedAt"] = text(rt::format_time(status.started_at));
  out["finishedAt"] = text(rt::format_time(status.finished_at));
  out["containerID"] = text(std::string(kIdScheme) + status.id);
  return JsonObject{{"terminated", std::move(out)}};
}

Json waiting_state(const ReasonMessage& why) {
  JsonObject out{{"reason", text(why.reason)}};
  if (!why.message.empty()) out["message"] = text(why.message);
  return JsonObject{{"waiting", std::move(out)}};
}

ReasonMessage default_waiting(const Json& pod) {
  return {api::list(pod, "spec.initContainers").empty() ? "ContainerCreating" : "PodInitializing", ""};
}

// What the API last saw end, for containers that the runtime no longer knows.
Json remembered_end(const Json* old) {
  if (old == nullptr) return JsonObject{};
  if (const Json* state = api::find(*old, "state.terminated")) return JsonObject{{"terminated", *state}};
  if (const Json* last = api::find(*old, "lastState.terminated")) return JsonObject{{"terminated", *last}};
  if (const Json* running = api::find(*old, "state.running")) {
    JsonObject lost{{"exitCode", 137},
                    {"reason", "ContainerStatusUnknown"},
                    {"message", "The container could not be located when the pod was started again"},
                    {"containerID", text(api::str(*old, "containerID"))}};
    (void)running;
    lost["startedAt"] = nullptr;
    lost["finishedAt"] = nullptr;
    return JsonObject{{"terminated", std::move(lost)}};
  }
  return JsonObject{};
}

const ContainerStatus* before(const PodSnapshot& snapshot, const ContainerStatus& current) {
  const ContainerStatus* out = nullptr;
  for (const auto& status : snapshot.containers) {
    if (status.name != current.name || status.attempt >= current.attempt || !ended(status)) continue;
    if (out == nullptr || status.attempt > out->attempt) out = &status;
  }
  return out;
}

void set_absent(JsonObject& out, const Json& pod, const ContainerRef& container, const Json* old,
                const StatusInputs& in) {
  const auto waiting = in.waiting.find(std::string(container.name()));
  const Json last = remembered_end(old);
  out["imageID"] = "";
  out["restartCount"] = old == nullptr ? 0 : api::num(*old, "restartCount");
  if (in.stopped && !last.get_object().empty()) {
    out["state"] = last;
    out["lastState"] = JsonObject{};
    out["containerID"] = text(api::str(*old, "containerID"));
    out["imageID"] = text(api::str(*old, "imageID"));
  } else {
    out["state"] = waiting_state(waiting != in.waiting.end() ? waiting->second : default_waiting(pod));
    out["lastState"] = last;
  }
  out["ready"] = false;
  out["started"] = false;
}

void set_present(JsonObject& out, const ContainerRef& container, const ContainerStatus& status,
                 const Json* old, const StatusInputs& in) {
  const auto waiting = in.waiting.find(status.name);
  const auto* previous = before(*in.snapshot, status);
  const bool same = old != nullptr && api::str(*old, "containerID") == std::string(kIdScheme) + status.id;
  Json last = previous != nullptr ? terminated_state(*previous, in)
              : same              ? Json(api::object(*old, "lastState"))
                                  : remembered_end(old);
  const bool running = status.state == ContainerState::kRunning;
  if (running) {
    out["state"] =
        JsonObject{{"running", JsonObject{{"startedAt", text(rt::format_time(status.started_at))}}}};
  } else if (waiting != in.waiting.end()) {
    out["state"] = waiting_state(waiting->second);
    if (ended(status)) last = terminated_state(status, in);
  } else if (ended(status)) {
    out["state"] = terminated_state(status, in);
  } else {
    out["state"] = waiting_state({"ContainerCreating", ""});
  }
  out["lastState"] = std::move(last);
  out["containerID"] = text(std::string(kIdScheme) + status.id);
  out["restartCount"] = status.attempt;
  if (const auto image = in.images.find(status.image_id); image != in.images.end()) {
    out["imageID"] = text(image->second.id);
    if (!image->second.name.empty()) out["image"] = text(image->second.name);
  } else {
    out["imageID"] = text(status.image_id);
  }
  const bool started = running && in.started.count(status.id) != 0;
  out["started"] = started;
  if (container.kind == ContainerKind::kInit)
    out["ready"] = ended(status) && status.exit_code == 0;
  else
    out["ready"] = container.kind != ContainerKind::kEphemeral && started && in.ready.count(status.id) != 0;
}

const Json* resources_in(const Allocation& allocation, std::string_view name) {
  const auto found = allocation.find(std::string(name));
  return found == allocation.end() ? nullptr : &found->second;
}

void set_resources(JsonObject& out, const Json& container, const StatusInputs& in) {
  static const Json kNone = JsonObject{};
  const auto name = api::str(container, "name");
  const Json* granted = resources_in(in.granted, name);
  if (granted == nullptr) granted = api::find(container, "resources");
  if (granted == nullptr || !granted->is_object()) granted = &kNone;
  const Json* actual = resources_in(in.actual, name);
  if (actual == nullptr) actual = granted;
  JsonObject shown;
  for (std::string_view which : {"limits", "requests"})
    if (const Json* amounts = api::find(*actual, which)) shown[which] = *amounts;
  if (const Json* requests = api::find(*granted, "requests")) out["allocatedResources"] = *requests;
  out["resources"] = std::move(shown);
}

void set_mounts(JsonObject& out, const Json& container) {
  JsonArray mounts;
  for (const Json& mount : api::list(container, "volumeMounts")) {
    JsonObject shown{{"name", text(api::str(mount, "name"))},
                     {"mountPath", text(api::str(mount, "mountPath"))}};
    if (api::flag(mount, "readOnly")) {
      shown["readOnly"] = true;
      shown["recursiveReadOnly"] = "Disabled";
    }
    mounts.push_back(std::move(shown));
  }
  if (!mounts.empty()) out["volumeMounts"] = std::move(mounts);
}

}  // namespace

const Json* find_named(const JsonArray& items, std::string_view name) {
  for (const Json& item : items)
    if (api::str(item, "name") == name) return &item;
  return nullptr;
}

Json make_container_status(const Json& pod, const ContainerRef& container, const Json* old,
                           const StatusInputs& in) {
  JsonObject out{{"name", text(container.name())}, {"image", text(api::str(*container.spec, "image"))}};
  const auto* status = in.snapshot == nullptr ? nullptr : latest(*in.snapshot, container.name());
  if (status == nullptr)
    set_absent(out, pod, container, old, in);
  else
    set_present(out, container, *status, old, in);
  if (container.kind != ContainerKind::kEphemeral) set_resources(out, *container.spec, in);
  set_mounts(out, *container.spec);
  if (container.kind == ContainerKind::kEphemeral) out["started"] = nullptr, out.erase("started");
  return out;
}

}  // namespace mk::kubelet
