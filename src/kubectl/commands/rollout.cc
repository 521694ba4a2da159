#include <fmt/format.h>

#include <map>

#include "cli/duration.h"
#include "cluster/gone.h"
#include "cluster/watch.h"
#include "commands/commands.h"
#include "commands/rollout_status.h"
#include "commands/write.h"
#include "mk/base/strings.h"
#include "print/tab_writer.h"

namespace mk::kubectl {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

constexpr const char* kRevision = "deployment.kubernetes.io/revision";

std::string annotation(const Json& object, std::string_view key) {
  const Json* annotations = api::find(object, "metadata.annotations");
  const Json* value = annotations ? api::member(*annotations, key) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : "";
}

bool owned_by(const Json& object, std::string_view uid) {
  for (const auto& owner : api::list(object, "metadata.ownerReferences")) {
    if (api::flag(owner, "controller") && api::str(owner, "uid") == uid) return true;
  }
  return false;
}

// The pod templates a workload had, by revision.
struct Revision {
  Json source;  // a ReplicaSet or a ControllerRevision
  bool is_replica_set = false;
};
Result<std::map<std::int64_t, Revision>> revisions(Session& session, const Target& target,
                                                   const Json& workload) {
  const bool deployment = target.resource->kind == "Deployment";
  const std::string path = "/apis/apps/v1/namespaces/" + url_encode(target.ns) +
                           (deployment ? "/replicasets" : "/controllerrevisions");
  MK_ASSIGN(const Json answer, session.get(path));
  std::map<std::int64_t, Revision> out;
  for (const auto& item : api::list(answer, "items")) {
    if (!owned_by(item, api::str(workload, "metadata.uid"))) continue;
    const auto number =
        deployment ? parse_int(annotation(item, kRevision)).value_or(0) : api::num(item, "revision");
    out[number] = Revision{item, deployment};
  }
  return out;
}

Json template_of(const Revision& revision) {
  const Json* found =
      api::find(revision.source, revision.is_replica_set ? "spec.template" : "data.spec.template");
  Json out = found ? *found : Json(JsonObject());
  if (auto* object = out.if_object()) object->erase("$patch");
  JsonObject labels = api::object(out, "metadata.labels");
  labels.erase("pod-template-hash");
  api::set(out, "metadata.labels", std::move(labels));
  return out;
}

Result<int> change_template(Invocation& call, const char* verb,
                            Result<Json> (*make_patch)(const Target&, const Json&)) {
  FileFlags files;
  WriteFlags flags;
  files.bind(call.flags);
  flags.bind(call.flags, "kubectl-rollout");
  Selectors selectors;
  call.flags.text("selector", 'l', selectors.labels);
  MK_TRY(call.parse());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto targets, choose_targets(call, *session, files, {}));
  MK_ASSIGN(const auto found, fetch(*session, targets, selectors));
  for (const auto& entry : found) {
    MK_ASSIGN(const Json patch, make_patch(entry.target, entry.object));
    MK_ASSIGN(const Json result, patch_object(*session, entry.target, patch, kStrategic, flags));
    MK_TRY(flags.report(call.io, result, verb));
  }
  return 0;
}

Result<Json> restart_patch(const Target& target, const Json& object) {
  const auto& kind = target.resource->kind;
  if (kind != "Deployment" && kind != "DaemonSet" && kind != "StatefulSet")
    return usage_error(
        fmt::format("{} \"{}\" restarting is not supported", target.resource->gvr.qualified(), target.name));
  if (kind == "Deployment" && api::flag(object, "spec.paused"))
    return usage_error(fmt::format(
        "deployments.apps \"{}\" can't restart paused deployment (run rollout resume first)", target.name));
  Json out;
  const std::string now = rt::format_time(rt::make_real_clock()->now());
  api::set(out, "spec.template.metadata.annotations",
           JsonObject{{"kubectl.kubernetes.io/restartedAt", api::text(now)}});
  return out;
}

Result<Json> pause_patch(const Target& target, const Json& object, bool pause) {
  const char* verb = pause ? "pausing" : "resuming";
  if (target.resource->kind != "Deployment")
    return usage_error(
        fmt::format("{} \"{}\" {} is not supported", target.resource->gvr.qualified(), target.name, verb));
  if (api::flag(object, "spec.paused") == pause)
    return usage_error(
        fmt::format("deployments.apps \"{}\" is {}", target.name, pause ? "already paused" : "not paused"));
  Json out;
  api::set(out, "spec.paused", pause);
  return out;
}

}  // namespace

Result<int> run_rollout_restart(Invocation& call) {
  return change_template(call, "restarted", restart_patch);
}

Result<int> run_rollout_pause(Invocation& call) {
  return change_template(call, "paused", [](const Target& target, const Json& object) {
    return pause_patch(target, object, true);
  });
}

Result<int> run_rollout_resume(Invocation& call) {
  return change_template(call, "resumed", [](const Target& target, const Json& object) {
    return pause_patch(target, object, false);
  });
}

Result<int> run_rollout_status(Invocation& call) {
  FileFlags files;
  bool watch = true;
  std::string timeout = "0s";
  std::int64_t revision = 0;
  files.bind(call.flags);
  call.flags.boolean("watch", 'w', watch).text("timeout", 0, timeout).number("revision", 0, revision);
  MK_TRY(call.parse());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto targets, choose_targets(call, *session, files, {}));
  MK_ASSIGN(const auto limit, parse_duration(timeout));
  const auto deadline = deadline_after(*session, limit);
  MK_ASSIGN(const auto found, fetch(*session, targets, {}));
  for (const auto& entry : found) {
    MK_ASSIGN(RolloutStatus status, rollout_status(entry.object, revision));
    call.io.out << status.message << std::flush;
    Target collection = entry.target;
    collection.name.clear();
    Watcher watcher(*session, collection.path() + "?fieldSelector=metadata.name=" + entry.target.name,
                    std::string(api::str(entry.object, "metadata.resourceVersion")));
    while (watch && !status.done) {
      auto event = watcher.next(time_left(*session, deadline));
      if (!event && event.error().is(Reason::kTimeout))
        return usage_error("timed out waiting for the condition");
      if (!event) return std::move(event).error();
      if (!*event) return usage_error("the server ended the watch");
      if ((*event)->type == "DELETED") return usage_error("object has been deleted");
      MK_ASSIGN(RolloutStatus next, rollout_status((*event)->object, revision));
      if (next.message != status.message) call.io.out << next.message << std::flush;
      status = std::move(next);
    }
  }
  return 0;
}

Result<int> run_rollout_history(Invocation& call) {
  FileFlags files;
  std::int64_t wanted = 0;
  files.bind(call.flags);
  call.flags.number("revision", 0, wanted).ignored("output", 'o', true);
  MK_TRY(call.parse());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto targets, choose_targets(call, *session, files, {}));
  MK_ASSIGN(const auto found, fetch(*session, targets, {}));
  for (const auto& entry : found) {
    MK_ASSIGN(const auto all, revisions(*session, entry.target, entry.object));
    call.io.out << entry.target.label() << " ";
    if (wanted > 0) {
      const auto one = all.find(wanted);
      if (one == all.end()) return usage_error(fmt::format("unable to find the specified revision"));
      call.io.out << fmt::format("with revision #{}\n{}", wanted, api::to_yaml(template_of(one->second)));
      continue;
    }
    std::string text = "\nREVISION\tCHANGE-CAUSE\n";
    for (const auto& [number, revision] : all) {
      const std::string cause = annotation(revision.source, "kubernetes.io/change-cause");
      text += fmt::format("{}\t{}\n", number, cause.empty() ? "<none>" : cause);
    }
    call.io.out << align_tabs(text, 0, 2) << "\n";
  }
  return 0;
}

Result<int> run_rollout_undo(Invocation& call) {
  FileFlags files;
  WriteFlags flags;
  std::int64_t wanted = 0;
  files.bind(call.flags);
  flags.bind(call.flags, "kubectl-rollout");
  call.flags.number("to-revision", 0, wanted);
  MK_TRY(call.parse());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto targets, choose_targets(call, *session, files, {}));
  MK_ASSIGN(const auto found, fetch(*session, targets, {}));
  for (const auto& entry : found) {
    if (api::flag(entry.object, "spec.paused"))
      return usage_error(
          fmt::format("you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume "
                      "deployment/{}' and try again",
                      entry.target.name));
    MK_ASSIGN(auto all, revisions(*session, entry.target, entry.object));
    if (wanted == 0 && all.size() < 2)
      return usage_error(fmt::format("no rollout history found for {} \"{}\"",
                                     to_lower(entry.target.resource->kind), entry.target.name));
    auto chosen = wanted == 0 ? std::prev(all.end(), 2) : all.find(wanted);
    if (chosen == all.end())
      return usage_error(fmt::format("unable to find specified revision {} in history", wanted));
    const Json wanted_template = template_of(chosen->second);
    if (std::next(chosen) == all.end()) {
      call.io.out << fmt::format("{} skipped rollback (current template already matches revision {})\n",
                                 entry.target.label(), chosen->first);
      continue;
    }
    JsonArray patch{JsonObject{{"op", "replace"}, {"path", "/spec/template"}, {"value", wanted_template}}};
    MK_ASSIGN(const Json result,
              patch_object(*session, entry.target, Json(std::move(patch)), kJsonPatch, flags));
    MK_TRY(flags.report(call.io, result, "rolled back"));
  }
  return 0;
}

}  // namespace mk::kubectl
