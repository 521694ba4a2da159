#include "worker.h"

#include "mk/base/log.h"
#include "mk/base/strings.h"

namespace mk::node {
namespace {

constexpr Log kLog("node");

// Where the node's DNS listens; the proxy leads the cluster's DNS address there. Not 53, which a resolver of
// the host's own may hold.
constexpr int kDnsPort = 10053;

constexpr char kDefaultDataDir[] = "/var/lib/mk";

// Two agents on one machine have different data directories, and must share nothing else.
std::string run_dir(const Options& options) {
  return options.data_dir == kDefaultDataDir ? "/run/mk/agent" : options.data_dir + "/agent/run";
}

std::string log_dir(const Options& options) {
  if (!options.pod_log_dir.empty()) return options.pod_log_dir;
  return options.data_dir == kDefaultDataDir ? "/var/log/pods" : options.data_dir + "/agent/log/pods";
}

std::string local_path_folder(const Options& options) {
  const auto& given = options.default_local_storage_path;
  return given.empty() ? options.data_dir + "/storage" : given;
}

proxy::LocalRedirect dns_redirect(const WorkerOptions& worker, const char* protocol) {
  proxy::LocalRedirect out;
  out.cluster_ip = worker.cluster.cluster_dns;
  out.port = 53;
  out.protocol = protocol;
  out.local_address = worker.node_ip;
  out.local_port = kDnsPort;
  return out;
}

kubelet::KubeletOptions kubelet_options(const WorkerOptions& worker) {
  const Options& options = worker.options;
  kubelet::KubeletOptions out;
  out.node_name = worker.node_name;
  out.node_ip = worker.node_ip;
  out.hostname = worker.node_name;
  out.data_dir = options.data_dir + "/agent";
  out.static_pods_dir = out.data_dir + "/pod-manifests";
  out.log_dir = log_dir(options);
  out.shown_dir = plugin_dir(options);
  out.local_path_folder = local_path_folder(options);
  out.root_cgroup = options.root_cgroup;
  out.cluster_dns = worker.cluster.cluster_dns;
  out.cluster_domain = worker.cluster.cluster_domain;
  out.cluster_cidr = worker.cluster.cluster_cidr;
  out.service_cidr = worker.cluster.service_cidr;
  out.node_labels = options.node_label;
  out.node_taints = options.node_taint;
  out.port = options.kubelet_port;
  out.arguments = options.kubelet_arg;
  out.identity = worker.kubelet_identity;
  out.version = kVersion;
  return out;
}

}  // namespace

std::string plugin_dir(const Options& options) {
  return options.data_dir == kDefaultDataDir ? "/var/lib/kubelet" : "";
}

kubelet::NodeRuntimeOptions runtime_options(const Options& options, const std::string& node_name) {
  kubelet::NodeRuntimeOptions out;
  out.data_dir = options.data_dir + "/agent";
  out.run_dir = run_dir(options);
  out.root_cgroup = options.root_cgroup;
  out.registries_yaml = options.private_registry;
  out.node_name = node_name;
  for (const auto& entry : options.runtime_handler) {
    const auto mark = entry.find('=');
    out.handlers[entry.substr(0, mark)] = mark == std::string::npos ? entry : entry.substr(mark + 1);
  }
  return out;
}

Worker::Worker(rt::Loop& loop, rt::Clock& clock, rt::Random& random, rt::BlockingPool& pool, Clients clients,
               WorkerOptions options)
    : loop_(loop),
      clock_(clock),
      random_(random),
      pool_(pool),
      clients_(clients),
      options_(std::move(options)) {}

Worker::~Worker() = default;

rt::Task<Result<void>> Worker::start() {
  MK_CO_ASSIGN(runtime_, kubelet::make_node_runtime(loop_, clock_, pool_,
                                                    runtime_options(options_.options, options_.node_name)));
  dns::DnsOptions dns;
  dns.listen_address = options_.node_ip;
  dns.port = kDnsPort;
  dns.cluster_domain = options_.cluster.cluster_domain;
  dns.resolv_conf = options_.options.resolv_conf;
  dns_ = dns::make_dns(loop_, clock_, random_, clients_.dns, std::move(dns));
  proxy::ProxyOptions proxy;
  proxy.node_name = options_.node_name;
  proxy.node_ip = options_.node_ip;
  proxy.cluster_cidr = options_.cluster.cluster_cidr;
  proxy.service_cidr = options_.cluster.service_cidr;
  for (const char* protocol : {"UDP", "TCP"})
    proxy.local_redirects.push_back(dns_redirect(options_, protocol));
  proxy_ = proxy::make_proxy(loop_, clock_, random_, pool_, clients_.proxy, std::move(proxy));
  kubelet_ = kubelet::make_kubelet(loop_, clock_, random_, pool_, clients_.kubelet, runtime_,
                                   kubelet_options(options_));
  MK_CO_TRY(co_await kubelet_->start());
  MK_CO_TRY(co_await proxy_->start());
  MK_CO_TRY(co_await dns_->start());
  kLog.info("the node works", "node", options_.node_name, "address", options_.node_ip);
  co_return ok();
}

rt::Task<> Worker::stop() {
  if (dns_) co_await dns_->stop();
  if (proxy_) co_await proxy_->stop();
  if (kubelet_) co_await kubelet_->stop();
}

}  // namespace mk::node
