#include "mk/proxy/proxy.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "conntrack.h"
#include "iptables.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "mk/client/informer.h"
#include "rule_book.h"

namespace mk::proxy {

namespace {

constexpr Log kLog("proxy");
constexpr auto kBurst = std::chrono::milliseconds(50);  // between two restores
constexpr auto kCheckEvery = std::chrono::seconds(60);  // whether someone flushed our rules
constexpr auto kRetryFirst = std::chrono::seconds(1), kRetryMost = std::chrono::seconds(30);
constexpr const char* kServiceIndex = "service";
constexpr const char* kRedirectKey = "";  // before every Service's key, and so in front in the chains

std::vector<std::string> service_index(const api::Object& slice) {
  return {service_of_slice(slice).str()};
}

client::ListOptions selecting(const char* labels) {
  client::ListOptions options;
  options.label_selector = labels;
  return options;
}

// Node ports answer on 127.0.0.1 too, which the kernel must be told; its neighbours are kept out by a rule of
// ours.
void allow_loopback_node_ports() {
  const char* path = "/proc/sys/net/ipv4/conf/all/route_localnet";
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  const bool written = fd >= 0 && write(fd, "1", 1) == 1;
  if (!written)
    kLog.warn("node ports will not answer on 127.0.0.1", "path", path, "error", std::strerror(errno));
  if (fd >= 0) close(fd);
}

class ProxyImpl : public Proxy {
 public:
  ProxyImpl(rt::Loop& loop, rt::Clock& clock, rt::Random& random, rt::BlockingPool& pool,
            client::Client& client, ProxyOptions options);

  rt::Task<Result<void>> start() override;
  rt::Task<> stop() override { co_await group_.stop(); }
  rt::Task<Result<void>> tear_down() override;

 private:
  Result<void> check_options() const;
  void touch(const std::string& key);
  void rebuild(const std::string& key);
  void rebuild_redirects();
  ServiceRules redirects_of(const std::string& key, const std::vector<ServicePort>& ports) const;
  rt::Task<Result<void>> apply();
  rt::Task<Result<void>> apply_everything();
  rt::Task<Result<void>> apply_without_sctp(Error why);
  rt::Task<> forget_stale();
  rt::Task<> run();
  rt::Task<> watch_rules();

  rt::Clock& clock_;
  rt::BlockingPool& pool_;
  ProxyOptions options_;
  Iptables iptables_;
  RuleBook book_;
  client::Informer services_, slices_;
  rt::Group group_;
  std::set<std::string> dirty_;                   // Services to look at again
  std::unordered_map<std::string, UdpView> udp_;  // of Services with UDP ports
  std::vector<StaleFlows> stale_;                 // to forget once the rules are in force
  bool everything_ = true;                        // what the kernel holds is not known
  bool sctp_ = true;                              // this kernel takes rules for SCTP, as far as is known
  rt::Event changed_;
};

ProxyImpl::ProxyImpl(rt::Loop& loop, rt::Clock& clock, rt::Random& random, rt::BlockingPool& pool,
                     client::Client& client, ProxyOptions options)
    : clock_(clock),
      pool_(pool),
      options_(std::move(options)),
      iptables_(pool),
      book_(Facts{}),
      services_(client, clock, random, api::Gvr{"", "v1", "services"}, "",
                selecting("!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless")),
      slices_(client, clock, random, api::Gvr{"discovery.k8s.io", "v1", "endpointslices"}, "",
              selecting("!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless")),
      group_(loop.executor()) {
  slices_.add_index(kServiceIndex, service_index);
  services_.on_change([this](const api::Object& before, const api::Object& after) {
    touch((after ? after : before).key().str());
  });
  slices_.on_change([this](const api::Object& before, const api::Object& after) {
    if (before) touch(service_of_slice(before).str());
    if (after) touch(service_of_slice(after).str());
  });
}

Result<void> ProxyImpl::check_options() const {
  for (const auto& redirect : options_.local_redirects) {
    const auto protocol = to_lower(redirect.protocol);
    const bool known = protocol == "udp" || protocol == "tcp" || protocol == "sctp";
    const bool ports =
        redirect.port > 0 && redirect.port < 65536 && redirect.local_port > 0 && redirect.local_port < 65536;
    const bool target =
        is_ipv4(redirect.local_address) && (!redirect.service.empty() || is_ipv4(redirect.cluster_ip));
    if (!known || !ports || !target)
      return Error(Reason::kInvalid, "local redirect of " + redirect.service + redirect.cluster_ip +
                                         ": want protocol UDP, "
                                         "TCP or SCTP, ports of 1 to 65535 and IPv4 addresses");
  }
  return ok();
}

rt::Task<Result<void>> ProxyImpl::start() {
  MK_CO_TRY(check_options());
  MK_CO_TRY(co_await iptables_.find());
  Facts facts;
  facts.cluster_cidr = options_.cluster_cidr;
  facts.random_fully = iptables_.random_fully();
  book_.set_facts(std::move(facts));
  allow_loopback_node_ports();
  rebuild_redirects();
  services_.start(group_);
  slices_.start(group_);
  co_await services_.wait_synced();
  co_await slices_.wait_synced();
  MK_CO_TRY(co_await apply());
  group_.spawn("proxy", run());
  group_.spawn("proxy check", watch_rules());
  kLog.info("service rules in force", "services", services_.size());
  co_return ok();
}

void ProxyImpl::touch(const std::string& key) {
  dirty_.insert(key);
  changed_.notify_all();
}

// One Service's rules anew, from the caches.
void ProxyImpl::rebuild(const std::string& key) {
  const auto slash = key.find('/');
  if (slash == std::string::npos) return;
  const api::Object service = services_.get(api::Key(key.substr(0, slash), key.substr(slash + 1)));
  std::vector<ServicePort> ports;
  if (service) ports = read_service(service, slices_.by_index(kServiceIndex, key), options_.node_name);
  if (!sctp_) std::erase_if(ports, [](const ServicePort& port) { return port.protocol == "sctp"; });
  ServiceRules rules = redirects_of(key, ports);
  ServiceRules made = make_rules(ports, book_.facts());
  for (auto& [chain, lines] : made.shared) {
    auto& all = rules.shared[chain];
    all.insert(all.end(), lines.begin(), lines.end());
  }
  rules.own = std::move(made.own);
  book_.set(key, std::move(rules));

  UdpView after = udp_view(ports);
  const auto old = udp_.find(key);
  StaleFlows stale(old == udp_.end() ? UdpView() : old->second, after);
  if (stale.possible()) stale_.push_back(std::move(stale));
  if (after == UdpView())
    udp_.erase(key);
  else
    udp_[key] = std::move(after);
}

void ProxyImpl::rebuild_redirects() {
  ServiceRules all;
  for (const auto& item : options_.local_redirects) {
    if (!item.service.empty()) continue;
    Redirect redirect{item.cluster_ip,    item.port,       to_lower(item.protocol),
                      item.local_address, item.local_port, "answered on this node"};
    for (auto& [chain, lines] : make_redirect(redirect).shared)
      all.shared[chain].insert(all.shared[chain].end(), lines.begin(), lines.end());
  }
  book_.set(kRedirectKey, std::move(all));
}

// Redirects that name this Service; their lines stand before the Service's own.
ServiceRules ProxyImpl::redirects_of(const std::string& key, const std::vector<ServicePort>& ports) const {
  ServiceRules all;
  for (const auto& item : options_.local_redirects) {
    if (item.service != key) continue;
    for (const auto& port : ports) {
      if (port.port != item.port || port.protocol != to_lower(item.protocol)) continue;
      Redirect redirect{port.cluster_ip,    port.port,       port.protocol,
                        item.local_address, item.local_port, port.name + " answered on this node"};
      for (auto& [chain, lines] : make_redirect(redirect).shared)
        all.shared[chain].insert(all.shared[chain].end(), lines.begin(), lines.end());
    }
  }
  return all;
}

// Brings the kernel up to date. After a failure everything is written anew by the next call.
rt::Task<Result<void>> ProxyImpl::apply() {
  const auto keys = std::exchange(dirty_, {});
  for (const auto& key : keys) rebuild(key);
  bool everything = std::exchange(everything_, false);
  if (std::string text = everything ? "" : book_.changes(); !text.empty()) {
    const auto done = co_await iptables_.restore(std::move(text));
    if (!done.ok())
      kLog.warn("an incremental change failed; writing all rules", "error", done.error().message());
    everything = !done.ok();
  }
  if (everything) {
    auto done = co_await apply_everything();
    if (!done.ok()) done = co_await apply_without_sctp(std::move(done).error());
    everything_ = everything_ || !done.ok();
    MK_CO_TRY(std::move(done));
  }
  co_await forget_stale();
  co_return ok();
}

rt::Task<Result<void>> ProxyImpl::apply_everything() {
  MK_CO_ASSIGN(Present present, co_await iptables_.present());
  co_return co_await iptables_.restore(book_.everything(present));
}

// SCTP is the one protocol a kernel may lack, and one refused rule would keep out all others.
rt::Task<Result<void>> ProxyImpl::apply_without_sctp(Error why) {
  bool any = false;
  for (const auto& service : services_.all())
    for (const auto& port : api::list(service.json(), "spec.ports"))
      any |= api::str(port, "protocol") == "SCTP";
  if (!sctp_ || !any) co_return why;
  sctp_ = false;
  for (const auto& service : services_.all()) rebuild(service.key().str());
  auto done = co_await apply_everything();
  if (done.ok()) {
    kLog.error("this kernel refuses SCTP rules; Services' SCTP ports are left out", "error", why.message());
    co_return ok();
  }
  sctp_ = true;  // it was something else
  for (const auto& service : services_.all()) rebuild(service.key().str());
  co_return why;
}

rt::Task<> ProxyImpl::forget_stale() {
  if (stale_.empty()) co_return;
  const auto forget = [stale = std::exchange(stale_, {})] { return forget_flows(stale); };
  const auto count = co_await pool_.run(forget);
  if (!count.ok())
    kLog.warn("UDP flows to former endpoints may go on for a while", "error", count.error().message());
  else if (*count > 0)
    kLog.debug("UDP flows forgotten", "count", *count);
}

// The first change of a burst is written at once, the others together after a pause.
rt::Task<> ProxyImpl::run() {
  auto retry = std::chrono::duration_cast<rt::Duration>(kRetryFirst);
  for (;;) {
    while (dirty_.empty() && !everything_) co_await changed_.wait();
    const auto done = co_await apply();
    if (done.ok()) {
      retry = kRetryFirst;
      co_await clock_.sleep_for(kBurst);
      continue;
    }
    kLog.error("service rules are not up to date", "error", done.error().message());
    co_await clock_.sleep_for(retry);
    retry = std::min<rt::Duration>(retry * 2, kRetryMost);
  }
}

rt::Task<> ProxyImpl::watch_rules() {
  for (;;) {
    co_await clock_.sleep_for(kCheckEvery);
    const auto intact = co_await iptables_.intact();
    if (!intact.ok() || *intact) continue;
    kLog.warn("the service rules were removed by another program; writing them again");
    everything_ = true;
    changed_.notify_all();
  }
}

rt::Task<Result<void>> ProxyImpl::tear_down() {
  MK_CO_TRY(co_await iptables_.find());
  MK_CO_ASSIGN(Present present, co_await iptables_.present());
  everything_ = true;
  std::string text = remove_all(present);
  if (!text.empty()) MK_CO_TRY(co_await iptables_.restore(std::move(text)));
  co_return ok();
}

}  // namespace

std::unique_ptr<Proxy> make_proxy(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                  rt::BlockingPool& pool, client::Client& client, ProxyOptions options) {
  return std::make_unique<ProxyImpl>(loop, clock, random, pool, client, std::move(options));
}

}  // namespace mk::proxy
