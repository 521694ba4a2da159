#include <algorithm>
#include <cstdlib>
#include <set>

#include "host.h"
#include "leader_work.h"
#include "mk/api/resource.h"
#include "mk/apiserver/server.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "mk/node/options.h"
#include "mk/pki/kubeconfig.h"
#include "mk/quorum/replicated_store.h"
#include "network_settings.h"
#include "process.h"
#include "server_files.h"
#include "server_group.h"
#include "server_join.h"
#include "worker.h"

namespace mk::node {
namespace {

constexpr Log kLog("node");

class ServerRole : public Role {
 public:
  ServerRole(Process& process, Options options) : process_(process), options_(std::move(options)) {}

  rt::Task<Result<void>> start() override;
  rt::Task<> stop() override;

 private:
  Result<void> prepare();
  Result<void> open_store();
  rt::Task<Result<void>> enter_cluster();
  std::unique_ptr<controller::Manager> make_controllers();
  std::unique_ptr<scheduler::Scheduler> make_scheduler();
  Result<void> write_admin_kubeconfig() const;
  apiserver::ServerOptions server_options() const;
  std::unique_ptr<Worker> make_worker();
  rt::Task<> mark_control_plane();
  client::Client& controller_client(const std::string& controller);
  Result<net::TlsIdentity> kubelet_identity() const;

  Process& process_;
  Options options_;
  std::string node_name_, node_ip_, advertise_address_;
  NetworkSettings network_;
  ServerFiles files_;
  std::unique_ptr<store::Disk> disk_ = store::make_real_disk();
  std::unique_ptr<ServerGroup> group_;
  std::unique_ptr<quorum::ReplicatedStore> store_;
  std::unique_ptr<apiserver::ApiServer> api_;
  std::unique_ptr<LeaderWork> leader_work_;
  std::unique_ptr<Worker> worker_;
};

// k3s' names; what mk has no such component for is left out anyway.
Result<void> check_disabled(const Options& options) {
  static const std::set<std::string> kKnown{"coredns",  "local-storage", "metrics-server",
                                            "runtimes", "servicelb",     "traefik"};
  for (const auto& component : options.disable) {
    if (kKnown.count(component) == 0)
      return Error(Reason::kInvalid, "--disable " + component + ": there is no such component; known are " +
                                         join({kKnown.begin(), kKnown.end()}, ", "));
    if (component != "local-storage" && component != "traefik")
      kLog.warn("this component is part of mk and stays", "component", component);
  }
  return ok();
}

Result<void> ServerRole::prepare() {
  MK_TRY(check_disabled(options_));
  node_name_ = options_.node_name.empty() ? host_name() : options_.node_name;
  node_ip_ = options_.node_ip.empty() ? primary_address() : options_.node_ip;
  advertise_address_ = options_.advertise_address.empty() ? node_ip_ : options_.advertise_address;
  MK_ASSIGN(network_, check_network(options_));
  std::vector<std::string> names = {"localhost",
                                    "kubernetes",
                                    "kubernetes.default",
                                    "kubernetes.default.svc",
                                    "kubernetes.default.svc." + options_.cluster_domain,
                                    node_name_};
  std::set<std::string> addresses = {"127.0.0.1", node_ip_, advertise_address_, network_.api_address};
  for (const auto& san : options_.tls_san) {
    if (is_address(san)) {
      addresses.insert(san);
    } else {
      names.push_back(san);
    }
  }
  auto files =
      load_server_files(options_, names, {addresses.begin(), addresses.end()}, process_.now_seconds());
  if (!files.ok()) return std::move(files).error().wrap("cannot use the data directory " + options_.data_dir);
  files_ = std::move(files).value();
  group_ = std::make_unique<ServerGroup>(process_, options_, files_, advertise_address_);
  return open_store();
}

Result<void> ServerRole::open_store() {
  quorum::Options store;
  store.dir = options_.data_dir + "/server/db";
  store.cluster = files_.cluster_id;
  store.id = files_.server_id;
  // Who joined another cluster must never found one, whatever its flags say today.
  if (!files_.joined) store.founders = {quorum::Member{group_->self(), quorum::Member::Role::kVoter}};
  auto make_worker = [this](const char* name) { return store::make_thread_worker(process_.loop, name); };
  quorum::Doors doors{process_.loop, *process_.clock, *process_.random,
                      *disk_,        *group_,         std::move(make_worker)};
  auto opened = quorum::open_replicated_store(std::move(doors), std::move(store));
  if (!opened.ok())
    return std::move(opened).error().wrap("cannot use the data directory " + options_.data_dir);
  store_ = std::move(opened).value();
  // Crash-only: what has been acknowledged is in the log, and the next start reads it.
  store_->set_failed([](Error why) {
    kLog.error("the store has failed, mk ends", "error", why.message());
    std::_Exit(1);
  });
  group_->attach(*store_);
  return ok();
}

// Returns when the store knows everything that the cluster has acknowledged: for the first server at once,
// for one that joins after it was taken in and has caught up, for one that comes back as soon as a majority
// is there.
rt::Task<Result<void>> ServerRole::enter_cluster() {
  if (files_.joined) {
    MK_CO_TRY(group_->listen());
    if (!group_->is_member() && !options_.join.empty()) {
      apiserver::ServerInfo self;
      self.id = files_.server_id;
      self.peer_address = group_->self().address;
      MK_CO_TRY(co_await ask_to_be_added(process_, options_, files_.ca.certificate_pem, files_.admin,
                                         std::move(self)));
    }
  }
  for (bool said = false;;) {
    auto known = co_await store_->linearize();
    if (known.ok() || !known.error().is(Reason::kServiceUnavailable)) co_return known;
    if (!std::exchange(said, true))
      kLog.warn("waiting for the other servers", "why", known.error().message());
    co_await process_.clock->sleep_for(std::chrono::milliseconds(200));
  }
}

apiserver::ServerOptions ServerRole::server_options() const {
  apiserver::ServerOptions out;
  out.bind_address = options_.bind_address;
  out.port = options_.https_listen_port;
  out.advertise_address = advertise_address_;
  out.cluster_cidr = options_.cluster_cidr;
  out.service_cidr = options_.service_cidr;
  out.cluster_dns = network_.cluster_dns;
  out.cluster_domain = options_.cluster_domain;
  out.node_port_first = network_.node_port_first;
  out.node_port_last = network_.node_port_last;
  out.version = kVersion;
  out.identity.certificate = files_.serving;
  out.identity.client_ca_pem = files_.ca.certificate_pem;
  out.ca_pem = files_.ca.certificate_pem;
  out.ca = files_.ca;
  out.kubelet_client = files_.kubelet_client;
  out.service_account_keys = {files_.service_account_key};
  out.agent_token = files_.agent_token;
  out.server_token = files_.token;
  out.servers = group_.get();
  return out;
}

Result<void> ServerRole::write_admin_kubeconfig() const {
  pki::Kubeconfig config;
  config.server = "https://127.0.0.1:" + std::to_string(api_->port());
  config.ca_pem = files_.ca.certificate_pem;
  config.client_certificate_pem = files_.admin.certificate_pem;
  config.client_key_pem = files_.admin.key_pem;
  const auto& path = options_.write_kubeconfig;
  const auto mode = parse_file_mode(options_.write_kubeconfig_mode);
  if (!mode) return Error(Reason::kInvalid, "--write-kubeconfig-mode must be octal, like 600");
  MK_TRY(make_dirs(path.substr(0, path.rfind('/'))));
  return write_file(path, pki::write_kubeconfig(config), *mode);
}

// Kubernetes runs each controller as a service account of kube-system, so that RBAC limits what each may do.
client::Client& ServerRole::controller_client(const std::string& controller) {
  // What they share, the informers, reads as the manager itself.
  if (controller == "kube-controller-manager") return api_->client_as("system:kube-controller-manager", {});
  return api_->client_as("system:serviceaccount:kube-system:" + controller,
                         {"system:serviceaccounts", "system:serviceaccounts:kube-system"});
}

Result<net::TlsIdentity> ServerRole::kubelet_identity() const {
  pki::CertificateRequest request;
  request.common_name = "system:node:" + node_name_;
  request.organizations = {"system:nodes"};
  request.dns_names = {node_name_, "localhost"};
  request.ip_addresses = {node_ip_, "127.0.0.1"};
  request.not_before = process_.now_seconds() - 3600;
  request.not_after = process_.now_seconds() + 365 * 86400;
  net::TlsIdentity identity;
  MK_ASSIGN(identity.certificate, pki::issue(files_.ca, request));
  identity.client_ca_pem = files_.ca.certificate_pem;
  return identity;
}

std::unique_ptr<Worker> ServerRole::make_worker() {
  WorkerOptions worker;
  worker.options = options_;
  worker.cluster = {options_.cluster_cidr, options_.service_cidr, network_.cluster_dns,
                    options_.cluster_domain};
  worker.node_name = node_name_;
  worker.node_ip = node_ip_;
  worker.kubelet_identity = kubelet_identity().value();
  Worker::Clients clients{api_->client_as("system:node:" + node_name_, {"system:nodes"}),
                          api_->client_as("system:kube-proxy", {}), api_->client_as("system:kube-proxy", {})};
  return std::make_unique<Worker>(process_.loop, *process_.clock, *process_.random, process_.pool, clients,
                                  std::move(worker));
}

// A node may not give itself a role; the server does it for its own.
rt::Task<> ServerRole::mark_control_plane() {
  api::JsonObject labels, metadata, patch;
  labels["node-role.kubernetes.io/control-plane"] = "true";
  metadata["labels"] = std::move(labels);
  patch["metadata"] = std::move(metadata);
  client::Client& admin = api_->client_as("system:mk", {"system:masters"});
  client::WriteOptions options;
  auto patched =
      co_await admin.patch(api::resources::kNodes, api::Key("", node_name_), "", client::PatchType::kMerge,
                           api::Json(std::move(patch)), std::move(options));
  if (!patched.ok()) kLog.warn("cannot label the server's node", "error", patched.error().message());
}

std::unique_ptr<controller::Manager> ServerRole::make_controllers() {
  controller::ManagerOptions manager;
  manager.cluster_cidr = options_.cluster_cidr;
  manager.ca_pem = files_.ca.certificate_pem;
  manager.ca = files_.ca;
  manager.local_storage = !is_disabled(options_, "local-storage");
  controller::ClientFor client_for = [this](const std::string& name) -> client::Client& {
    return controller_client(name);
  };
  return controller::make_manager(process_.loop, *process_.clock, *process_.random, std::move(client_for),
                                  std::move(manager));
}

std::unique_ptr<scheduler::Scheduler> ServerRole::make_scheduler() {
  if (options_.disable_scheduler) return nullptr;
  return scheduler::make_scheduler(process_.loop, *process_.clock, *process_.random,
                                   api_->client_as("system:kube-scheduler", {}));
}

rt::Task<Result<void>> ServerRole::start() {
  if (!options_.join.empty()) MK_CO_TRY(co_await fetch_secrets(process_, options_));
  MK_CO_TRY(prepare());
  MK_CO_TRY(co_await enter_cluster());
  api_ = apiserver::make_api_server(process_.loop, *process_.clock, *store_, server_options());
  MK_CO_TRY(co_await api_->start());
  MK_CO_TRY(write_admin_kubeconfig());
  leader_work_ = std::make_unique<LeaderWork>(
      process_.loop.executor(), [this] { return make_controllers(); }, [this] { return make_scheduler(); });
  store_->set_leading_changed([this](bool leading) {
    group_->leading_changed();
    leader_work_->set_leading(leading);
  });
  leader_work_->start(store_->status().leading);
  if (!options_.disable_agent) {
    worker_ = make_worker();
    MK_CO_TRY(co_await worker_->start());
    co_await mark_control_plane();
  }
  kLog.info("mk is up", "kubeconfig", options_.write_kubeconfig);
  co_return ok();
}

rt::Task<> ServerRole::stop() {
  if (worker_) co_await worker_->stop();
  if (leader_work_) co_await leader_work_->stop();
  if (api_) co_await api_->stop();
  if (store_) co_await store_->stop();
  if (group_) co_await group_->stop();
}

}  // namespace

bool is_disabled(const Options& options, std::string_view component) {
  return std::find(options.disable.begin(), options.disable.end(), component) != options.disable.end();
}

int run_server(Options options) {
  if (options.debug) Log::set_level(LogLevel::kDebug);
  Process process;
  ServerRole role(process, std::move(options));
  return run(process, role);
}

}  // namespace mk::node
