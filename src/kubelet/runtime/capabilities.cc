#include "runtime/capabilities.h"

#include <sys/prctl.h>

#include <array>
#include <string_view>

#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

// By number, as in linux/capability.h.
constexpr std::array<std::string_view, 41> kNames = {"CHOWN",
                                                     "DAC_OVERRIDE",
                                                     "DAC_READ_SEARCH",
                                                     "FOWNER",
                                                     "FSETID",
                                                     "KILL",
                                                     "SETGID",
                                                     "SETUID",
                                                     "SETPCAP",
                                                     "LINUX_IMMUTABLE",
                                                     "NET_BIND_SERVICE",
                                                     "NET_BROADCAST",
                                                     "NET_ADMIN",
                                                     "NET_RAW",
                                                     "IPC_LOCK",
                                                     "IPC_OWNER",
                                                     "SYS_MODULE",
                                                     "SYS_RAWIO",
                                                     "SYS_CHROOT",
                                                     "SYS_PTRACE",
                                                     "SYS_PACCT",
                                                     "SYS_ADMIN",
                                                     "SYS_BOOT",
                                                     "SYS_NICE",
                                                     "SYS_RESOURCE",
                                                     "SYS_TIME",
                                                     "SYS_TTY_CONFIG",
                                                     "MKNOD",
                                                     "LEASE",
                                                     "AUDIT_WRITE",
                                                     "AUDIT_CONTROL",
                                                     "SETFCAP",
                                                     "MAC_OVERRIDE",
                                                     "MAC_ADMIN",
                                                     "SYSLOG",
                                                     "WAKE_ALARM",
                                                     "BLOCK_SUSPEND",
                                                     "AUDIT_READ",
                                                     "PERFMON",
                                                     "BPF",
                                                     "CHECKPOINT_RESTORE"};
constexpr std::array<std::string_view, 14> kDefault = {
    "CHOWN",  "DAC_OVERRIDE", "FSETID",  "FOWNER",           "MKNOD",      "NET_RAW", "SETGID",
    "SETUID", "SETFCAP",      "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL",    "AUDIT_WRITE"};
constexpr std::uint64_t kAll = (1ull << kNames.size()) - 1;
constexpr int kSysResource = 24;

std::uint64_t bit_of(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return 1ull << i;
  return 0;
}

Result<std::uint64_t> bits_of(const std::vector<std::string>& names) {
  std::uint64_t out = 0;
  for (const auto& name : names) {
    std::string_view bare = name;
    if (bare.starts_with("CAP_")) bare.remove_prefix(4);
    const std::uint64_t bits = bare == "ALL" ? kAll : bit_of(bare);
    if (bits == 0) return Error(Reason::kInvalid, "unknown capability \"" + name + "\"");
    out |= bits;
  }
  return out;
}

}  // namespace

HostLimits read_host_limits() {
  HostLimits out;
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (::prctl(PR_CAPBSET_READ, i) == 1) out.capabilities |= 1ull << i;
  out.may_raise_limits = (out.capabilities >> kSysResource & 1) != 0;
  if (const auto own = read_file("/proc/self/oom_score_adj"); own.ok())
    out.oom_score_adj = static_cast<int>(parse_int(trim(*own)).value_or(0));
  return out;
}

Result<std::vector<std::string>> container_capabilities(const SecurityContext& security,
                                                        const HostLimits& host) {
  MK_ASSIGN(const std::uint64_t add, bits_of(security.add_capabilities));
  MK_ASSIGN(const std::uint64_t drop, bits_of(security.drop_capabilities));
  std::uint64_t set = 0;
  for (const auto name : kDefault) set |= bit_of(name);
  if (security.privileged) {
    set = kAll;
  } else if (add == kAll) {
    set = kAll & ~drop;
  } else {
    set = (set & ~drop) | add;  // "drop ALL, add NET_BIND_SERVICE" leaves the one
  }
  set &= host.capabilities;
  std::vector<std::string> out;
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if ((set >> i & 1) != 0) out.push_back("CAP_" + std::string(kNames[i]));
  return out;
}

}  // namespace mk::kubelet
