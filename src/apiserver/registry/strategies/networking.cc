#include <fmt/format.h>

#include "registry/strategies/int_or_percent.h"
#include "registry/strategies/label_selectors.h"
#include "registry/strategies/names.h"
#include "registry/strategies/simple.h"
#include "registry/strategies/workload.h"

// Ingress, IngressClass, NetworkPolicy, ServiceCIDR, IPAddress.
namespace mk::apiserver {

using api::Json;

namespace {

void validate_backend(const Json& backend, const Path& path, Report& report) {
  const Json* service = api::find(backend, "service");
  const Json* resource = api::find(backend, "resource");
  if (service && resource) return report.invalid(path, "", "cannot set both resource and service backends");
  if (!service && !resource) return report.required(path, "must specify either a resource or a service");
  if (resource) return;
  const Path service_path = path.child("service");
  const auto name = api::str(*service, "name");
  if (name.empty()) {
    report.required(service_path.child("name"));
  } else {
    report.check(service_path.child("name"), name, api::check_dns1035_label(name));
  }
  const auto port_name = api::str(*service, "port.name");
  const auto port_number = api::num(*service, "port.number");
  if (!port_name.empty() && port_number != 0) {
    report.invalid(service_path, *service, "cannot set both port name & port number");
  } else if (!port_name.empty()) {
    report.check(service_path.child("port.name"), port_name, check_port_name(port_name));
  } else if (port_number != 0) {
    if (!check_port_number(port_number).empty())
      report.invalid(service_path.child("port.number"), port_number, kPortRange);
  } else {
    report.required(service_path, "port name or number is required");
  }
}

void validate_ingress_path(const Json& entry, const Path& path, Report& report) {
  const Path type_path = path.child("pathType");
  const auto type = api::str(entry, "pathType"), text = api::str(entry, "path");
  if (type.empty()) {
    report.required(type_path, "pathType must be specified");
  } else if (type == "Exact" || type == "Prefix") {
    if (!text.starts_with('/')) report.invalid(path.child("path"), text, "must be an absolute path");
    for (const std::string_view bad : {"//", "/./", "/../", "%2f", "%2F"}) {
      if (text.find(bad) != std::string_view::npos)
        report.invalid(path.child("path"), text, fmt::format("must not contain '{}'", bad));
    }
  } else if (type == "ImplementationSpecific") {
    if (!text.empty() && !text.starts_with('/'))
      report.invalid(path.child("path"), text, "must be an absolute path");
  } else {
    report.not_supported(type_path, type, {"Exact", "ImplementationSpecific", "Prefix"});
  }
  static const Json none = api::JsonObject();
  const Json* backend = api::find(entry, "backend");
  validate_backend(backend ? *backend : none, path.child("backend"), report);
}

void validate_ingress_rule(const Json& rule, const Path& path, Report& report) {
  auto host = api::str(rule, "host");
  if (!host.empty()) {
    if (api::check_ip(host).empty())
      report.invalid(path.child("host"), host, "must be a DNS name, not an IP address");
    const auto plain = host.starts_with("*.") ? host.substr(2) : host;
    report.check(path.child("host"), host, api::check_dns1123_subdomain(plain));
  }
  if (!api::find(rule, "http")) return;
  const auto& paths = api::list(rule, "http.paths");
  const Path paths_path = path.child("http.paths");
  if (paths.empty()) report.required(paths_path);
  for (std::size_t i = 0; i < paths.size(); ++i) validate_ingress_path(paths[i], paths_path[i], report);
}

void validate_ingress(const Json& ingress, Report& report) {
  const Json& spec = spec_of(ingress);
  const Path path("spec");
  const auto& rules = api::list(spec, "rules");
  const Json* backend = api::find(spec, "defaultBackend");
  if (rules.empty() && backend == nullptr) {
    report.invalid(path, spec, "either `defaultBackend` or `rules` must be specified");
  }
  if (backend) validate_backend(*backend, path.child("defaultBackend"), report);
  const Path rules_path = path.child("rules");
  for (std::size_t i = 0; i < rules.size(); ++i) validate_ingress_rule(rules[i], rules_path[i], report);
  if (const auto name = api::str(spec, "ingressClassName"); !name.empty()) {
    report.check(path.child("ingressClassName"), name, api::check_dns1123_subdomain(name));
  }
  const auto& tls = api::list(spec, "tls");
  const Path tls_path = path.child("tls");
  for (std::size_t i = 0; i < tls.size(); ++i) {
    const Path entry = tls_path[i];
    const Path hosts = entry.child("hosts");
    const auto& names = api::list(tls[i], "hosts");
    for (std::size_t j = 0; j < names.size(); ++j) {
      auto name = text_of(names[j]);
      if (name.starts_with("*.")) name.remove_prefix(2);
      report.check(hosts[j], text_of(names[j]), api::check_dns1123_subdomain(name));
    }
  }
}

void validate_ingress_class(const Json& object, Report& report) {
  const Path path("spec");
  const auto controller = api::str(object, "spec.controller");
  if (controller.empty()) {
    report.required(path.child("controller"));
  } else if (controller.find('/') == std::string_view::npos) {
    report.invalid(path.child("controller"), controller,
                   "must be a domain-prefixed path (such as \"acme.io/foo\")");
  }
}

void default_policy_ports(Json& spec, std::string_view direction) {
  auto* rules = edit_list(spec, direction);
  if (rules == nullptr) return;
  for (auto& rule : *rules) {
    auto* ports = edit_list(rule, "ports");
    if (ports == nullptr) continue;
    for (auto& port : *ports) default_text(port, "protocol", "TCP");
  }
}

void default_network_policy(Json& policy) {
  Json& spec = ensure_object(policy, "spec");
  default_policy_ports(spec, "ingress");
  default_policy_ports(spec, "egress");
  if (!api::list(spec, "policyTypes").empty()) return;
  api::JsonArray types{"Ingress"};
  if (!api::list(spec, "egress").empty()) types.push_back("Egress");
  api::set(spec, "policyTypes", std::move(types));
}

void validate_peer(const Json& peer, const Path& path, Report& report) {
  const Json* block = api::find(peer, "ipBlock");
  const Json* pods = api::find(peer, "podSelector");
  const Json* namespaces = api::find(peer, "namespaceSelector");
  validate_label_selector(pods, path.child("podSelector"), report);
  validate_label_selector(namespaces, path.child("namespaceSelector"), report);
  if (!block && !pods && !namespaces) return report.required(path, "must specify a peer");
  if (!block) return;
  if (pods || namespaces) report.forbidden(path, "may not specify both ipBlock and another peer");
  const Path block_path = path.child("ipBlock");
  const auto cidr = api::str(*block, "cidr");
  if (cidr.empty()) return report.required(block_path.child("cidr"));
  report.check(block_path.child("cidr"), cidr, check_cidr(cidr));
  const auto& except = api::list(*block, "except");
  const Path except_path = block_path.child("except");
  for (std::size_t i = 0; i < except.size(); ++i) {
    report.check(except_path[i], text_of(except[i]), check_cidr(text_of(except[i])));
  }
}

void validate_policy_rule(const Json& rule, std::string_view peers_field, const Path& path, Report& report) {
  const auto& ports = api::list(rule, "ports");
  const Path ports_path = path.child("ports"), peers_path = path.child(peers_field);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const Path port = ports_path[i];
    check_enum(ports[i], "protocol", {"SCTP", "TCP", "UDP"}, port, report, Presence::kOptional);
    const Json* number = api::find(ports[i], "port");
    if (number) validate_port_ref(*number, port.child("port"), report);
    if (const Json* end = api::find(ports[i], "endPort")) {
      if (!number) {
        report.required(port.child("port"), "must be specified when `endPort` is specified");
      } else if (number->is_string()) {
        report.invalid(port.child("endPort"), *end, "may not be specified when `port` is non-numeric");
      } else if (api::num(*end, "") < api::num(*number, "")) {
        report.invalid(port.child("endPort"), *end, "must be greater than or equal to `port`");
      }
    }
  }
  const auto& peers = api::list(rule, peers_field);
  for (std::size_t i = 0; i < peers.size(); ++i) validate_peer(peers[i], peers_path[i], report);
}

void validate_network_policy(const Json& policy, Report& report) {
  const Json& spec = spec_of(policy);
  const Path path("spec");
  validate_label_selector(api::find(spec, "podSelector"), path.child("podSelector"), report);
  const Path ingress = path.child("ingress"), egress = path.child("egress"),
             types = path.child("policyTypes");
  const auto& in = api::list(spec, "ingress");
  const auto& out = api::list(spec, "egress");
  for (std::size_t i = 0; i < in.size(); ++i) validate_policy_rule(in[i], "from", ingress[i], report);
  for (std::size_t i = 0; i < out.size(); ++i) validate_policy_rule(out[i], "to", egress[i], report);
  const auto& kinds = api::list(spec, "policyTypes");
  if (kinds.size() > 2) report.invalid(types, Json(kinds), "may not specify more than two policyTypes");
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i] != "Ingress" && kinds[i] != "Egress")
      report.not_supported(types[i], text_of(kinds[i]), {"Egress", "Ingress"});
  }
}

void validate_service_cidr(const Json& object, Report& report) {
  const auto& ranges = api::list(object, "spec.cidrs");
  const Path path("spec.cidrs");
  if (ranges.empty()) report.required(path, "at least one CIDR required");
  if (ranges.size() > 2) report.invalid(path, Json(ranges), "may only hold up to 2 values");
  for (std::size_t i = 0; i < ranges.size(); ++i)
    report.check(path[i], text_of(ranges[i]), check_cidr(text_of(ranges[i])));
}

void validate_ip_address(const Json& object, Report& report) {
  const Path name("metadata.name"), parent("spec.parentRef");
  report.check(name, api::str(object, "metadata.name"), api::check_ip(api::str(object, "metadata.name")));
  if (!api::find(object, "spec.parentRef")) return report.required(parent);
  for (const std::string_view field : {"resource", "name"}) {
    if (api::str(object, std::string("spec.parentRef.") + std::string(field)).empty())
      report.required(parent.child(field));
  }
}

}  // namespace

void add_networking(StrategySet& set) {
  const auto add = [&](std::string_view resource, Rules rules) {
    set.add(std::string(resource) + ".networking.k8s.io", make_simple(std::move(rules)));
  };
  add("ingresses", {.validate = validate_ingress});
  add("ingressclasses",
      {.validate = validate_ingress_class, .immutable = {"spec.controller"}, .status = false});
  add("networkpolicies",
      {.defaults = default_network_policy, .validate = validate_network_policy, .status = false});
  add("servicecidrs", {.validate = validate_service_cidr, .immutable = {"spec.cidrs"}});
  add("ipaddresses", {.validate = validate_ip_address, .immutable = {"spec.parentRef"}, .status = false});
}

}  // namespace mk::apiserver
