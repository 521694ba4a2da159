#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mk::node {

// Settings of `mk server` and `mk agent`, named as their flags (and config keys, and MK_ variables) are.
struct Options {
  std::string data_dir = "/var/lib/mk";

  // server
  std::string bind_address = "0.0.0.0";
  int https_listen_port = 6443;
  std::string advertise_address;  // "": the node's address
  std::vector<std::string> tls_san;
  std::string write_kubeconfig = "/etc/mk/mk.yaml";
  std::string write_kubeconfig_mode = "600";
  bool disable_agent = false;
  bool disable_scheduler = false;
  std::vector<std::string> disable;  // packaged components to leave out
  std::string cluster_cidr = "10.42.0.0/16", service_cidr = "10.43.0.0/16";
  std::string cluster_dns;  // "": the tenth address of service_cidr
  std::string cluster_domain = "cluster.local";
  std::string service_node_port_range = "30000-32767";
  std::string token;        // "": made at the first start
  std::string agent_token;  // "": the same as token
  int peer_port = 2380;     // where the servers of a cluster speak to each other; closed while there is one

  // agent (and the node inside a server)
  std::string join;       // URL of a server
  std::string node_name;  // "": the host's name
  std::string node_ip;    // "": the address of the default route's interface
  std::vector<std::string> node_label, node_taint;
  std::string root_cgroup;
  std::vector<std::string> runtime_handler;  // "handler=/path/of/an/oci-runtime"
  std::string private_registry = "/etc/mk/registries.yaml";
  std::string resolv_conf = "/etc/resolv.conf";
  std::string default_local_storage_path;  // of local-path volumes; "": <data_dir>/storage
  std::string pod_log_dir;                 // "": /var/log/pods, or below data_dir if that is not the default
  int kubelet_port = 10250;
  std::vector<std::string> kubelet_arg;  // "eviction-hard=memory.available<200Mi": Kubernetes' kubelet flags

  bool debug = false;
};

// Has `--disable` this component of k3s' list ("local-storage") in it?
bool is_disabled(const Options& options, std::string_view component);

// Run until SIGTERM or SIGINT; the exit code. Errors have been printed.
int run_server(Options options);
int run_agent(Options options);
// Stops what a server or agent with this data directory left behind: pods, mounts, interfaces, rules.
int clean_up(Options options);

inline constexpr char kVersion[] = "v1.36.0+mk1";

}  // namespace mk::node
