#pragma once

// What the agent and a pod's supervisor say to each other over <pod folder>/s, a SOCK_SEQPACKET socket: one
// message is one packet of NUL-terminated fields. Shared by both programs: no library types here.
//
//   request: <number> <verb> <arguments...>      answer: <number> "ok"|"err" <results or text...>
//
//   create <id> <bundle> <log path> <flags: i stdin, o stdin once, t tty> <oom file>
//          -> ok <pid>; on err runc's log is in containers/<id>/runc.log
//   start <id>                      -> ok
//   kill <id> <signal>              -> ok, also when it has exited
//   exec <id> <name> <process.json> <console socket or "">   with three descriptors for its stdio
//          -> ok <pid>; later "exec-exit <code> <signal>" on the same connection, whose end kills the program
//   attach <id> <flags: i stdin>    with descriptors for stdout and stderr (one with a tty)
//          -> ok, with a descriptor of its stdin (or pty) if asked for
//   list   -> one "container" event per container, then ok
//   watch  -> ok; from now on "container" events on this connection
//   forget <id>                     closes its streams; its exit record stays
//   quit                            kills everything and ends
//
//   event: 0 container <id> <created|running|exited> <pid> <exit code> <signal> <oom 0|1> <started ns>
//   <finished ns>
namespace mk::supervisor {

constexpr unsigned kMessageMax = 8192;
constexpr int kFieldsMax = 16;
constexpr int kDescriptorsMax = 3;
constexpr const char* kSocketName = "s";
constexpr const char* kExitName =
    "exit";  // containers/<id>/exit: "<code> <signal> <oom> <started ns> <finished ns>\n"

}  // namespace mk::supervisor
