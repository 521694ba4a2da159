#include <fmt/format.h>

#include "cli/duration.h"
#include "cluster/gone.h"
#include "commands/commands.h"
#include "commands/write.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;
using api::JsonObject;

namespace {

struct DeleteFlags {
  FileFlags files;
  Selectors selectors;
  std::string cascade = "background", timeout = "0s", output, dry_run = "none", raw;
  std::int64_t grace_period = -1;
  bool all = false, all_namespaces = false, force = false, now = false, wait = true, ignore_not_found = false;

  void bind(Flags& flags) {
    files.bind(flags);
    selectors.bind(flags);
    flags.optional_text("cascade", 0, cascade, "background")
        .optional_text("dry-run", 0, dry_run, "unchanged")
        .text("timeout", 0, timeout)
        .text("output", 'o', output)
        .number("grace-period", 0, grace_period)
        .boolean("all", 0, all)
        .boolean("all-namespaces", 'A', all_namespaces)
        .boolean("force", 0, force)
        .boolean("now", 0, now)
        .boolean("wait", 0, wait)
        .boolean("ignore-not-found", 0, ignore_not_found);
  }

  Result<void> check() {
    if (now && grace_period != -1)
      return usage_error("--now and --grace-period cannot be specified together");
    if (now) grace_period = 1;
    if (force && grace_period < 0) grace_period = 0;
    if (force && grace_period > 0)
      return usage_error("--force and --grace-period greater than 0 cannot be specified together");
    if (grace_period == 0 && !force) {
      // kubectl turns an immediate deletion without --force into the shortest graceful one.
      grace_period = 1;
    }
    if (all && !selectors.labels.empty())
      return usage_error("cannot set --all and --selector at the same time");
    if (cascade == "true") cascade = "background";
    if (cascade == "false") cascade = "orphan";
    if (cascade != "background" && cascade != "foreground" && cascade != "orphan")
      return usage_error(fmt::format(
          "invalid cascade value ({}). Must be \"background\", \"foreground\", or \"orphan\"", cascade));
    return ok();
  }
};

Json delete_options(const DeleteFlags& flags) {
  const std::string policy = flags.cascade == "background"   ? "Background"
                             : flags.cascade == "foreground" ? "Foreground"
                                                             : "Orphan";
  JsonObject out{{"kind", "DeleteOptions"}, {"apiVersion", "v1"}, {"propagationPolicy", api::text(policy)}};
  if (flags.grace_period >= 0) out["gracePeriodSeconds"] = flags.grace_period;
  if (flags.dry_run == "server") out["dryRun"] = api::JsonArray{"All"};
  return Json(std::move(out));
}

void report(Io& io, const DeleteFlags& flags, const Target& target) {
  if (flags.output == "name") {
    io.out << target.label() << "\n";
    return;
  }
  const char* operation = flags.force ? "force deleted" : "deleted";
  const char* dry = flags.dry_run == "server"   ? " (server dry run)"
                    : flags.dry_run == "client" ? " (dry run)"
                                                : "";
  io.out << fmt::format("{} \"{}\" {}", singular_name(*target.resource), target.name, operation);
  if (target.resource->namespaced) io.out << fmt::format(" from {} namespace", target.ns);
  io.out << dry << "\n";
  io.out.flush();
}

Result<std::vector<Target>> expand(Session& session, std::vector<Target> targets, const DeleteFlags& flags) {
  std::vector<Target> out;
  for (auto& target : targets) {
    if (!target.name.empty()) {
      out.push_back(std::move(target));
      continue;
    }
    MK_ASSIGN(auto found, fetch(session, {target}, flags.selectors));
    for (auto& entry : found) out.push_back(std::move(entry.target));
  }
  return out;
}

// The uid whose disappearance ends the wait; "" when the answer does not tell.
std::string deleted_uid(const Json& answer) {
  if (api::str(answer, "kind") == "Status") return std::string(api::str(answer, "details.uid"));
  return std::string(api::str(answer, "metadata.uid"));
}

Result<int> delete_targets(Invocation& call, Session& session, const std::vector<Target>& targets,
                           const DeleteFlags& flags) {
  int code = 0;
  std::vector<std::pair<Target, std::string>> going;
  for (const auto& target : targets) {
    if (flags.dry_run == "client") {
      report(call.io, flags, target);
      continue;
    }
    auto answer = session.send("DELETE", target.path(), delete_options(flags));
    if (!answer.ok()) {
      if (answer.error().is(Reason::kNotFound) && flags.ignore_not_found) continue;
      call.io.out.flush();
      call.io.err << error_text(answer.error()) << "\n";
      code = 1;
      continue;
    }
    report(call.io, flags, target);
    going.emplace_back(target, deleted_uid(*answer));
  }
  if (!flags.wait || flags.dry_run != "none") return code;
  MK_ASSIGN(const auto limit, parse_duration(flags.timeout));
  const auto deadline = deadline_after(session, limit);
  for (const auto& [target, uid] : going) MK_TRY(wait_until_gone(session, target, uid, deadline));
  return code;
}

}  // namespace

Result<int> run_delete(Invocation& call) {
  DeleteFlags flags;
  flags.bind(call.flags);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  MK_ASSIGN(Session * session, call.connect());
  TargetRules rules;
  rules.all_namespaces = flags.all_namespaces;
  rules.names_required = !flags.all && flags.selectors.labels.empty() && flags.selectors.fields.empty();
  MK_ASSIGN(auto chosen, choose_targets(call, *session, flags.files, rules));
  if (flags.force)
    call.io.err << "Warning: Immediate deletion does not wait for confirmation that the running resource has "
                   "been terminated. The resource may continue to run on the cluster indefinitely.\n";
  MK_ASSIGN(const auto targets, expand(*session, std::move(chosen), flags));
  if (targets.empty()) {
    call.io.out << "No resources found\n";
    return 0;
  }
  return delete_targets(call, *session, targets, flags);
}

}  // namespace mk::kubectl
