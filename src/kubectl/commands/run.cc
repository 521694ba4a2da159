#include <fmt/format.h>

#include "commands/commands.h"
#include "commands/write.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;
using api::JsonArray;
using api::JsonObject;

Result<int> run_run(Invocation& call) {
  WriteFlags flags;
  std::string image, restart = "Always", labels, pull_policy;
  std::vector<std::string> environment;
  std::int64_t port = -1;
  bool command = false, tty = false, input = false, attach = false, remove = false, privileged = false;
  flags.bind(call.flags, "kubectl-run");
  call.flags.text("image", 0, image)
      .text("restart", 0, restart)
      .text("labels", 'l', labels)
      .text("image-pull-policy", 0, pull_policy)
      .array("env", 0, environment)
      .number("port", 0, port)
      .boolean("command", 0, command)
      .boolean("tty", 't', tty)
      .boolean("stdin", 'i', input)
      .boolean("attach", 0, attach)
      .boolean("rm", 0, remove)
      .boolean("privileged", 0, privileged)
      .ignored("quiet", 'q', false);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  if (call.words.empty())
    return usage_error("NAME is required for run\nSee 'kubectl run -h' for help and examples");
  if (image.empty()) return usage_error("required flag(s) \"image\" not set");
  if (attach || remove || (input && flags.dry_run == "none"))
    return usage_error("attaching with run is not supported: create the pod, then use `kubectl attach`");
  const std::string name = call.words[0];
  JsonArray arguments, variables;
  for (std::size_t i = 1; i < call.words.size(); ++i) arguments.push_back(api::text(call.words[i]));
  MK_ASSIGN(const auto pairs, parse_pairs(environment));
  for (const auto& [key, value] : pairs)
    variables.push_back(JsonObject{{"name", api::text(key)}, {"value", api::text(value)}});
  JsonObject container{{"image", api::text(image)}, {"name", api::text(name)}, {"resources", JsonObject{}}};
  if (!arguments.empty()) container[command ? "command" : "args"] = std::move(arguments);
  if (!variables.empty()) container["env"] = std::move(variables);
  if (port >= 0) container["ports"] = JsonArray{JsonObject{{"containerPort", port}}};
  if (!pull_policy.empty()) container["imagePullPolicy"] = api::text(pull_policy);
  if (tty) container["tty"] = true;
  if (input) container["stdin"] = true;
  if (privileged) container["securityContext"] = JsonObject{{"privileged", true}};
  JsonObject label_map{{"run", api::text(name)}};
  if (!labels.empty()) {
    std::vector<std::string> words;
    for (const auto part : split(labels, ',')) words.emplace_back(part);
    MK_ASSIGN(const auto given, parse_pairs(words));
    label_map.clear();
    for (const auto& [key, value] : given) label_map[key] = api::text(value);
  }
  Json pod(JsonObject{{"apiVersion", "v1"},
                      {"kind", "Pod"},
                      {"metadata", JsonObject{{"labels", std::move(label_map)}, {"name", api::text(name)}}},
                      {"spec", JsonObject{{"containers", JsonArray{std::move(container)}},
                                          {"dnsPolicy", "ClusterFirst"},
                                          {"restartPolicy", api::text(restart)}}}});
  return create_and_report(call, flags, std::move(pod));
}

namespace {

struct ExposeFlags {
  WriteFlags write;
  FileFlags files;
  std::string name, port, target_port, protocol = "TCP", type, selector, cluster_ip;
};

Result<JsonArray> service_ports(const Json& object, const ExposeFlags& flags) {
  std::vector<std::pair<std::int64_t, std::string>> wanted;
  if (!flags.port.empty()) {
    const auto number = parse_int(flags.port);
    if (!number) return usage_error(fmt::format("invalid port \"{}\"", flags.port));
    wanted.emplace_back(*number, flags.protocol);
  } else {
    const bool pod = api::str(object, "kind") == "Pod";
    for (const auto& container :
         api::list(object, pod ? "spec.containers" : "spec.template.spec.containers")) {
      for (const auto& port : api::list(container, "ports"))
        wanted.emplace_back(api::num(port, "containerPort"), std::string(api::str(port, "protocol", "TCP")));
    }
    for (const auto& port : api::list(object, "spec.ports"))
      wanted.emplace_back(api::num(port, "port"), std::string(api::str(port, "protocol", "TCP")));
  }
  if (wanted.empty())
    return usage_error(
        "couldn't find port via --port flag or introspection\nSee 'kubectl expose -h' for help and examples");
  JsonArray out;
  for (const auto& [number, protocol] : wanted) {
    JsonObject port{{"port", number}, {"protocol", api::text(protocol)}, {"targetPort", number}};
    const auto target = parse_int(flags.target_port);
    if (!flags.target_port.empty())
      port["targetPort"] = target ? Json(*target) : api::text(flags.target_port);
    if (wanted.size() > 1) port["name"] = api::text(fmt::format("port-{}", out.size() + 1));
    out.push_back(std::move(port));
  }
  return out;
}

Result<JsonObject> service_selector(const Json& object, const ExposeFlags& flags) {
  if (!flags.selector.empty()) {
    std::vector<std::string> words;
    for (const auto part : split(flags.selector, ',')) words.emplace_back(part);
    MK_ASSIGN(const auto pairs, parse_pairs(words));
    JsonObject out;
    for (const auto& [key, value] : pairs) out[key] = api::text(value);
    return out;
  }
  const auto kind = api::str(object, "kind");
  const JsonObject& found = api::object(object, kind == "Pod" ? "metadata.labels"
                                                : kind == "Service" || kind == "ReplicationController"
                                                    ? "spec.selector"
                                                    : "spec.selector.matchLabels");
  if (found.empty())
    return usage_error(
        fmt::format("couldn't retrieve selectors via --selector flag or introspection: the {} has no labels "
                    "and cannot be exposed",
                    to_lower(kind)));
  return found;
}

}  // namespace

Result<int> run_expose(Invocation& call) {
  ExposeFlags flags;
  flags.write.bind(call.flags, "kubectl-expose");
  flags.files.bind(call.flags);
  call.flags.text("name", 0, flags.name)
      .text("port", 0, flags.port)
      .text("target-port", 0, flags.target_port)
      .text("protocol", 0, flags.protocol)
      .text("type", 0, flags.type)
      .text("selector", 0, flags.selector)
      .text("cluster-ip", 0, flags.cluster_ip);
  MK_TRY(call.parse());
  MK_TRY(flags.write.check());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto targets, choose_targets(call, *session, flags.files, {}));
  MK_ASSIGN(const auto found, fetch(*session, targets, {}));
  if (found.size() != 1) return usage_error("exactly one resource is expected");
  MK_ASSIGN(auto ports, service_ports(found[0].object, flags));
  MK_ASSIGN(auto selector, service_selector(found[0].object, flags));
  Json service(JsonObject{{"apiVersion", "v1"}, {"kind", "Service"}});
  api::set(service, "metadata.name", api::text(flags.name.empty() ? found[0].target.name : flags.name));
  if (!api::object(found[0].object, "metadata.labels").empty())
    api::set(service, "metadata.labels", api::object(found[0].object, "metadata.labels"));
  api::set(service, "spec.ports", std::move(ports));
  api::set(service, "spec.selector", std::move(selector));
  if (!flags.type.empty()) api::set(service, "spec.type", api::text(flags.type));
  if (!flags.cluster_ip.empty()) api::set(service, "spec.clusterIP", api::text(flags.cluster_ip));
  // "exposed" rather than "created".
  if (flags.write.client_only()) {
    MK_TRY(flags.write.report(call.io, service, "exposed"));
    return 0;
  }
  MK_ASSIGN(Target target, target_of(*session, service));
  target.name.clear();
  MK_ASSIGN(const Json made, session->send("POST", target.path() + flags.write.query(), service));
  MK_TRY(flags.write.report(call.io, made, "exposed"));
  return 0;
}

}  // namespace mk::kubectl
