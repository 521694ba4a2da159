#include "runtime/seccomp.h"

#include <algorithm>
#include <string_view>

#include "mk/base/files.h"
#include "runtime/capabilities.h"

namespace mk::kubelet {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

// System calls a container has no use for and that reach beyond it: refused with EPERM unless it was given
// the capability that makes them its business. Everything else is allowed: unlike a list of what is allowed,
// this one does not break programs when the kernel or libc gets newer.
struct Refused {
  std::string_view name, capability;
};
constexpr Refused kRefused[] = {{"acct", "CAP_SYS_PACCT"},
                                {"add_key", ""},
                                {"bpf", "CAP_BPF"},
                                {"clock_adjtime", "CAP_SYS_TIME"},
                                {"clock_settime", "CAP_SYS_TIME"},
                                {"settimeofday", "CAP_SYS_TIME"},
                                {"stime", "CAP_SYS_TIME"},
                                {"adjtimex", "CAP_SYS_TIME"},
                                {"create_module", "CAP_SYS_MODULE"},
                                {"delete_module", "CAP_SYS_MODULE"},
                                {"finit_module", "CAP_SYS_MODULE"},
                                {"init_module", "CAP_SYS_MODULE"},
                                {"get_kernel_syms", ""},
                                {"query_module", ""},
                                {"get_mempolicy", "CAP_SYS_NICE"},
                                {"mbind", "CAP_SYS_NICE"},
                                {"set_mempolicy", "CAP_SYS_NICE"},
                                {"move_pages", "CAP_SYS_NICE"},
                                {"ioperm", "CAP_SYS_RAWIO"},
                                {"iopl", "CAP_SYS_RAWIO"},
                                {"kcmp", "CAP_SYS_PTRACE"},
                                {"process_vm_readv", "CAP_SYS_PTRACE"},
                                {"process_vm_writev", "CAP_SYS_PTRACE"},
                                {"pidfd_getfd", "CAP_SYS_PTRACE"},
                                {"process_madvise", "CAP_SYS_PTRACE"},
                                {"kexec_file_load", "CAP_SYS_BOOT"},
                                {"kexec_load", "CAP_SYS_BOOT"},
                                {"reboot", "CAP_SYS_BOOT"},
                                {"keyctl", ""},
                                {"request_key", ""},
                                {"lookup_dcookie", "CAP_SYS_ADMIN"},
                                {"mount", "CAP_SYS_ADMIN"},
                                {"mount_setattr", "CAP_SYS_ADMIN"},
                                {"move_mount", "CAP_SYS_ADMIN"},
                                {"open_tree", "CAP_SYS_ADMIN"},
                                {"fsopen", "CAP_SYS_ADMIN"},
                                {"fsconfig", "CAP_SYS_ADMIN"},
                                {"fsmount", "CAP_SYS_ADMIN"},
                                {"fspick", "CAP_SYS_ADMIN"},
                                {"umount", "CAP_SYS_ADMIN"},
                                {"umount2", "CAP_SYS_ADMIN"},
                                {"pivot_root", ""},
                                {"name_to_handle_at", "CAP_SYS_ADMIN"},
                                {"open_by_handle_at", "CAP_DAC_READ_SEARCH"},
                                {"nfsservctl", ""},
                                {"perf_event_open", "CAP_PERFMON"},
                                {"quotactl", "CAP_SYS_ADMIN"},
                                {"quotactl_fd", "CAP_SYS_ADMIN"},
                                {"setns", "CAP_SYS_ADMIN"},
                                {"unshare", "CAP_SYS_ADMIN"},
                                {"setdomainname", "CAP_SYS_ADMIN"},
                                {"sethostname", "CAP_SYS_ADMIN"},
                                {"swapon", ""},
                                {"swapoff", ""},
                                {"_sysctl", ""},
                                {"sysfs", ""},
                                {"syslog", "CAP_SYSLOG"},
                                {"uselib", ""},
                                {"userfaultfd", ""},
                                {"ustat", ""},
                                {"vm86", ""},
                                {"vm86old", ""},
                                {"vhangup", "CAP_SYS_TTY_CONFIG"},
                                {"fanotify_init", "CAP_SYS_ADMIN"},
                                {"io_uring_enter", ""},
                                {"io_uring_register", ""},
                                {"io_uring_setup", ""}};
constexpr std::int64_t kNamespaceFlags = 0x7E020000;  // CLONE_NEW*, mount to net
constexpr int kEnosys = 38, kEperm = 1;

JsonObject rule(JsonArray names, int error) {
  JsonObject out;
  out["names"] = std::move(names);
  out["action"] = "SCMP_ACT_ERRNO";
  out["errnoRet"] = error;
  return out;
}

Json runtime_default(const std::vector<std::string>& capabilities) {
  const auto has = [&](std::string_view name) {
    return std::find(capabilities.begin(), capabilities.end(), name) != capabilities.end();
  };
  JsonArray names, rules;
  for (const auto& call : kRefused)
    if (call.capability.empty() || !has(call.capability)) names.emplace_back(std::string(call.name));
  rules.push_back(rule(std::move(names), kEperm));
  if (!has("CAP_SYS_ADMIN")) {
    // No new namespaces: one rule a flag, since a rule can only ask whether masked bits equal a value.
    for (std::int64_t flag = 1 << 17; flag <= 0x40000000; flag <<= 1) {
      if ((kNamespaceFlags & flag) == 0) continue;
      JsonObject clone = rule(JsonArray{Json("clone")}, kEperm), argument;
      argument["index"] = 0;
      argument["value"] = flag;
      argument["valueTwo"] = flag;
      argument["op"] = "SCMP_CMP_MASKED_EQ";
      clone["args"] = JsonArray{Json(std::move(argument))};
      rules.push_back(std::move(clone));
    }
    // Its flags lie in memory, out of a filter's sight; libc falls back to clone on ENOSYS.
    rules.push_back(rule(JsonArray{Json("clone3")}, kEnosys));
  }
  JsonObject out;
  out["defaultAction"] = "SCMP_ACT_ALLOW";
#if defined(__x86_64__)
  out["architectures"] = JsonArray{Json("SCMP_ARCH_X86_64"), Json("SCMP_ARCH_X86"), Json("SCMP_ARCH_X32")};
#elif defined(__aarch64__)
  out["architectures"] = JsonArray{Json("SCMP_ARCH_AARCH64"), Json("SCMP_ARCH_ARM")};
#endif
  out["syscalls"] = std::move(rules);
  return out;
}

}  // namespace

Result<Json> seccomp_profile(const SecurityContext& security) {
  if (security.seccomp.empty() || security.seccomp == "Unconfined") return Json(nullptr);
  if (security.seccomp == "RuntimeDefault") {
    HostLimits host;
    host.capabilities = ~0ull;
    MK_ASSIGN(const auto capabilities, container_capabilities(security, host));
    return runtime_default(capabilities);
  }
  constexpr std::string_view kLocal = "Localhost:";
  if (!security.seccomp.starts_with(kLocal))
    return Error(Reason::kInvalid, "unknown seccomp profile \"" + security.seccomp + "\"");
  const std::string path = security.seccomp.substr(kLocal.size());
  auto text = read_file(path);
  if (!text.ok()) return std::move(text).error().wrap("seccomp profile");
  auto profile = api::parse_json(*text);
  if (!profile.ok()) return std::move(profile).error().wrap("seccomp profile " + path);
  // The spec has no defaultErrnoRet in runc's older versions; what it does not know it ignores.
  return std::move(*profile);
}

}  // namespace mk::kubelet
