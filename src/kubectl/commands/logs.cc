#include <fmt/format.h>

#include <algorithm>

#include "cli/duration.h"
#include "cluster/pods.h"
#include "commands/commands.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;

namespace {

struct LogFlags {
  Selectors selectors;
  std::string container, since, since_time;
  std::int64_t tail = -1, limit_bytes = 0;
  bool follow = false, previous = false, timestamps = false, all_containers = false, prefix = false,
       ignore_errors = false;
  bool all_pods = false;

  void bind(Flags& flags) {
    flags.text("container", 'c', container)
        .text("selector", 'l', selectors.labels)
        .text("since", 0, since)
        .text("since-time", 0, since_time)
        .number("tail", 0, tail)
        .number("limit-bytes", 0, limit_bytes)
        .boolean("follow", 'f', follow)
        .boolean("previous", 'p', previous)
        .boolean("timestamps", 0, timestamps)
        .boolean("all-containers", 0, all_containers)
        .boolean("all-pods", 0, all_pods)
        .boolean("prefix", 0, prefix)
        .boolean("ignore-errors", 0, ignore_errors)
        .ignored("max-log-requests", 0, true)
        .ignored("pod-running-timeout", 0, true);
  }

  Result<std::string> query(const std::string& of) const {
    std::string out = "?container=" + url_encode(of);
    if (follow) out += "&follow=true";
    if (previous) out += "&previous=true";
    if (timestamps) out += "&timestamps=true";
    // A selector without --tail shows the last ten lines of each.
    const auto lines = tail == -1 && !selectors.labels.empty() && !follow ? 10 : tail;
    if (lines >= 0) out += fmt::format("&tailLines={}", lines);
    if (limit_bytes > 0) out += fmt::format("&limitBytes={}", limit_bytes);
    if (!since_time.empty()) out += "&sinceTime=" + url_encode(since_time);
    if (!since.empty()) {
      MK_ASSIGN(const auto age, parse_duration(since));
      out += fmt::format(
          "&sinceSeconds={}",
          std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::seconds>(age).count()));
    }
    return out;
  }
};

Result<std::vector<Json>> pods_of(Invocation& call, Session& session, const LogFlags& flags) {
  if (!flags.selectors.labels.empty()) {
    MK_ASSIGN(const Json answer, session.get("/api/v1/namespaces/" + url_encode(session.ns()) + "/pods" +
                                             flags.selectors.query()));
    const auto& items = api::list(answer, "items");
    return std::vector<Json>(items.begin(), items.end());
  }
  if (call.words.empty())
    return usage_error(
        "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required "
        "argument for the logs command\nSee 'kubectl logs -h' for help and examples");
  MK_ASSIGN(const Target target, resolve_one(session, {call.words[0]}, "pods"));
  if (flags.all_pods) return pods_behind(session, target);
  MK_ASSIGN(Json pod, pod_behind(session, target, call.io));
  return std::vector<Json>{std::move(pod)};
}

Result<void> copy_log(Invocation& call, Session& session, const Json& pod, const std::string& container,
                      const LogFlags& flags) {
  MK_ASSIGN(const std::string query, flags.query(container));
  const std::string target = "/api/v1/namespaces/" + url_encode(api::str(pod, "metadata.namespace")) +
                             "/pods/" + url_encode(api::str(pod, "metadata.name")) + "/log" + query;
  MK_ASSIGN(LineStream stream, session.follow(target, "*/*"));
  const std::string prefix =
      flags.prefix ? fmt::format("[pod/{}/{}] ", api::str(pod, "metadata.name"), container) : "";
  for (;;) {
    if (prefix.empty()) {
      MK_ASSIGN(const std::string bytes, stream.bytes());
      if (bytes.empty()) return ok();
      call.io.out << bytes;
    } else {
      MK_ASSIGN(const auto line, stream.next());
      if (!line) return ok();
      call.io.out << prefix << *line << "\n";
    }
    call.io.out.flush();
  }
}

}  // namespace

Result<int> run_logs(Invocation& call) {
  LogFlags flags;
  flags.bind(call.flags);
  MK_TRY(call.parse());
  if (call.words.size() == 2 && flags.container.empty()) flags.container = call.words[1];
  if (flags.all_containers && !flags.container.empty())
    return usage_error("--all-containers=true should not be specified with container name " +
                       flags.container);
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto pods, pods_of(call, *session, flags));
  if (pods.empty()) {
    call.io.err << fmt::format("No resources found in {} namespace.\n", session->ns());
    return 0;
  }
  for (const auto& pod : pods) {
    std::vector<std::string> containers;
    if (flags.all_containers) {
      containers = container_names(pod);
    } else {
      MK_ASSIGN(const std::string container,
                choose_container(pod, flags.container, call.io, flags.follow || pods.size() == 1));
      containers = {container};
    }
    for (const auto& container : containers) {
      auto done = copy_log(call, *session, pod, container, flags);
      if (!done.ok() && !flags.ignore_errors) return std::move(done).error();
      if (!done.ok()) call.io.err << error_text(done.error()) << "\n";
    }
  }
  return 0;
}

}  // namespace mk::kubectl
