#include "node_flags.h"

#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::cmd {

NodeFlags::NodeFlags() {
  node::Options& o = options_;
  flags_.text("config", config_, "config file; its keys are these flags' names")
      .text("data-dir", o.data_dir, "where state is kept")
      .text("bind-address", o.bind_address, "address the API listens on")
      .number("https-listen-port", o.https_listen_port, "port of the API")
      .text("advertise-address", o.advertise_address, "address others reach this server at")
      .list("tls-san", o.tls_san, "more names and addresses for the serving certificate")
      .text("write-kubeconfig", o.write_kubeconfig, "where the administrator's kubeconfig goes")
      .text("write-kubeconfig-mode", o.write_kubeconfig_mode, "its file mode")
      .boolean("disable-agent", o.disable_agent, "a control plane without a node")
      .boolean("disable-scheduler", o.disable_scheduler, "no scheduler of mk's own")
      .list("disable", o.disable, "packaged components to leave out: local-storage")
      .text("cluster-cidr", o.cluster_cidr, "addresses of pods")
      .text("service-cidr", o.service_cidr, "addresses of Services")
      .text("cluster-dns", o.cluster_dns, "address of the cluster's DNS")
      .text("cluster-domain", o.cluster_domain, "domain of the cluster")
      .text("service-node-port-range", o.service_node_port_range, "ports for NodePort Services")
      .text("token", o.token, "secret that servers and agents join with")
      .text("token-file", token_file_, "file that holds it")
      .text("agent-token", o.agent_token, "another one, for agents alone")
      .number("peer-port", o.peer_port, "port of the servers' own links")
      .text("join", o.join, "server to join, https://HOST:6443")
      .text("node-name", o.node_name, "name of this node")
      .text("node-ip", o.node_ip, "address of this node")
      .list("node-label", o.node_label, "labels the node registers with")
      .list("node-taint", o.node_taint, "taints the node registers with")
      .text("root-cgroup", o.root_cgroup, "cgroup that all of this node's pods live below")
      .list("runtime-handler", o.runtime_handler, "OCI runtime for a RuntimeClass's handler, name=/path")
      .text("private-registry", o.private_registry, "registries.yaml")
      .text("default-local-storage-path", o.default_local_storage_path, "where local-path volumes lie")
      .text("resolv-conf", o.resolv_conf, "upstream name servers")
      .number("kubelet-port", o.kubelet_port, "port of the kubelet's API")
      .values("kubelet-arg", o.kubelet_arg, "a flag of the kubelet, NAME=VALUE; may be given again")
      .boolean("debug", o.debug, "log more")
      .boolean("help", help_, "this list")
      .alias("-c", "config")
      .alias("-d", "data-dir")
      .alias("-t", "token")
      .alias("-i", "node-ip")
      .alias("-o", "write-kubeconfig")
      .alias("-s", "join")
      .alias("server", "join")
      .alias("-h", "help");
}

Result<void> NodeFlags::read(std::vector<std::string> arguments) {
  // Which config file to read stands on the command line, which is read again, last, to win over it.
  MK_TRY(flags_.read_environment());
  MK_TRY(flags_.read_arguments(arguments, positional_));
  positional_.clear();
  MK_TRY(flags_.read_config(config_));
  MK_TRY(flags_.read_environment());
  MK_TRY(flags_.read_arguments(arguments, positional_));
  if (options_.token.empty() && !token_file_.empty()) {
    MK_ASSIGN(const std::string text, read_file(token_file_));
    options_.token = trim(text);
  }
  return ok();
}

}  // namespace mk::cmd
