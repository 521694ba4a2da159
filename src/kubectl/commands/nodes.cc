#include <fmt/format.h>

#include "cli/duration.h"
#include "cluster/gone.h"
#include "commands/commands.h"
#include "commands/write.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

Result<std::vector<Found>> find_nodes(Invocation& call, Session& session, const Selectors& selectors) {
  std::vector<std::string> words{"nodes"};
  for (const auto& word : call.words)
    words.push_back(word.substr(word.find('/') == std::string::npos ? 0 : word.find('/') + 1));
  if (words.size() == 1 && selectors.labels.empty())
    return usage_error(fmt::format("error: USAGE: {} NODE [flags]", call.path));
  MK_ASSIGN(const auto targets, resolve_targets(session, words, {}));
  return fetch(session, targets, selectors);
}

Result<void> set_schedulable(Invocation& call, Session& session, const Found& node, bool unschedulable,
                             const WriteFlags& flags) {
  const char* done = unschedulable ? "cordoned" : "uncordoned";
  if (api::flag(node.object, "spec.unschedulable") == unschedulable)
    return flags.report(call.io, node.object, std::string("already ") + done);
  Json patch;
  api::set(patch, "spec.unschedulable", unschedulable ? Json(true) : Json(nullptr));
  if (!flags.client_only()) MK_TRY(patch_object(session, node.target, patch, kStrategic, flags));
  return flags.report(call.io, node.object, done);
}

Result<int> cordon(Invocation& call, bool unschedulable) {
  WriteFlags flags;
  Selectors selectors;
  flags.bind(call.flags, "kubectl-cordon");
  call.flags.text("selector", 'l', selectors.labels);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto nodes, find_nodes(call, *session, selectors));
  for (const auto& node : nodes) MK_TRY(set_schedulable(call, *session, node, unschedulable, flags));
  return 0;
}

struct DrainFlags {
  WriteFlags write;
  Selectors selectors;
  std::string timeout = "0s", pod_selector;
  std::int64_t grace_period = -1;
  bool force = false, ignore_daemon_sets = false, delete_empty_dir = false, disable_eviction = false;
};

const Json* controller(const Json& pod) {
  for (const auto& owner : api::list(pod, "metadata.ownerReferences")) {
    if (api::flag(owner, "controller")) return &owner;
  }
  return nullptr;
}

bool has_empty_dir(const Json& pod) {
  for (const auto& volume : api::list(pod, "spec.volumes")) {
    if (api::find(volume, "emptyDir")) return true;
  }
  return false;
}

struct DrainPlan {
  std::vector<Json> evict;
  std::vector<std::string> daemon_sets, unmanaged, local_data;
};

DrainPlan plan_drain(const JsonArray& pods, const DrainFlags& flags) {
  DrainPlan plan;
  for (const auto& pod : pods) {
    const std::string name =
        fmt::format("{}/{}", api::str(pod, "metadata.namespace"), api::str(pod, "metadata.name"));
    const auto phase = api::str(pod, "status.phase");
    const bool finished = phase == "Succeeded" || phase == "Failed";
    const Json* annotations = api::find(pod, "metadata.annotations");
    if (annotations && api::member(*annotations, "kubernetes.io/config.mirror")) continue;
    const Json* owner = controller(pod);
    if (owner && api::str(*owner, "kind") == "DaemonSet" && !finished) {
      plan.daemon_sets.push_back(name);
      continue;
    }
    if (!owner && !finished) plan.unmanaged.push_back(name);
    if (!finished && has_empty_dir(pod)) plan.local_data.push_back(name);
    if ((owner || finished || flags.force)) plan.evict.push_back(pod);
  }
  return plan;
}

Result<void> check_plan(Invocation& call, const DrainPlan& plan, const DrainFlags& flags) {
  std::vector<std::string> problems;
  if (!plan.daemon_sets.empty() && !flags.ignore_daemon_sets)
    problems.push_back("cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): " +
                       join(plan.daemon_sets, ", "));
  if (!plan.local_data.empty() && !flags.delete_empty_dir)
    problems.push_back("cannot delete Pods with local storage (use --delete-emptydir-data to override): " +
                       join(plan.local_data, ", "));
  if (!plan.unmanaged.empty() && !flags.force)
    problems.push_back("cannot delete Pods that declare no controller (use --force to override): " +
                       join(plan.unmanaged, ", "));
  if (!problems.empty())
    return usage_error("unable to drain node due to error: [" + join(problems, ", ") +
                       "], continuing command...");
  if (!plan.daemon_sets.empty())
    call.io.err << "Warning: ignoring DaemonSet-managed Pods: " << join(plan.daemon_sets, ", ") << "\n";
  if (!plan.unmanaged.empty())
    call.io.err << "Warning: deleting Pods that declare no controller: " << join(plan.unmanaged, ", ")
                << "\n";
  return ok();
}

// Until the budget allows it: 429 means "not now".
Result<void> evict(Invocation& call, Session& session, const Target& pod, const DrainFlags& flags,
                   const Deadline& deadline) {
  Json options{JsonObject{}};
  if (flags.grace_period >= 0) options.as_object()["gracePeriodSeconds"] = flags.grace_period;
  const Json eviction(
      JsonObject{{"apiVersion", "policy/v1"},
                 {"kind", "Eviction"},
                 {"deleteOptions", options},
                 {"metadata", JsonObject{{"name", api::text(pod.name)}, {"namespace", api::text(pod.ns)}}}});
  for (;;) {
    call.io.out << fmt::format("evicting pod {}/{}\n", pod.ns, pod.name) << std::flush;
    auto done = flags.disable_eviction ? session.send("DELETE", pod.path(), options)
                                       : session.send("POST", pod.path("eviction"), eviction);
    if (done.ok() || done.error().is(Reason::kNotFound)) return ok();
    if (!done.error().is(Reason::kTooManyRequests)) return std::move(done).error();
    call.io.err << fmt::format("error when evicting pods/\"{}\" -n \"{}\" (will retry after 5s): {}\n",
                               pod.name, pod.ns, done.error().message());
    if (deadline && session.clock().mono() + std::chrono::seconds(5) > *deadline)
      return usage_error(fmt::format("error when evicting pods/\"{}\" -n \"{}\": global timeout reached: {}",
                                     pod.name, pod.ns, flags.timeout));
    session.sleep(std::chrono::seconds(5));
  }
}

Result<void> drain_node(Invocation& call, Session& session, const Found& node, const DrainFlags& flags) {
  MK_TRY(set_schedulable(call, session, node, true, flags.write));
  std::string query = "?fieldSelector=" + url_encode("spec.nodeName=" + node.target.name);
  if (!flags.pod_selector.empty()) query += "&labelSelector=" + url_encode(flags.pod_selector);
  MK_ASSIGN(const Json pods, session.get("/api/v1/pods" + query));
  const DrainPlan plan = plan_drain(api::list(pods, "items"), flags);
  MK_TRY(check_plan(call, plan, flags));
  MK_ASSIGN(const Discovery* discovery, session.discovery());
  MK_ASSIGN(const auto limit, parse_duration(flags.timeout));
  const auto deadline = deadline_after(session, limit);
  if (flags.write.dry_run != "none") return flags.write.report(call.io, node.object, "drained");
  for (const auto& pod : plan.evict) {
    Target target;
    target.resource = discovery->find("pods");
    target.ns = api::str(pod, "metadata.namespace");
    target.name = api::str(pod, "metadata.name");
    MK_TRY(evict(call, session, target, flags, deadline));
  }
  for (const auto& pod : plan.evict) {
    Target target;
    target.resource = discovery->find("pods");
    target.ns = api::str(pod, "metadata.namespace");
    target.name = api::str(pod, "metadata.name");
    MK_TRY(wait_until_gone(session, target, std::string(api::str(pod, "metadata.uid")), deadline));
    call.io.out << fmt::format("pod/{} evicted\n", target.name) << std::flush;
  }
  return flags.write.report(call.io, node.object, "drained");
}

// "key=value:Effect", "key:Effect", "key:Effect-", "key-"
struct TaintChange {
  std::string key, value, effect;
  bool remove = false;
};
Result<TaintChange> parse_taint(std::string text) {
  TaintChange out;
  const std::string whole = text;
  out.remove = !text.empty() && text.back() == '-';
  if (out.remove) text.pop_back();
  const auto colon = text.find(':');
  if (colon != std::string::npos) out.effect = text.substr(colon + 1);
  text = text.substr(0, colon);
  const auto equals = text.find('=');
  out.key = text.substr(0, equals);
  if (equals != std::string::npos) out.value = text.substr(equals + 1);
  const bool known =
      out.effect == "NoSchedule" || out.effect == "PreferNoSchedule" || out.effect == "NoExecute";
  if (out.key.empty() || (!known && !(out.remove && out.effect.empty())))
    return usage_error(fmt::format("invalid taint spec: {}", whole));
  return out;
}

}  // namespace

Result<int> run_cordon(Invocation& call) {
  return cordon(call, true);
}
Result<int> run_uncordon(Invocation& call) {
  return cordon(call, false);
}

Result<int> run_drain(Invocation& call) {
  DrainFlags flags;
  flags.write.bind(call.flags, "kubectl-drain");
  call.flags.text("selector", 'l', flags.selectors.labels)
      .text("pod-selector", 0, flags.pod_selector)
      .text("timeout", 0, flags.timeout)
      .number("grace-period", 0, flags.grace_period)
      .boolean("force", 0, flags.force)
      .boolean("ignore-daemonsets", 0, flags.ignore_daemon_sets)
      .boolean("delete-emptydir-data", 0, flags.delete_empty_dir)
      .boolean("disable-eviction", 0, flags.disable_eviction)
      .ignored("skip-wait-for-delete-timeout", 0, true);
  MK_TRY(call.parse());
  MK_TRY(flags.write.check());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto nodes, find_nodes(call, *session, flags.selectors));
  for (const auto& node : nodes) MK_TRY(drain_node(call, *session, node, flags));
  return 0;
}

Result<int> run_taint(Invocation& call) {
  WriteFlags flags;
  Selectors selectors;
  bool overwrite = false, all = false;
  flags.bind(call.flags, "kubectl-taint");
  call.flags.text("selector", 'l', selectors.labels)
      .boolean("overwrite", 0, overwrite)
      .boolean("all", 0, all);
  MK_TRY(call.parse());
  std::vector<std::string> words;
  std::vector<TaintChange> changes;
  for (const auto& word : call.words) {
    if (word.find_first_of("=:") == std::string::npos && word.back() != '-') {
      words.push_back(word);
      continue;
    }
    MK_ASSIGN(TaintChange change, parse_taint(word));
    changes.push_back(std::move(change));
  }
  if (changes.empty()) return usage_error("at least one taint update is required");
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto targets, resolve_targets(*session, words, {}));
  MK_ASSIGN(const auto found, fetch(*session, targets, selectors));
  for (const auto& node : found) {
    JsonArray taints = api::list(node.object, "spec.taints");
    bool removed = false;
    for (const auto& change : changes) {
      const auto fits = [&](const Json& taint) {
        return api::str(taint, "key") == change.key &&
               (change.effect.empty() || api::str(taint, "effect") == change.effect);
      };
      JsonArray kept;
      bool any = false;
      for (const auto& taint : taints) {
        if (fits(taint))
          any = true;
        else
          kept.push_back(taint);
      }
      if (change.remove && !any)
        return usage_error(fmt::format("taint \"{}\" not found",
                                       change.key + (change.effect.empty() ? "" : ":" + change.effect)));
      if (!change.remove && any && !overwrite)
        return usage_error(
            fmt::format("node {} already has {} taint(s) with same effect(s) and --overwrite is false",
                        node.target.name, change.key));
      if (!change.remove)
        kept.push_back(JsonObject{{"key", api::text(change.key)},
                                  {"value", api::text(change.value)},
                                  {"effect", api::text(change.effect)}});
      removed = change.remove;
      taints = std::move(kept);
    }
    Json patch;
    api::set(patch, "spec.taints", taints.empty() ? Json(nullptr) : Json(std::move(taints)));
    api::set(patch, "metadata.resourceVersion", api::text(api::str(node.object, "metadata.resourceVersion")));
    MK_ASSIGN(const Json result, patch_object(*session, node.target, patch, kMerge, flags));
    MK_TRY(flags.report(call.io, result, removed ? "untainted" : "tainted"));
  }
  return 0;
}

}  // namespace mk::kubectl
