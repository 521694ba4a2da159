#include <fmt/format.h>
#include <unistd.h>

#include "cluster/pods.h"
#include "commands/commands.h"
#include "mk/base/strings.h"
#include "stream/remote_command.h"

namespace mk::kubectl {

using api::Json;

namespace {

struct ExecFlags {
  RemoteOptions remote;
  FileFlags files;
  std::string container;
  bool quiet = false;

  void bind(Flags& flags) {
    flags.boolean("stdin", 'i', remote.input)
        .boolean("tty", 't', remote.tty)
        .boolean("quiet", 'q', quiet)
        .text("container", 'c', container)
        .ignored("pod-running-timeout", 0, true);
  }
};

// A terminal is only asked for where there is one.
void check_terminal(Invocation& call, ExecFlags& flags) {
  if (!flags.remote.tty || !flags.remote.input || ::isatty(STDIN_FILENO) != 0) return;
  call.io.err << "Unable to use a TTY - input is not a terminal or the right kind of file\n";
  flags.remote.tty = false;
}

Result<int> stream_to_pod(Invocation& call, ExecFlags& flags, const std::string& subresource,
                          const std::vector<std::string>& command) {
  check_terminal(call, flags);
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const Target target, resolve_one(*session, {call.words[0]}, "pods"));
  MK_ASSIGN(const Json pod, pod_behind(*session, target, call.io));
  const auto phase = api::str(pod, "status.phase");
  if (phase == "Succeeded" || phase == "Failed")
    return usage_error(
        fmt::format("cannot exec into a container in a completed pod; current phase is {}", phase));
  MK_ASSIGN(const std::string container, choose_container(pod, flags.container, call.io, !flags.quiet));
  std::string path = "/api/v1/namespaces/" + url_encode(api::str(pod, "metadata.namespace")) + "/pods/" +
                     url_encode(api::str(pod, "metadata.name")) + "/" + subresource +
                     "?container=" + url_encode(container) + "&stdout=true";
  for (const auto& word : command) path += "&command=" + url_encode(word);
  if (flags.remote.input) path += "&stdin=true";
  path += flags.remote.tty ? "&tty=true" : "&stderr=true";
  MK_ASSIGN(const int code, run_remote(*session, path, flags.remote, call.io));
  if (code != 0 && subresource == "exec")
    call.io.err << fmt::format("command terminated with exit code {}\n", code);
  return code;
}

}  // namespace

Result<int> run_exec(Invocation& call) {
  ExecFlags flags;
  flags.bind(call.flags);
  MK_TRY(call.parse());
  const std::size_t before = call.dash.value_or(call.words.size());
  if (before == 0 || call.words.empty()) return usage_error("pod, type/name or --filename must be specified");
  std::vector<std::string> command(call.words.begin() + 1, call.words.end());
  if (command.empty()) return usage_error("you must specify at least one command for the container");
  if (!call.dash)
    return usage_error(
        "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\nSee 'kubectl "
        "exec -h' for help and examples");
  return stream_to_pod(call, flags, "exec", command);
}

Result<int> run_attach(Invocation& call) {
  ExecFlags flags;
  flags.bind(call.flags);
  MK_TRY(call.parse());
  if (call.words.size() != 1) return usage_error("at least 1 argument is required for attach");
  return stream_to_pod(call, flags, "attach", {});
}

}  // namespace mk::kubectl
