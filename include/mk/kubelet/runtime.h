#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mk/base/result.h"
#include "mk/rt/clock.h"
#include "mk/rt/fd.h"

// The container runtime as the kubelet sees it: CRI's verbs, in process. The real one drives runc, overlayfs
// and network namespaces (src/kubelet/runtime/); unit tests and simulation use a fake.
namespace mk::kubelet {

struct Mount {
  Mount(std::string host, std::string container, bool ro)
      : host_path(std::move(host)), container_path(std::move(container)), read_only(ro) {}
  std::string host_path, container_path;
  bool read_only = false;
  std::string propagation;  // "" (private), "HostToContainer", "Bidirectional"
};

struct LinuxResources {
  std::int64_t cpu_shares = 0;    // v1 weight; 0: the runtime's default
  std::int64_t cpu_quota_us = 0;  // per cpu_period_us; 0: none
  std::int64_t cpu_period_us = 100000;
  std::int64_t memory_limit = 0;  // bytes; 0: none
  std::int64_t pids_limit = 0;
};

// A port of the pod on the node's addresses.
struct PortMapping {
  std::string protocol;  // "tcp", "udp", "sctp"
  std::string host_ip;   // "": every address
  int host_port = 0, container_port = 0;
};

struct SandboxConfig {
  std::string pod_uid, pod_ns, pod_name;
  std::string hostname;
  bool host_network = false, host_pid = false, host_ipc = false, share_processes = false;
  std::string handler;     // of the pod's RuntimeClass: which OCI runtime; "": the node's default
  bool host_users = true;  // false (a user namespace) is refused: mk cannot make one yet
  std::map<std::string, std::string> sysctls;
  std::vector<PortMapping> ports;  // none with the host's network
  std::string cgroup_parent;       // "kubepods/burstable/pod<uid>", relative to the node's root cgroup
  LinuxResources resources;        // of the pod as a whole
};

struct SandboxStatus {
  std::string id;  // equals the pod's uid and attempt: stable over restarts of mk
  std::string pod_uid, pod_ns, pod_name;
  std::vector<std::string> ips;  // empty with host network
  rt::WallTime created_at;
  bool ready = false;  // its supervisor and namespaces live
  std::uint32_t attempt = 0;
};

struct SecurityContext {
  std::optional<std::int64_t> run_as_user, run_as_group;
  std::string run_as_user_name;  // from the image, resolved in its /etc/passwd
  std::vector<std::int64_t> supplemental_groups;
  bool privileged = false, read_only_root = false, no_new_privileges = false;
  std::vector<std::string> add_capabilities, drop_capabilities;  // "NET_ADMIN", "ALL"
  std::string seccomp;  // "" unconfined, "RuntimeDefault", "Localhost:<path>"
  // Empty: the runtime's defaults (Kubernetes' "Default" procMount). {"-"}: none ("Unmasked"). Privileged:
  // none.
  std::vector<std::string> masked_paths, readonly_paths;
};

struct ContainerConfig {
  std::string name;               // within the pod
  std::uint32_t attempt = 0;      // restart count
  std::string image_id;           // from ImageStore
  std::vector<std::string> argv;  // complete: entrypoint and arguments merged by the caller
  std::vector<std::string> env;   // "NAME=value", complete
  std::string working_dir;        // made if missing
  std::vector<Mount> mounts;      // resolv.conf, hosts and termination log included, by the caller
  std::string log_path;           // absolute; CRI format, written by the pod's supervisor
  bool stdin = false, stdin_once = false, tty = false;
  LinuxResources resources;
  int oom_score_adj = 0;
  SecurityContext security;
  int stop_signal = 15;
  std::string pid_target;  // a running container of the pod whose processes this one sees (its id)
};

enum class ContainerState { kCreated, kRunning, kExited, kUnknown };

struct ContainerStatus {
  std::string id;  // "<pod uid>-<name>-<attempt>" or a hash of it; stable
  std::string sandbox_id, pod_uid, name, image_id;
  std::uint32_t attempt = 0;
  ContainerState state = ContainerState::kUnknown;
  int exit_code = 0;
  int signal = 0;
  bool oom_killed = false;
  rt::WallTime created_at, started_at, finished_at;
  std::string log_path;
  std::string writable_layer;  // folder of what it has written; "": the runtime does not say
};

// What is there now; also what a restarted kubelet adopts.
struct PodSnapshot {
  SandboxStatus sandbox;
  std::vector<ContainerStatus> containers;
  std::vector<std::string> older;  // ids of sandboxes that the pod had before and that are still there
};

// What a group of processes has used. Bytes; -1: this kernel does not say.
struct Usage {
  std::int64_t cpu_ns = -1;  // since it began
  std::int64_t memory = -1, working_set = -1,
               rss = -1;  // working set: without file pages that can go at once
  std::int64_t page_faults = -1, major_page_faults = -1;
  std::int64_t processes = -1;  // and threads
};
struct ContainerUsage {
  std::string id, name, cgroup;
  rt::WallTime started_at;
  Usage usage;
};
struct PodUsage {
  std::string uid, ns, name, cgroup;
  Usage usage;
  std::vector<ContainerUsage> containers;  // those that run
};

struct ExecResult {
  int exit_code = 0;
  std::string out, err;  // bounded: 16 KiB kept of each
  bool timed_out = false;
};

// A program running in a container with its streams. Destroying it kills the program.
class ExecSession {
 public:
  virtual ~ExecSession() = default;
  virtual rt::AsyncFd* input() = 0;   // nullptr: not asked for
  virtual rt::AsyncFd* output() = 0;  // with a tty: everything
  virtual rt::AsyncFd* error() = 0;   // nullptr with a tty
  virtual void close_input() = 0;
  virtual void resize(int columns, int rows) = 0;
  virtual rt::Task<Result<int>> wait() = 0;  // the exit code
};

struct ExecOptions {
  std::vector<std::string> argv;
  bool stdin = false, stdout = true, stderr = true, tty = false;
};

class ContainerRuntime {
 public:
  virtual ~ContainerRuntime() = default;

  // Finds what an earlier mk left running, cleans up what a reboot or crash left half-made.
  virtual rt::Task<Result<void>> start() = 0;
  virtual rt::Task<std::vector<PodSnapshot>> snapshot() = 0;
  virtual rt::Task<std::optional<PodSnapshot>> pod(std::string pod_uid) = 0;
  // Called with a pod's uid whenever something of it changed (a container exited, a supervisor died).
  // Level-triggered: look again with pod(). Set before start().
  virtual void on_change(std::function<void(const std::string& pod_uid)> handler) = 0;

  virtual rt::Task<Result<SandboxStatus>> run_sandbox(SandboxConfig config) = 0;
  // Kills what still runs, takes the network down. Idempotent, as is remove.
  virtual rt::Task<Result<void>> stop_sandbox(std::string sandbox_id) = 0;
  virtual rt::Task<Result<void>> remove_sandbox(std::string sandbox_id) = 0;

  virtual rt::Task<Result<std::string>> create_container(std::string sandbox_id, ContainerConfig config) = 0;
  virtual rt::Task<Result<void>> start_container(std::string id) = 0;
  // Stop signal, then SIGKILL after the grace; returns when it has exited.
  virtual rt::Task<Result<void>> stop_container(std::string id, rt::Duration grace) = 0;
  virtual rt::Task<Result<void>> remove_container(std::string id) = 0;
  virtual rt::Task<Result<void>> update_resources(std::string id, LinuxResources resources) = 0;
  // Of the pod as a whole; limits of 0 are lifted. A limit must not be below those of its containers.
  virtual rt::Task<Result<void>> update_sandbox_resources(std::string sandbox_id,
                                                          LinuxResources resources) = 0;

  virtual rt::Task<Result<ExecResult>> exec_sync(std::string id, std::vector<std::string> argv,
                                                 rt::Duration timeout) = 0;
  virtual rt::Task<Result<std::unique_ptr<ExecSession>>> exec(std::string id, ExecOptions options) = 0;
  // The running container's own stdin/stdout/stderr.
  virtual rt::Task<Result<std::unique_ptr<ExecSession>>> attach(std::string id, ExecOptions options) = 0;
  // Of the pods that run, as of now.
  virtual rt::Task<std::vector<PodUsage>> usage() = 0;
  // Opens a TCP connection from inside the pod's network to its loopback, for port-forward.
  virtual rt::Task<Result<rt::AsyncFd>> dial(std::string sandbox_id, int port) = 0;
};

// Images on this node.
struct ImageInfo {
  std::string id;                    // digest of its config: "sha256:..."
  std::vector<std::string> names;    // "docker.io/library/busybox:1.36"
  std::vector<std::string> digests;  // "docker.io/library/busybox@sha256:..."
  std::int64_t size = 0;             // of the unpacked layers
  bool pinned = false;               // imported: never collected
  // From the image's config.
  std::vector<std::string> entrypoint, command, env;
  std::string working_dir, user, stop_signal;
};

struct RegistryAuth {
  std::string username, password, identity_token;
};

class ImageStore {
 public:
  virtual ~ImageStore() = default;
  // A reference as a pod spells it ("busybox", "redis:7", "reg:5000/a/b@sha256:..."); nullopt when not here.
  virtual std::optional<ImageInfo> find(const std::string& reference) const = 0;
  virtual std::vector<ImageInfo> list() const = 0;
  // Pulls and unpacks unless all of it is here. Tries the credentials in order. Errors tell what to do:
  // kNotFound (no such image or tag), kForbidden, kServiceUnavailable, kInvalid (digest does not match).
  virtual rt::Task<Result<ImageInfo>> pull(std::string reference, std::vector<RegistryAuth> credentials) = 0;
  // An OCI or docker-archive tarball (plain, gzip, zstd). `name` replaces the names inside.
  virtual rt::Task<Result<std::vector<ImageInfo>>> import(std::string path, std::string name) = 0;
  virtual rt::Task<Result<void>> remove(std::string id) = 0;
  // The image's files, read-only, on the folder `path`; fine when something is mounted there already. Whoever
  // asked unmounts it.
  virtual rt::Task<Result<void>> mount(std::string id, std::string path) = 0;
};

}  // namespace mk::kubelet
