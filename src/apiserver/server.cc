#include "mk/apiserver/server.h"

#include <algorithm>

#include "admission/admission.h"
#include "admission/node_restriction.h"
#include "admission/policies/policies.h"
#include "auth/authenticator_options.h"
#include "auth/certificate_admission.h"
#include "auth/escalation.h"
#include "auth/rbac_authorizer.h"
#include "auth/reviews.h"
#include "auth/token_issuer.h"
#include "bootstrap/bootstrapper.h"
#include "flow/flow_status.h"
#include "http/front.h"
#include "local_client.h"
#include "mk/base/ids.h"
#include "mk/base/log.h"
#include "mk/pki/jwt.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "registry/strategies/service_allocator.h"
#include "registry/subresources.h"
#include "resource_metrics/metrics_api.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr Log kLog("apiserver");

// How much of the past the store keeps: what Kubernetes keeps, five minutes.
constexpr auto kCompactEvery = std::chrono::minutes(5);

StrategySet::Environment strategy_environment(Cacher& cacher, const ServerOptions& options) {
  StrategySet::Environment out{cacher};
  out.service_cidr = options.service_cidr;
  out.node_port_first = options.node_port_first;
  out.node_port_last = options.node_port_last;
  return out;
}

// The answer of a handler that does not wait for anything.
rt::Task<Result<Json>> ready(Result<Json> answer) {
  co_return answer;
}

class Server : public ApiServer {
 public:
  Server(rt::Loop& loop, rt::Clock& clock, store::Store& store, ServerOptions options)
      : loop_(loop),
        clock_(clock),
        store_(store),
        options_(std::move(options)),
        cacher_(store),
        group_(loop.executor()) {}

  rt::Task<Result<void>> start() override;
  rt::Task<> stop() override;
  int port() const override { return http_->port(); }
  client::Client& client_as(const std::string& user, const std::vector<std::string>& groups) override;
  void add_ready_check(std::string name, std::function<std::string()> check) override {
    paths_->add_check(std::move(name), false, std::move(check));
  }

 private:
  void build();
  void add_virtual_resources();
  Result<void> listen();
  rt::Task<> compact();
  rt::Task<> keep_bootstrapped();
  BootstrapOptions bootstrap_options() const;
  std::string issuer() const { return "https://kubernetes.default.svc." + options_.cluster_domain; }

  rt::Loop& loop_;
  rt::Clock& clock_;
  store::Store& store_;
  const ServerOptions options_;
  Cacher cacher_;
  Metrics metrics_;
  VirtualResources virtuals_;
  ResourceTable table_;
  // Made once the cache is loaded, in this order.
  std::unique_ptr<StrategySet> strategies_;
  std::unique_ptr<Authorizer> authorizer_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<TokenIssuer> tokens_;
  std::unique_ptr<AdmissionChain> admission_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Definitions> definitions_;
  std::unique_ptr<NodeProxy> nodes_;
  std::unique_ptr<MetricsScraper> scraper_;
  std::unique_ptr<ResourceHandlers> resources_;
  std::unique_ptr<Paths> paths_;
  std::unique_ptr<Join> join_;
  std::unique_ptr<ServerPaths> server_paths_;
  std::unique_ptr<Fairness> fairness_;
  std::unique_ptr<Front> front_;
  std::map<std::string, std::unique_ptr<client::Client>> clients_;  // by user
  rt::Event own_changed_;
  rt::Group group_;
  std::unique_ptr<net::HttpServer> http_;
};

void Server::build() {
  strategies_ = std::make_unique<StrategySet>(strategy_environment(cacher_, options_));
  authorizer_ = make_authorizer(cacher_);
  AuthenticatorOptions who(cacher_, clock_);
  who.key_pems = options_.service_account_keys;
  who.issuer = issuer();
  who.audiences = {issuer()};
  authenticator_ = make_authenticator(std::move(who));
  TokenIssuerOptions issue(cacher_, clock_);
  issue.key_pem = options_.service_account_keys.front();
  issue.issuer = issuer();
  issue.audiences = {issuer()};
  tokens_ = std::make_unique<TokenIssuer>(std::move(issue));
  admission_ = std::make_unique<AdmissionChain>(cacher_);
  admission_->add(make_node_restriction(cacher_));
  admission_->add(make_rbac_escalation(cacher_, *authorizer_));
  admission_->add(make_certificate_admission(*authorizer_));
  const PolicyWorld world{cacher_, *authorizer_, table_};
  admission_->add(make_policy_authorship(world));
  admission_->add(make_mutating_policies(world));
  admission_->add(make_validating_policies(world));
  registry_ = std::make_unique<Registry>(cacher_, *strategies_, *admission_, clock_);
  definitions_ = std::make_unique<Definitions>(cacher_, table_);
  nodes_ = std::make_unique<NodeProxy>(loop_, clock_, cacher_, options_.kubelet_client, options_.ca_pem);
  const auto kubelets = [this](const std::string& node) { return nodes_->kubelet_of(node); };
  scraper_ = std::make_unique<MetricsScraper>(clock_, group_, kubelets);
  add_metrics_api(*definitions_, virtuals_, cacher_, *scraper_);
  resources_ = std::make_unique<ResourceHandlers>(*registry_, virtuals_, *nodes_, *authorizer_);
  Paths::Options paths;
  paths.version = options_.version;
  paths.server_address = options_.advertise_address + ":" + std::to_string(options_.port);
  paths.issuer = issuer();
  paths.jwks = pki::jwks_json(options_.service_account_keys);
  paths_ = std::make_unique<Paths>(std::move(paths), cacher_, *definitions_, metrics_);
  for (const char* name : {"ping", "log", "etcd"})
    paths_->add_check(name, true, [] { return std::string(); });
  Join::Options join{options_.ca_pem,         options_.ca,           options_.agent_token,
                     options_.cluster_cidr,   options_.service_cidr, options_.cluster_dns,
                     options_.cluster_domain, options_.version,      options_.server_token,
                     options_.servers};
  join_ = std::make_unique<Join>(std::move(join), *registry_);
  server_paths_ = std::make_unique<ServerPaths>(options_.servers);
  fairness_ = std::make_unique<Fairness>(cacher_, clock_);
  metrics_.add_source([this] { return fairness_->metrics(); });
  front_ = std::make_unique<Front>(Front::Parts{*authenticator_, *authorizer_, table_, *resources_, *paths_,
                                                *join_, *server_paths_, metrics_, *fairness_, clock_});
}

void Server::add_virtual_resources() {
  virtuals_.add("subjectaccessreviews.authorization.k8s.io", [this](WriteContext&, Json body) {
    return ready(review_subject_access(*authorizer_, body));
  });
  virtuals_.add("selfsubjectaccessreviews.authorization.k8s.io", [this](WriteContext& context, Json body) {
    return ready(review_self_subject_access(*authorizer_, context.user, body));
  });
  virtuals_.add("localsubjectaccessreviews.authorization.k8s.io", [this](WriteContext& context, Json body) {
    return ready(review_local_subject_access(*authorizer_, context.ns, body));
  });
  virtuals_.add("selfsubjectrulesreviews.authorization.k8s.io", [this](WriteContext& context, Json body) {
    return ready(review_self_subject_rules(*authorizer_, context.user, body));
  });
  virtuals_.add("selfsubjectreviews.authentication.k8s.io", [](WriteContext& context, Json body) {
    return ready(review_self_subject(context.user, context.now, body));
  });
  virtuals_.add("tokenreviews.authentication.k8s.io",
                [this](WriteContext&, Json body) { return ready(review_token(*authenticator_, body)); });
  virtuals_.add("serviceaccounts/token", [this](WriteContext& context, Json body) {
    return ready(tokens_->issue(context.ns, context.name, body));
  });
  virtuals_.add("pods/binding", [this](WriteContext& context, Json body) {
    return bind_pod(*registry_, context, std::move(body));
  });
  virtuals_.add("bindings", [this](WriteContext& context, Json body) {
    context.resource = api::find_builtin(api::resources::kPods);
    context.name = api::str(body, "metadata.name");
    return bind_pod(*registry_, context, std::move(body));
  });
  virtuals_.add("pods/eviction", [this](WriteContext& context, Json body) {
    return evict_pod(*registry_, context, std::move(body));
  });
}

rt::Task<Result<void>> Server::start() {
  MK_CO_TRY(co_await cacher_.load());
  build();
  registry_->quotas().start(loop_.executor());
  add_virtual_resources();
  MK_CO_TRY(co_await bootstrap(*registry_, bootstrap_options()));
  MK_CO_TRY(listen());
  group_.spawn("keep bootstrapped", keep_bootstrapped());
  group_.spawn("compact", compact());
  definitions_->start(*registry_, clock_, group_);
  group_.spawn("share seats", fairness_->keep_sharing());
  group_.spawn("flow status", keep_flow_status(*fairness_, cacher_,
                                               client_as("system:apiserver", {"system:masters"}), clock_));
  co_return ok();
}

BootstrapOptions Server::bootstrap_options() const {
  BootstrapOptions out;
  out.service_cidr = options_.service_cidr;
  out.port = options_.port;
  if (options_.servers != nullptr)
    for (const auto& server : options_.servers->list())
      out.addresses.push_back(server.api_address.substr(0, server.api_address.rfind(':')));
  if (out.addresses.empty()) out.addresses = {options_.advertise_address};
  std::sort(out.addresses.begin(), out.addresses.end());
  return out;
}

// The kubernetes Service, its endpoints and the IPAddresses of Services come back when somebody deletes them;
// the endpoints follow the servers.
rt::Task<> Server::keep_bootstrapped() {
  const api::Key own("default", "kubernetes");
  for (const auto& resource :
       {api::resources::kServices, api::resources::kEndpoints, api::resources::kEndpointSlices}) {
    cacher_.resource(resource).on_change([this, own](const CacheEvent& event) {
      if (event.removed && event.after.key() == own) own_changed_.notify_all();
    });
  }
  cacher_.resource(api::Gvr{"networking.k8s.io", "v1", "ipaddresses"})
      .on_change([this](const CacheEvent& event) {
        if (event.removed && address_in_use(cacher_, event.after.json())) own_changed_.notify_all();
      });
  if (options_.servers != nullptr) options_.servers->set_changed([this] { own_changed_.notify_all(); });
  for (;;) {
    co_await own_changed_.wait();
    co_await clock_.sleep_for(std::chrono::seconds(1));  // a deletion of many settles first
    auto restored = co_await bootstrap(*registry_, bootstrap_options());
    if (!restored.ok())
      kLog.warn("cannot restore the cluster's own objects", "error", restored.error().message());
  }
}

Result<void> Server::listen() {
  net::Handler handler = [this](std::shared_ptr<net::Exchange> exchange) {
    return front_->handle(std::move(exchange));
  };
  MK_ASSIGN(http_, net::listen_http(loop_, clock_, options_.bind_address, options_.port, options_.identity,
                                    net::ServerLimits(), std::move(handler)));
  kLog.info("the API is served", "address", options_.bind_address, "port", http_->port());
  return ok();
}

rt::Task<> Server::stop() {
  co_await group_.stop();
  if (http_) co_await http_->stop();
  if (registry_) co_await registry_->quotas().stop();
}

// Each round forgets what was already there a round ago, so that every change is kept for at least one.
rt::Task<> Server::compact() {
  store::Revision keep_from = store_.revision();
  for (;;) {
    co_await clock_.sleep_for(kCompactEvery);
    const store::Revision now = store_.revision();
    if (keep_from > store_.compacted()) {
      auto done = co_await store_.compact(keep_from);
      if (!done.ok()) kLog.warn("compaction failed", "error", done.error().message());
    }
    keep_from = now;
  }
}

client::Client& Server::client_as(const std::string& user, const std::vector<std::string>& groups) {
  auto& client = clients_[user];
  if (!client) {
    UserInfo info;
    info.name = user;
    info.groups = groups;
    info.groups.push_back("system:authenticated");
    const auto colon = user.rfind(':');
    client = make_local_client(*registry_, table_, virtuals_, *authorizer_, std::move(info),
                               user.substr(colon == std::string::npos ? 0 : colon + 1));
  }
  return *client;
}

}  // namespace

std::unique_ptr<ApiServer> make_api_server(rt::Loop& loop, rt::Clock& clock, store::Store& store,
                                           ServerOptions options) {
  return std::make_unique<Server>(loop, clock, store, std::move(options));
}

}  // namespace mk::apiserver
