#include "bootstrap/bootstrapper.h"

#include <arpa/inet.h>

#include "bootstrap/objects.h"
#include "bootstrap/policy.h"
#include "mk/base/log.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "registry/strategies/service_allocator.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Object;

namespace {

constexpr Log kLog("apiserver");

WriteContext context_for(Registry& registry, const api::ResourceInfo& resource, const Json& object) {
  WriteContext context;
  context.resource = &resource;
  context.ns = api::str(object, "metadata.namespace");
  context.name = api::str(object, "metadata.name");
  context.field_manager = "mk";
  context.user.name = "system:apiserver";
  context.user.groups = {"system:masters"};
  context.now = rt::format_time(registry.clock().now());
  return context;
}

const api::ResourceInfo& resource_of(const Json& object) {
  const auto* resource =
      api::find_builtin(api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind")));
  MK_ASSERT(resource != nullptr);
  return *resource;
}

rt::Task<Result<void>> ensure(Registry& registry, Json wanted) {
  const auto& resource = resource_of(wanted);
  WriteContext context = context_for(registry, resource, wanted);
  if (registry.cacher().get(resource.gvr, api::Key(context.ns, context.name))) co_return ok();
  auto written = co_await registry.create(context, std::move(wanted));
  if (!written.ok() && !written.error().is(Reason::kAlreadyExists))
    co_return std::move(written).error().wrap("bootstrap " + resource.kind + " " + context.name);
  co_return ok();
}

rt::Task<Result<void>> ensure_policy(Registry& registry, Json wanted) {
  const auto& resource = resource_of(wanted);
  WriteContext context = context_for(registry, resource, wanted);
  const Object existing = registry.cacher().get(resource.gvr, api::Key(context.ns, context.name));
  if (!existing) co_return co_await ensure(registry, std::move(wanted));
  auto reconciled = reconcile_policy(existing.json(), wanted);
  if (!reconciled) co_return ok();
  MK_CO_TRY(co_await registry.update(context, std::move(*reconciled)));
  co_return ok();
}

JsonObject metadata(const char* name, const char* ns) {
  JsonObject out;
  out["name"] = name;
  out["namespace"] = ns;
  return out;
}

Json kubernetes_service(const BootstrapOptions& options) {
  JsonObject labels;
  labels["component"] = "apiserver";
  labels["provider"] = "kubernetes";
  JsonObject meta = metadata("kubernetes", "default");
  meta["labels"] = std::move(labels);
  JsonObject port;
  port["name"] = "https";
  port["port"] = 443;
  port["protocol"] = "TCP";
  port["targetPort"] = options.port;
  JsonObject spec;
  spec["type"] = "ClusterIP";
  spec["clusterIP"] = api::text(address_in(options.service_cidr, 1));
  spec["ports"] = JsonArray{std::move(port)};
  spec["sessionAffinity"] = "None";
  JsonObject out;
  out["apiVersion"] = "v1";
  out["kind"] = "Service";
  out["metadata"] = std::move(meta);
  out["spec"] = std::move(spec);
  return out;
}

Json kubernetes_service_cidr(const BootstrapOptions& options) {
  JsonObject meta, spec, out;
  meta["name"] = "kubernetes";
  spec["cidrs"] = JsonArray{api::text(options.service_cidr)};
  out["apiVersion"] = "networking.k8s.io/v1";
  out["kind"] = "ServiceCIDR";
  out["metadata"] = std::move(meta);
  out["spec"] = std::move(spec);
  return out;
}

// One transaction for all: made on the loop between two writes, so it fits the state it is applied to.
rt::Task<Result<void>> repair_addresses(Registry& registry) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    auto repairs = address_repairs(registry.cacher(), rt::format_time(registry.clock().now()));
    if (repairs.empty()) co_return ok();
    auto done = co_await registry.cacher().store().commit(std::move(repairs), store::Durability::kDurable);
    if (done.ok()) co_return ok();
    if (!done.error().is(Reason::kConflict)) co_return std::move(done).error();
  }
  co_return ok();  // Services change right now; their own writes keep them right
}

Json kubernetes_endpoints(const BootstrapOptions& options) {
  JsonObject labels;
  labels["endpointslice.kubernetes.io/skip-mirror"] = "true";
  JsonObject meta = metadata("kubernetes", "default");
  meta["labels"] = std::move(labels);
  JsonObject port, subset;
  JsonArray addresses;
  for (const auto& each : options.addresses) {
    JsonObject address;
    address["ip"] = api::text(each);
    addresses.push_back(std::move(address));
  }
  port["name"] = "https";
  port["port"] = options.port;
  port["protocol"] = "TCP";
  subset["addresses"] = std::move(addresses);
  subset["ports"] = JsonArray{std::move(port)};
  JsonObject out;
  out["apiVersion"] = "v1";
  out["kind"] = "Endpoints";
  out["metadata"] = std::move(meta);
  out["subsets"] = JsonArray{std::move(subset)};
  return out;
}

Json kubernetes_slice(const BootstrapOptions& options) {
  JsonObject labels;
  labels["kubernetes.io/service-name"] = "kubernetes";
  JsonObject meta = metadata("kubernetes", "default");
  meta["labels"] = std::move(labels);
  JsonObject port;
  JsonArray endpoints;
  for (const auto& each : options.addresses) {
    JsonObject endpoint, conditions;
    conditions["ready"] = true;
    endpoint["addresses"] = JsonArray{api::text(each)};
    endpoint["conditions"] = std::move(conditions);
    endpoints.push_back(std::move(endpoint));
  }
  port["name"] = "https";
  port["port"] = options.port;
  port["protocol"] = "TCP";
  JsonObject out;
  out["apiVersion"] = "discovery.k8s.io/v1";
  out["kind"] = "EndpointSlice";
  out["metadata"] = std::move(meta);
  const bool v6 = options.addresses.front().find(':') != std::string::npos;
  out["addressType"] = v6 ? "IPv6" : "IPv4";
  out["endpoints"] = std::move(endpoints);
  out["ports"] = JsonArray{std::move(port)};
  return out;
}

// The server's own address may change between two starts; then what points to it follows.
rt::Task<Result<void>> put(Registry& registry, Json wanted) {
  const auto& resource = resource_of(wanted);
  WriteContext context = context_for(registry, resource, wanted);
  if (!registry.cacher().get(resource.gvr, api::Key(context.ns, context.name)))
    co_return co_await ensure(registry, std::move(wanted));
  MK_CO_TRY(co_await registry.update(context, std::move(wanted)));
  co_return ok();
}

// Runs the writes side by side, so that they share the store's syncs; the first error, if any.
rt::Task<Result<void>> together(std::vector<rt::Task<Result<void>>> writes) {
  struct Shared {
    std::size_t left = 0;
    Result<void> result;
    rt::Event done;
  };
  Shared shared;
  shared.left = writes.size();
  const auto run = [](rt::Task<Result<void>> write, Shared& state) -> rt::Task<> {
    auto result = co_await std::move(write);
    if (!result.ok() && state.result.ok()) state.result = std::move(result);
    --state.left;
    state.done.notify_all();
  };
  rt::Group group(co_await rt::this_executor());
  for (auto& write : writes) group.spawn("bootstrap", run(std::move(write), shared));
  while (shared.left > 0) co_await shared.done.wait();
  co_await group.stop();
  co_return std::move(shared.result);
}

}  // namespace

std::string address_in(const std::string& cidr, unsigned offset) {
  in_addr address{};
  ::inet_pton(AF_INET, cidr.substr(0, cidr.find('/')).c_str(), &address);
  address.s_addr = htonl(ntohl(address.s_addr) + offset);
  char text[INET_ADDRSTRLEN];
  return ::inet_ntop(AF_INET, &address, text, sizeof text);
}

rt::Task<Result<void>> bootstrap(Registry& registry, BootstrapOptions options) {
  // Namespaces first: the rest lives in them.
  std::vector<rt::Task<Result<void>>> namespaces, rest;
  for (auto& object : bootstrap_objects()) {
    const bool first = api::str(object, "kind") == "Namespace";
    (first ? namespaces : rest).push_back(ensure(registry, std::move(object)));
  }
  for (auto& object : bootstrap_policy()) rest.push_back(ensure_policy(registry, std::move(object)));
  rest.push_back(ensure(registry, kubernetes_service_cidr(options)));
  rest.push_back(ensure(registry, kubernetes_service(options)));
  rest.push_back(put(registry, kubernetes_endpoints(options)));
  rest.push_back(put(registry, kubernetes_slice(options)));
  MK_CO_TRY(co_await together(std::move(namespaces)));
  MK_CO_TRY(co_await together(std::move(rest)));
  MK_CO_TRY(co_await repair_addresses(registry));
  kLog.info("the cluster's own objects are in place");
  co_return ok();
}

}  // namespace mk::apiserver
