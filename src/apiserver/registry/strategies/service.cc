#include <fmt/format.h>

#include "registry/strategies/service_allocator.h"
#include "registry/strategies/service_rules.h"
#include "registry/strategies/strategies.h"
#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;

namespace {

Error invalid_service(const Json& service, Cause cause) {
  std::vector<Cause> causes;
  causes.push_back(std::move(cause));
  return api::invalid_object({"", "v1", "Service"}, api::str(service, "metadata.name"), std::move(causes));
}

class ServiceStrategy : public Strategy {
 public:
  explicit ServiceStrategy(const StrategySet::Environment& environment)
      : cacher_(environment.cacher),
        allocator_(environment.cacher, environment.service_cidr, environment.node_port_first,
                   environment.node_port_last) {}

  void set_defaults(Json& service) const override { default_service_spec(ensure_object(service, "spec")); }

  void prepare_for_update(const WriteContext& context, Json& service, const Json& old) const override {
    Strategy::prepare_for_update(context, service, old);
    if (!context.subresource.empty()) return;
    Json& spec = ensure_object(service, "spec");
    default_text(spec, "type", "ClusterIP");
    keep_allocated(spec, spec_of(old));
    shed_type_fields(spec, spec_of(old));
    // Nobody balances it any more.
    if (api::str(spec, "type") != "LoadBalancer" && api::str(old, "spec.type") == "LoadBalancer") {
      api::set(service, "status.loadBalancer", api::JsonObject());
    }
  }

  void validate(const WriteContext& context, const Json& service, Causes& causes) const override {
    Report report(causes);
    validate_service_spec(spec_of(service), Path("spec"), report);
  }

  void validate_update(const WriteContext& context, const Json& service, const Json& old,
                       Causes& causes) const override {
    Report report(causes);
    validate_service_update(spec_of(service), spec_of(old), Path("spec"), report);
  }

  Result<void> allocate(const WriteContext& context, Json& service, const Json* old) override {
    if (!context.subresource.empty() || !api::find(service, "spec")) return ok();
    const std::string uid(api::str(service, "metadata.uid"));
    static const Json none = api::JsonObject();
    const Json& before = old ? spec_of(*old) : none;
    auto allocated = allocate_all(uid, service, before);
    // A trial must not keep what it would have got.
    if (!allocated.ok() || context.dry_run) allocator_.drop(uid);
    return allocated;
  }

  void release(const Json& service) override {
    allocator_.drop(std::string(api::str(service, "metadata.uid")));
  }

  std::vector<store::Operation> companions(const WriteContext& context, const Json* service,
                                           const Json* old) const override {
    return address_operations(cacher_, context.now, service, old);
  }

 private:
  Result<void> allocate_all(const std::string& uid, Json& service, const Json& before) {
    MK_TRY(allocate_address(uid, service, before));
    MK_TRY(allocate_node_ports(uid, service, before));
    return allocate_health_check_port(uid, service, before);
  }

  Result<void> allocate_address(const std::string& uid, Json& service, const Json& before) {
    Json& spec = *edit(service, "spec");
    if (!needs_cluster_ip(spec) || is_headless(spec)) return ok();
    if (api::str(spec, "clusterIP").empty()) {
      if (!api::list(spec, "clusterIPs").empty()) return ok();  // a contradiction: validation says so
      MK_ASSIGN(const std::string address, allocator_.allocate_address(uid));
      api::set(spec, "clusterIP", api::text(address));
      api::set(spec, "clusterIPs", api::JsonArray{api::text(address)});
      return ok();
    }
    const bool had = needs_cluster_ip(before) && api::str(before, "clusterIP") == api::str(spec, "clusterIP");
    const std::string address(api::str(spec, "clusterIP"));
    if (had || !api::check_ip(address).empty()) return ok();
    auto claimed = allocator_.claim_address(uid, address);
    if (claimed.ok()) return ok();
    return invalid_service(
        service,
        api::invalid("spec.clusterIPs", api::to_json(Json(api::list(spec, "clusterIPs"))),
                     fmt::format("failed to allocate IP {}: {}", address, claimed.error().message())));
  }

  Result<void> allocate_node_ports(const std::string& uid, Json& service, const Json& before) {
    Json& spec = *edit(service, "spec");
    auto* ports = edit_list(spec, "ports");
    const auto type = api::str(spec, "type");
    if (ports == nullptr || (type != "NodePort" && type != "LoadBalancer")) return ok();
    const auto had = service_node_ports(before);
    // One port in several protocols gets one node port.
    std::map<std::int64_t, int> by_port;
    for (std::size_t i = 0; i < ports->size(); ++i) {
      const int wanted = static_cast<int>(api::num((*ports)[i], "nodePort"));
      if (wanted == 0) continue;
      by_port.emplace(api::num((*ports)[i], "port"), wanted);
      if (std::find(had.begin(), had.end(), wanted) != had.end()) continue;
      auto claimed = allocator_.claim_port(uid, wanted);
      if (!claimed.ok()) {
        return invalid_service(service, api::invalid(fmt::format("spec.ports[{}].nodePort", i),
                                                     fmt::to_string(wanted), claimed.error().message()));
      }
    }
    if (!needs_node_ports(spec)) return ok();
    for (auto& port : *ports) {
      if (!port.is_object() || api::num(port, "nodePort") != 0) continue;
      const auto number = api::num(port, "port");
      if (!by_port.contains(number) || same_protocol_has(*ports, port, by_port[number])) {
        MK_ASSIGN(by_port[number], allocator_.allocate_port(uid));
      }
      api::set(port, "nodePort", by_port[number]);
    }
    return ok();
  }

  static bool same_protocol_has(const api::JsonArray& ports, const Json& port, int node_port) {
    for (const auto& other : ports) {
      if (api::num(other, "nodePort") == node_port &&
          api::str(other, "protocol") == api::str(port, "protocol"))
        return true;
    }
    return false;
  }

  Result<void> allocate_health_check_port(const std::string& uid, Json& service, const Json& before) {
    Json& spec = *edit(service, "spec");
    if (!needs_health_check_port(spec)) return ok();
    const int wanted = static_cast<int>(api::num(spec, "healthCheckNodePort"));
    if (wanted == 0) {
      MK_ASSIGN(const int port, allocator_.allocate_port(uid));
      api::set(spec, "healthCheckNodePort", port);
      return ok();
    }
    if (api::num(before, "healthCheckNodePort") == wanted) return ok();
    auto claimed = allocator_.claim_port(uid, wanted);
    if (claimed.ok()) return ok();
    return invalid_service(
        service, api::invalid("spec.healthCheckNodePort", fmt::to_string(wanted),
                              fmt::format("failed to allocate requested HealthCheck NodePort {}: {}", wanted,
                                          claimed.error().message())));
  }

  Cacher& cacher_;
  ServiceAllocator allocator_;
};

}  // namespace

std::unique_ptr<Strategy> make_service_strategy(const StrategySet::Environment& environment) {
  return std::make_unique<ServiceStrategy>(environment);
}

}  // namespace mk::apiserver
