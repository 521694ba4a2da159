#include "network/iptables.h"

#include <vector>

#include "mk/base/strings.h"
#include "mk/rt/process.h"

namespace mk::kubelet {

namespace {

Result<rt::ProcessResult> run(std::vector<std::string> argv, std::string input = "") {
  rt::Command command(std::move(argv));
  command.input = std::move(input);
  return rt::run_process_blocking(command);
}

Result<rt::ProcessResult> iptables(const Jump& jump, const char* verb) {
  return run({"iptables", "-w", "10", "-t", jump.table, verb, jump.from, "-j", jump.to});
}

}  // namespace

Result<void> restore_rules(const std::string& text) {
  MK_ASSIGN(const auto result, run({"iptables-restore", "--noflush", "-w", "10"}, text));
  if (!result.success())
    return Error(Reason::kInternalError, "iptables-restore: " + std::string(trim(result.err)));
  return ok();
}

Result<void> put_jumps(std::span<const Jump> jumps) {
  for (const auto& jump : jumps) {
    MK_ASSIGN(const auto there, iptables(jump, "-C"));
    if (there.success()) continue;
    MK_ASSIGN(const auto added, iptables(jump, "-A"));
    if (!added.success()) return Error(Reason::kInternalError, "iptables: " + std::string(trim(added.err)));
  }
  return ok();
}

Result<void> remove_chains(std::span<const Jump> jumps) {
  for (const auto& jump : jumps) {
    for (;;) {
      MK_ASSIGN(const auto gone, iptables(jump, "-D"));
      if (!gone.success()) break;
    }
  }
  for (const auto& jump : jumps)
    for (const char* verb : {"-F", "-X"})
      MK_TRY(run({"iptables", "-w", "10", "-t", jump.table, verb, jump.to}));
  return ok();
}

}  // namespace mk::kubelet
