#include "runtime/records.h"

#include "images/fs.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "supervisor/protocol.h"

namespace mk::kubelet {
namespace {

std::int64_t to_number(rt::WallTime time) {
  return time.time_since_epoch().count();
}
rt::WallTime to_time(std::int64_t nanoseconds) {
  return rt::WallTime(rt::Duration(nanoseconds));
}

Result<api::Json> load(const std::string& path) {
  MK_ASSIGN(const std::string text, read_file(path));
  return api::parse_json(text);
}

}  // namespace

Result<void> save(const SandboxRecord& sandbox) {
  api::JsonObject out, sysctls;
  out["id"] = sandbox.status.id;
  out["uid"] = sandbox.config.pod_uid;
  out["namespace"] = sandbox.config.pod_ns;
  out["name"] = sandbox.config.pod_name;
  out["attempt"] = sandbox.status.attempt;
  out["created"] = to_number(sandbox.status.created_at);
  api::JsonArray ips;
  for (const auto& ip : sandbox.status.ips) ips.emplace_back(ip);
  out["ips"] = std::move(ips);
  out["hostname"] = sandbox.config.hostname;
  out["hostNetwork"] = sandbox.config.host_network;
  out["hostPid"] = sandbox.config.host_pid;
  out["hostIpc"] = sandbox.config.host_ipc;
  out["sharePid"] = sandbox.config.share_processes;
  out["handler"] = sandbox.config.handler;
  out["cgroup"] = sandbox.config.cgroup_parent;
  out["supervisor"] = sandbox.supervisor;
  out["pidNamespace"] = sandbox.pid_namespace;
  out["networked"] = sandbox.networked;
  api::JsonArray ports;
  for (const auto& port : sandbox.config.ports)
    ports.push_back(api::JsonObject{{"protocol", api::text(port.protocol)},
                                    {"hostIp", api::text(port.host_ip)},
                                    {"hostPort", port.host_port},
                                    {"port", port.container_port}});
  out["ports"] = std::move(ports);
  return replace_file(sandbox.folder + "/sandbox.json", api::to_json(out));
}

Result<SandboxRecord> load_sandbox(const std::string& folder) {
  MK_ASSIGN(const api::Json json, load(folder + "/sandbox.json"));
  SandboxRecord out;
  out.folder = folder;
  auto& status = out.status;
  auto& config = out.config;
  status.id = api::str(json, "id");
  config.pod_uid = status.pod_uid = api::str(json, "uid");
  config.pod_ns = status.pod_ns = api::str(json, "namespace");
  config.pod_name = status.pod_name = api::str(json, "name");
  status.attempt = static_cast<std::uint32_t>(api::num(json, "attempt"));
  status.created_at = to_time(api::num(json, "created"));
  for (const auto& ip : api::list(json, "ips"))
    if (ip.is_string()) status.ips.emplace_back(ip.get_string());
  config.hostname = api::str(json, "hostname");
  config.host_network = api::flag(json, "hostNetwork");
  config.host_pid = api::flag(json, "hostPid");
  config.host_ipc = api::flag(json, "hostIpc");
  config.share_processes = api::flag(json, "sharePid");
  config.handler = api::str(json, "handler");
  config.cgroup_parent = api::str(json, "cgroup");
  for (const auto& port : api::list(json, "ports"))
    config.ports.push_back({std::string(api::str(port, "protocol")), std::string(api::str(port, "hostIp")),
                            static_cast<int>(api::num(port, "hostPort")),
                            static_cast<int>(api::num(port, "port"))});
  out.supervisor = static_cast<int>(api::num(json, "supervisor"));
  out.pid_namespace = static_cast<int>(api::num(json, "pidNamespace"));
  out.networked = api::flag(json, "networked");
  if (status.id.empty() || config.cgroup_parent.empty())
    return Error(Reason::kInvalid, folder + ": no sandbox record");
  return out;
}

Result<void> save(const SandboxRecord& sandbox, const ContainerRecord& container) {
  const auto& status = container.status;
  api::JsonObject out;
  out["id"] = status.id;
  out["sandbox"] = status.sandbox_id;
  out["uid"] = status.pod_uid;
  out["name"] = status.name;
  out["image"] = status.image_id;
  out["attempt"] = status.attempt;
  out["created"] = to_number(status.created_at);
  out["log"] = status.log_path;
  out["cgroup"] = container.cgroup;
  out["tty"] = container.tty;
  out["stdin"] = container.has_stdin;
  out["stopSignal"] = container.stop_signal;
  return replace_file(sandbox.folder + "/containers/" + status.id + "/container.json", api::to_json(out));
}

Result<std::shared_ptr<ContainerRecord>> load_container(const std::string& folder) {
  MK_ASSIGN(const api::Json json, load(folder + "/container.json"));
  auto out = std::make_shared<ContainerRecord>();
  auto& status = out->status;
  status.id = api::str(json, "id");
  status.sandbox_id = api::str(json, "sandbox");
  status.pod_uid = api::str(json, "uid");
  status.name = api::str(json, "name");
  status.image_id = api::str(json, "image");
  status.attempt = static_cast<std::uint32_t>(api::num(json, "attempt"));
  status.created_at = to_time(api::num(json, "created"));
  status.log_path = api::str(json, "log");
  out->cgroup = api::str(json, "cgroup");
  out->tty = api::flag(json, "tty");
  out->has_stdin = api::flag(json, "stdin");
  out->stop_signal = static_cast<int>(api::num(json, "stopSignal", 15));
  if (status.id.empty()) return Error(Reason::kInvalid, folder + ": no container record");
  return out;
}

bool read_exit_record(const std::string& folder, ContainerStatus& status) {
  const auto text = read_file(folder + "/" + supervisor::kExitName);
  if (!text.ok()) return false;
  const auto fields = split(trim(*text), ' ');
  if (fields.size() != 5) return false;
  status.state = ContainerState::kExited;
  status.exit_code = static_cast<int>(parse_int(fields[0]).value_or(255));
  status.signal = static_cast<int>(parse_int(fields[1]).value_or(0));
  status.oom_killed = fields[2] == "1";
  status.started_at = to_time(parse_int(fields[3]).value_or(0));
  status.finished_at = to_time(parse_int(fields[4]).value_or(0));
  return true;
}

}  // namespace mk::kubelet
