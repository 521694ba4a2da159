#include "pods/container_config.h"

#include <fmt/core.h>

#include <csignal>

#include "mk/api/resource.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "status/container_status.h"
#include "volumes/etc_files.h"
#include "volumes/plain_file.h"

namespace mk::kubelet {

namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// A security setting of the container, else of the pod.
const Json* setting(const Json& pod, const Json& container, std::string_view field) {
  if (const Json* own = api::find(container, "securityContext." + std::string(field))) return own;
  return api::find(pod, "spec.securityContext." + std::string(field));
}

std::optional<std::int64_t> number(const Json* value) {
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->to_number<std::int64_t>();
}

std::string seccomp_of(const Json& pod, const Json& container) {
  const Json* profile = setting(pod, container, "seccompProfile");
  if (profile == nullptr) return "";
  const auto type = api::str(*profile, "type");
  if (type == "RuntimeDefault") return "RuntimeDefault";
  if (type == "Localhost") return "Localhost:" + std::string(api::str(*profile, "localhostProfile"));
  return "";
}

void set_image_user(SecurityContext& out, const std::string& user) {
  const auto colon = user.find(':');
  const auto uid = parse_int(std::string_view(user).substr(0, colon));
  if (!uid) {
    out.run_as_user_name = user;
    return;
  }
  out.run_as_user = uid;
  if (colon != std::string::npos && !out.run_as_group)
    out.run_as_group = parse_int(std::string_view(user).substr(colon + 1));
}

Variables split_variables(const std::vector<std::string>& lines) {
  Variables out;
  for (const auto& line : lines)
    if (const auto mark = line.find('='); mark != std::string::npos)
      out[line.substr(0, mark)] = line.substr(mark + 1);
  return out;
}

// An empty file that the container may write whatever user it runs as.
Result<void> make_termination_file(const std::string& path) {
  MK_TRY(make_dirs(path.substr(0, path.rfind('/'))));
  return write_plain_file(path, "", 0666);
}

const Json* container_spec(const Json& pod, std::string_view name) {
  for (const auto& candidate : all_containers(pod))
    if (candidate.name() == name) return candidate.spec;
  return nullptr;
}

rt::Task<Result<std::map<std::string, api::Object>>> read_references(Context& context, api::Object pod,
                                                                     const Json& container) {
  std::map<std::string, api::Object> out;
  for (const auto& reference : referenced_objects(container)) {
    const auto slash = reference.find('/');
    const bool secret = reference.compare(0, slash, "secrets") == 0;
    const api::Key key(std::string(pod.ns()), reference.substr(slash + 1));
    auto object =
        co_await context.client.get(secret ? api::resources::kSecrets : api::resources::kConfigMaps, key);
    if (object.ok())
      out[reference] =
          object->with([&](Json& json) { json.as_object()["kind"] = secret ? "Secret" : "ConfigMap"; });
    else if (!object.error().is(Reason::kNotFound))
      co_return std::move(object).error();
  }
  co_return out;
}

std::vector<PortMapping> host_ports(const Json& pod) {
  std::vector<PortMapping> out;
  for (const auto& container : all_containers(pod)) {
    for (const Json& port : api::list(*container.spec, "ports")) {
      const auto host_port = static_cast<int>(api::num(port, "hostPort"));
      if (host_port == 0) continue;
      out.push_back({to_lower(api::str(port, "protocol", "TCP")), std::string(api::str(port, "hostIP")),
                     host_port, static_cast<int>(api::num(port, "containerPort"))});
    }
  }
  return out;
}

void apply_basics(ContainerConfig& out, const Json& pod, const Json& spec, const ImageInfo& image,
                  const NodeCapacity& node) {
  out.image_id = image.id;
  out.working_dir = std::string(api::str(spec, "workingDir", image.working_dir));
  out.stdin = api::flag(spec, "stdin");
  out.stdin_once = api::flag(spec, "stdinOnce");
  out.tty = api::flag(spec, "tty");
  out.resources = container_resources(spec);
  out.oom_score_adj = oom_score_adj(pod, spec, node);
  const auto signal = signal_number(api::str(spec, "lifecycle.stopSignal", image.stop_signal));
  if (signal != 0) out.stop_signal = signal;
}

}  // namespace

int signal_number(std::string_view name) {
  if (const auto number = parse_int(name)) return static_cast<int>(*number);
  if (name.substr(0, 3) == "SIG") name.remove_prefix(3);
  static const std::map<std::string_view, int> kSignals{
      {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"KILL", SIGKILL},
      {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"WINCH", SIGWINCH},
      {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"CONT", SIGCONT}, {"STOP", SIGSTOP}};
  if (const auto found = kSignals.find(name); found != kSignals.end()) return found->second;
  if (name.substr(0, 6) == "RTMIN+")
    if (const auto offset = parse_int(name.substr(6))) return 34 + static_cast<int>(*offset);
  return 0;
}

Result<SecurityContext> make_security_context(const Json& pod, const Json& container,
                                              const ImageInfo& image) {
  SecurityContext out;
  out.run_as_user = number(setting(pod, container, "runAsUser"));
  out.run_as_group = number(setting(pod, container, "runAsGroup"));
  if (!out.run_as_user && !image.user.empty()) set_image_user(out, image.user);
  const Json* non_root = setting(pod, container, "runAsNonRoot");
  if (non_root != nullptr && non_root->is_bool() && non_root->get_bool()) {
    const auto name = api::str(container, "name");
    if (!out.run_as_user && !out.run_as_user_name.empty())
      return Error(Reason::kInvalid, fmt::format("container has runAsNonRoot and image has non-numeric user "
                                                 "({}), cannot verify user is non-root "
                                                 "(pod: \"{}\", container: {})",
                                                 image.user, full_name(pod), name));
    if (out.run_as_user.value_or(0) == 0)
      return Error(
          Reason::kInvalid,
          fmt::format("container has runAsNonRoot and image will run as root (pod: \"{}\", container: {})",
                      full_name(pod), name));
  }
  for (const Json& group : api::list(pod, "spec.securityContext.supplementalGroups"))
    out.supplemental_groups.push_back(number(&group).value_or(0));
  if (const auto group = number(api::find(pod, "spec.securityContext.fsGroup")))
    out.supplemental_groups.push_back(*group);
  out.privileged = api::flag(container, "securityContext.privileged");
  out.read_only_root = api::flag(container, "securityContext.readOnlyRootFilesystem");
  out.no_new_privileges = !api::flag(container, "securityContext.allowPrivilegeEscalation", true);
  for (const Json& capability : api::list(container, "securityContext.capabilities.add"))
    out.add_capabilities.push_back(text_of(&capability));
  for (const Json& capability : api::list(container, "securityContext.capabilities.drop"))
    out.drop_capabilities.push_back(text_of(&capability));
  out.seccomp = out.privileged ? "" : seccomp_of(pod, container);
  if (!out.privileged && api::str(container, "securityContext.procMount") != "Unmasked") {
    out.masked_paths = {"/proc/asound",     "/proc/acpi",        "/proc/interrupts",
                        "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
                        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                        "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
    out.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  }
  return out;
}

SandboxConfig make_sandbox_config(const Json& pod, const KubeletOptions& options) {
  SandboxConfig out;
  out.pod_uid = std::string(api::str(pod, "metadata.uid"));
  out.pod_ns = std::string(api::str(pod, "metadata.namespace"));
  out.pod_name = std::string(api::str(pod, "metadata.name"));
  out.hostname = pod_hostname(pod, options);
  if (api::flag(pod, "spec.setHostnameAsFQDN") && !api::str(pod, "spec.subdomain").empty())
    out.hostname = fmt::format("{}.{}.{}.svc.{}", out.hostname, api::str(pod, "spec.subdomain"), out.pod_ns,
                               options.cluster_domain);
  out.host_network = host_network(pod);
  if (!out.host_network) out.ports = host_ports(pod);
  out.host_users = api::flag(pod, "spec.hostUsers", true);
  out.host_pid = api::flag(pod, "spec.hostPID");
  out.host_ipc = api::flag(pod, "spec.hostIPC");
  out.share_processes = api::flag(pod, "spec.shareProcessNamespace");
  for (const Json& sysctl : api::list(pod, "spec.securityContext.sysctls"))
    out.sysctls[std::string(api::str(sysctl, "name"))] = std::string(api::str(sysctl, "value"));
  out.cgroup_parent = pod_cgroup(pod);
  out.resources = pod_resources(pod);
  return out;
}

rt::Task<Result<ContainerConfig>> make_container_config(Context& context, PodVolumes& volumes,
                                                        api::Object pod, std::string container,
                                                        std::uint32_t attempt, ImageInfo image,
                                                        std::vector<std::string> pod_ips) {
  const Json* spec = container_spec(pod.json(), container);
  MK_ASSERT(spec != nullptr);
  ContainerConfig out;
  out.name = container;
  out.attempt = attempt;
  apply_basics(out, pod.json(), *spec, image, context.allocatable);
  MK_CO_ASSIGN(out.security, make_security_context(pod.json(), *spec, image));
  EnvironmentInputs inputs;
  inputs.downward = DownwardInputs{&pod.json(), context.allocatable, context.options.node_ip, pod_ips};
  inputs.services = context.services.all();
  inputs.image = split_variables(image.env);
  MK_CO_ASSIGN(inputs.objects, co_await read_references(context, pod, *spec));
  MK_CO_ASSIGN(Variables variables, make_environment(*spec, inputs));
  variables.emplace("PATH", kDefaultPath);
  variables.emplace("HOSTNAME", pod_hostname(pod.json(), context.options));
  for (const auto& [name, value] : variables) out.env.push_back(name + "=" + value);
  out.argv = make_argv(*spec, image, variables);
  if (out.argv.empty())
    co_return Error(Reason::kInvalid, "no command specified: neither the container nor its image names one");
  MK_CO_ASSIGN(out.mounts, co_await volumes.container_mounts(pod, container, std::move(pod_ips), variables));
  const std::string termination = volumes.paths().termination(container, attempt);
  out.log_path = volumes.paths().log(container, attempt);
  auto prepare = [termination, log = out.log_path]() -> Result<void> {
    MK_TRY(make_termination_file(termination));
    return make_dirs(log.substr(0, log.rfind('/')));
  };
  MK_CO_TRY(co_await context.pool.run(std::move(prepare)));
  out.mounts.emplace_back(
      termination, std::string(api::str(*spec, "terminationMessagePath", "/dev/termination-log")), false);
  co_return out;
}

}  // namespace mk::kubelet
