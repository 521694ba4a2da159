#include <fmt/format.h>

#include <algorithm>

#include "describe/describe.h"
#include "mk/api/selector.h"
#include "mk/api/types.h"
#include "mk/base/strings.h"
#include "print/jsonpath.h"

namespace mk::kubectl {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

std::string number(const Json& object, std::string_view path, std::int64_t fallback = 0) {
  return std::to_string(api::num(object, path, fallback));
}

std::string controller_text(const Json& object) {
  for (const auto& owner : api::list(object, "metadata.ownerReferences")) {
    if (api::flag(owner, "controller"))
      return fmt::format("{}/{}", api::str(owner, "kind"), api::str(owner, "name"));
  }
  return "";
}

std::string value_at(const Json& object, std::string_view path) {
  const Json* found = api::find(object, path);
  return found ? plain_text(*found) : "";
}

std::string toleration_text(const Json& toleration) {
  std::string out(api::str(toleration, "key"));
  const auto value = api::str(toleration, "value"), effect = api::str(toleration, "effect"),
             op = api::str(toleration, "operator");
  if (!value.empty()) out += fmt::format("={}", value);
  if (!effect.empty()) out += fmt::format(":{}", effect);
  if (op == "Exists" && value.empty()) out += out.empty() ? "op=Exists" : " op=Exists";
  if (api::find(toleration, "tolerationSeconds"))
    out += fmt::format(" for {}s", api::num(toleration, "tolerationSeconds"));
  return out;
}

std::string selector_text(const Json& workload) {
  const Json* selector = api::find(workload, "spec.selector");
  const auto parsed =
      api::str(workload, "kind") == "ReplicationController"
          ? Result<api::LabelSelector>(api::LabelSelector::from_map(api::object(workload, "spec.selector")))
          : api::LabelSelector::from_json(selector);
  return parsed.ok() ? parsed->str() : "<none>";
}

}  // namespace

void describe_pod(Page& page, const Json& pod) {
  page.field(0, "Name", api::str(pod, "metadata.name"));
  page.field(0, "Namespace", api::str(pod, "metadata.namespace"));
  page.field(0, "Priority", number(pod, "spec.priority"));
  page.field(0, "Service Account", api::str(pod, "spec.serviceAccountName"));
  const auto node = api::str(pod, "spec.nodeName");
  page.field(0, "Node", node.empty() ? "<none>" : fmt::format("{}/{}", node, api::str(pod, "status.hostIP")));
  if (api::find(pod, "status.startTime"))
    page.field(0, "Start Time", long_time(api::str(pod, "status.startTime")));
  page.map(0, "Labels", api::object(pod, "metadata.labels"));
  page.map(0, "Annotations", api::object(pod, "metadata.annotations"));
  const auto deleted = api::str(pod, "metadata.deletionTimestamp");
  if (!deleted.empty()) {
    page.field(0, "Status", fmt::format("Terminating (lasts {})", page.age(deleted)));
    page.field(0, "Termination Grace Period", number(pod, "metadata.deletionGracePeriodSeconds") + "s");
  } else {
    page.field(0, "Status", api::str(pod, "status.phase"));
  }
  if (!api::str(pod, "status.reason").empty()) page.field(0, "Reason", api::str(pod, "status.reason"));
  if (!api::str(pod, "status.message").empty()) page.field(0, "Message", api::str(pod, "status.message"));
  page.line(0, fmt::format("IP:\t{}", api::str(pod, "status.podIP")));
  if (api::list(pod, "status.podIPs").empty())
    page.field(0, "IPs", "");
  else
    page.line(0, "IPs:");
  for (const auto& ip : api::list(pod, "status.podIPs")) page.field(1, "IP", api::str(ip, "ip"));
  if (!controller_text(pod).empty()) page.field(0, "Controlled By", controller_text(pod));
  page.containers("Init Containers", api::list(pod, "spec.initContainers"),
                  api::list(pod, "status.initContainerStatuses"), 0);
  page.containers("Containers", api::list(pod, "spec.containers"), api::list(pod, "status.containerStatuses"),
                  0);
  page.containers("Ephemeral Containers", api::list(pod, "spec.ephemeralContainers"),
                  api::list(pod, "status.ephemeralContainerStatuses"), 0);
  page.conditions(pod, false);
  page.volumes(api::list(pod, "spec.volumes"), 0);
  page.field(0, "QoS Class", api::str(pod, "status.qosClass"));
  page.map(0, "Node-Selectors", api::object(pod, "spec.nodeSelector"));
  std::vector<std::string> tolerations;
  for (const auto& toleration : api::list(pod, "spec.tolerations"))
    tolerations.push_back(toleration_text(toleration));
  std::sort(tolerations.begin(), tolerations.end());
  page.lines(0, "Tolerations", tolerations);
}

namespace {

bool controlled_by(const Json& object, const Json& owner) {
  for (const auto& reference : api::list(object, "metadata.ownerReferences")) {
    if (api::str(reference, "uid") == api::str(owner, "metadata.uid")) return true;
  }
  return false;
}

void deployment_counts(Page& page, const Json& workload) {
  page.field(0, "Selector", selector_text(workload));
  page.field(
      0, "Replicas",
      fmt::format("{} desired | {} updated | {} total | {} available | {} unavailable",
                  api::num(workload, "spec.replicas", 1), api::num(workload, "status.updatedReplicas"),
                  api::num(workload, "status.replicas"), api::num(workload, "status.availableReplicas"),
                  api::num(workload, "status.unavailableReplicas")));
  page.field(0, "StrategyType", api::str(workload, "spec.strategy.type"));
  page.field(0, "MinReadySeconds", number(workload, "spec.minReadySeconds"));
  if (api::find(workload, "spec.strategy.rollingUpdate"))
    page.field(0, "RollingUpdateStrategy",
               fmt::format("{} max unavailable, {} max surge",
                           value_at(workload, "spec.strategy.rollingUpdate.maxUnavailable"),
                           value_at(workload, "spec.strategy.rollingUpdate.maxSurge")));
}

void daemon_set_counts(Page& page, const Json& workload) {
  page.field(0, "Desired Number of Nodes Scheduled", number(workload, "status.desiredNumberScheduled"));
  page.field(0, "Current Number of Nodes Scheduled", number(workload, "status.currentNumberScheduled"));
  page.field(0, "Number of Nodes Scheduled with Up-to-date Pods",
             number(workload, "status.updatedNumberScheduled"));
  page.field(0, "Number of Nodes Scheduled with Available Pods", number(workload, "status.numberAvailable"));
  page.field(0, "Number of Nodes Misscheduled", number(workload, "status.numberMisscheduled"));
}

void pod_counts(Page& page, const Json& workload, const Json& pods) {
  std::int64_t running = 0, waiting = 0, succeeded = 0, failed = 0;
  for (const auto& pod : api::list(pods, "items")) {
    if (!controlled_by(pod, workload)) continue;
    const auto phase = api::str(pod, "status.phase");
    ++(phase == "Running"     ? running
       : phase == "Pending"   ? waiting
       : phase == "Succeeded" ? succeeded
                              : failed);
  }
  page.field(
      0, "Pods Status",
      fmt::format("{} Running / {} Waiting / {} Succeeded / {} Failed", running, waiting, succeeded, failed));
}

std::int64_t revision_of(const Json& set) {
  const Json* annotations = api::find(set, "metadata.annotations");
  const Json* revision =
      annotations ? api::member(*annotations, "deployment.kubernetes.io/revision") : nullptr;
  return revision ? parse_int(plain_text(*revision)).value_or(0) : 0;
}

// The one of the latest revision is the new set, the others are old.
void replica_sets(Page& page, const Json& workload, const Json& related) {
  std::vector<std::pair<std::int64_t, std::string>> sets;
  const auto newest = [&] {
    std::int64_t out = -1;
    for (const auto& set : api::list(related, "items"))
      out = controlled_by(set, workload) ? std::max(out, revision_of(set)) : out;
    return out;
  }();
  std::vector<std::string> old_sets;
  std::string new_set;
  for (const auto& set : api::list(related, "items")) {
    if (!controlled_by(set, workload)) continue;
    std::string text = fmt::format("{} ({}/{} replicas created)", api::str(set, "metadata.name"),
                                   api::num(set, "status.replicas"), api::num(set, "spec.replicas"));
    if (revision_of(set) == newest)
      new_set = std::move(text);
    else
      old_sets.push_back(std::move(text));
  }
  page.field(0, "OldReplicaSets", join(old_sets, ", "));
  page.field(0, "NewReplicaSet", new_set);
}

}  // namespace

void describe_workload(Page& page, const Json& workload, const Json& related) {
  const auto kind = api::str(workload, "kind");
  page.field(0, "Name", api::str(workload, "metadata.name"));
  page.field(0, "Namespace", api::str(workload, "metadata.namespace"));
  if (kind == "Deployment" || kind == "StatefulSet")
    page.field(0, "CreationTimestamp", long_time(api::str(workload, "metadata.creationTimestamp")));
  if (kind != "Deployment") page.field(0, "Selector", selector_text(workload));
  page.map(0, "Labels", api::object(workload, "metadata.labels"));
  page.map(0, "Annotations", api::object(workload, "metadata.annotations"));
  if (!controller_text(workload).empty()) page.field(0, "Controlled By", controller_text(workload));
  if (kind == "Deployment")
    deployment_counts(page, workload);
  else if (kind == "DaemonSet")
    daemon_set_counts(page, workload);
  else
    page.field(0, "Replicas",
               fmt::format("{} current / {} desired", api::num(workload, "status.replicas"),
                           api::num(workload, "spec.replicas", 1)));
  if (kind != "Deployment" && related.is_object()) pod_counts(page, workload, related);
  if (const Json* pod_template = api::find(workload, "spec.template")) page.pod_template(*pod_template);
  page.conditions(workload, true);
  if (kind == "Deployment") replica_sets(page, workload, related);
}

void describe_service(Page& page, const Json& service, const Json& slices) {
  page.head(service, true);
  page.field(0, "Selector", api::LabelSelector::from_map(api::object(service, "spec.selector")).str());
  page.field(0, "Type", api::str(service, "spec.type"));
  page.field(0, "IP Family Policy", api::str(service, "spec.ipFamilyPolicy"));
  std::vector<std::string> families, ips;
  for (const auto& family : api::list(service, "spec.ipFamilies")) families.push_back(plain_text(family));
  for (const auto& ip : api::list(service, "spec.clusterIPs")) ips.push_back(plain_text(ip));
  page.field(0, "IP Families", join(families, ","));
  page.line(0, fmt::format("IP:\t{}", api::str(service, "spec.clusterIP")));
  page.field(0, "IPs", join(ips, ","));
  if (!api::str(service, "spec.externalName").empty())
    page.field(0, "External Name", api::str(service, "spec.externalName"));
  std::vector<std::string> ingress;
  for (const auto& entry : api::list(service, "status.loadBalancer.ingress"))
    ingress.emplace_back(api::str(entry, "ip", api::str(entry, "hostname")));
  if (!ingress.empty()) page.field(0, "LoadBalancer Ingress", join(ingress, ", "));
  for (const auto& port : api::list(service, "spec.ports")) {
    const auto name = api::str(port, "name", "<unset>");
    page.line(0, fmt::format("Port:\t{}\t{}/{}", name, api::num(port, "port"), api::str(port, "protocol")));
    page.line(0, fmt::format("TargetPort:\t{}/{}", value_at(port, "targetPort"), api::str(port, "protocol")));
    if (api::num(port, "nodePort") > 0)
      page.line(0, fmt::format("NodePort:\t{}\t{}/{}", name, api::num(port, "nodePort"),
                               api::str(port, "protocol")));
    std::vector<std::string> endpoints;
    for (const auto& slice : api::list(slices, "items")) {
      for (const auto& slice_port : api::list(slice, "ports")) {
        if (api::str(slice_port, "name") != api::str(port, "name")) continue;
        for (const auto& endpoint : api::list(slice, "endpoints")) {
          const Json* ready = api::find(endpoint, "conditions.ready");
          if (ready && ready->is_bool() && !ready->get_bool()) continue;
          for (const auto& address : api::list(endpoint, "addresses"))
            endpoints.push_back(fmt::format("{}:{}", plain_text(address), api::num(slice_port, "port")));
        }
      }
    }
    page.line(0, fmt::format("Endpoints:\t{}", join(endpoints, ",")));
  }
  page.field(0, "Session Affinity", api::str(service, "spec.sessionAffinity"));
  if (!api::str(service, "spec.externalTrafficPolicy").empty())
    page.field(0, "External Traffic Policy", api::str(service, "spec.externalTrafficPolicy"));
  page.field(0, "Internal Traffic Policy", api::str(service, "spec.internalTrafficPolicy"));
}

void describe_node(Page& page, const Json& node, const Json& pods) {
  page.field(0, "Name", api::str(node, "metadata.name"));
  std::vector<std::string> roles, taints;
  const std::string prefix = "node-role.kubernetes.io/";
  for (const auto& label : api::object(node, "metadata.labels")) {
    const std::string key(label.key());
    if (key.substr(0, prefix.size()) == prefix) roles.push_back(key.substr(prefix.size()));
  }
  page.field(0, "Roles", join(roles, ","));
  page.map(0, "Labels", api::object(node, "metadata.labels"));
  page.map(0, "Annotations", api::object(node, "metadata.annotations"));
  page.field(0, "CreationTimestamp", long_time(api::str(node, "metadata.creationTimestamp")));
  for (const auto& taint : api::list(node, "spec.taints")) {
    const auto value = api::str(taint, "value");
    taints.push_back(fmt::format("{}{}:{}", api::str(taint, "key"),
                                 value.empty() ? "" : fmt::format("={}", value), api::str(taint, "effect")));
  }
  page.lines(0, "Taints", taints);
  page.field(0, "Unschedulable", api::flag(node, "spec.unschedulable") ? "true" : "false");
  page.line(0, "Conditions:");
  page.line(1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
  page.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
  for (const auto& condition : api::list(node, "status.conditions"))
    page.line(
        1, fmt::format("{}\t{}\t{}\t{}\t{}\t{}", api::str(condition, "type"), api::str(condition, "status"),
                       long_time(api::str(condition, "lastHeartbeatTime")),
                       long_time(api::str(condition, "lastTransitionTime")), api::str(condition, "reason"),
                       api::str(condition, "message")));
  page.line(0, "Addresses:");
  for (const auto& address : api::list(node, "status.addresses"))
    page.line(1, fmt::format("{}:\t{}", api::str(address, "type"), api::str(address, "address")));
  for (const char* amounts : {"capacity", "allocatable"}) {
    page.line(0, std::string(amounts) == "capacity" ? "Capacity:" : "Allocatable:");
    for (const auto& amount : api::object(node, std::string("status.") + amounts))
      page.line(1, fmt::format("{}:\t{}", std::string_view(amount.key().data(), amount.key().size()),
                               plain_text(amount.value())));
  }
  page.line(0, "System Info:");
  const std::pair<const char*, const char*> facts[] = {
      {"Machine ID", "machineID"},
      {"System UUID", "systemUUID"},
      {"Boot ID", "bootID"},
      {"Kernel Version", "kernelVersion"},
      {"OS Image", "osImage"},
      {"Operating System", "operatingSystem"},
      {"Architecture", "architecture"},
      {"Container Runtime Version", "containerRuntimeVersion"},
      {"Kubelet Version", "kubeletVersion"}};
  for (const auto& [title, key] : facts)
    page.line(1, fmt::format("{}:\t{}", title, api::str(node, std::string("status.nodeInfo.") + key)));
  if (!api::str(node, "spec.podCIDR").empty()) page.field(0, "PodCIDR", api::str(node, "spec.podCIDR"));
  if (pods.is_null()) return;
  page.line(0, fmt::format("Non-terminated Pods:\t({} in total)", api::list(pods, "items").size()));
  page.line(1, "Namespace\tName\tAge");
  page.line(1, "---------\t----\t---");
  for (const auto& pod : api::list(pods, "items"))
    page.line(1,
              fmt::format("{}\t{}\t{}", api::str(pod, "metadata.namespace"), api::str(pod, "metadata.name"),
                          page.age(api::str(pod, "metadata.creationTimestamp"))));
}

void describe_config(Page& page, const Json& object) {
  page.head(object, true);
  const bool secret = api::str(object, "kind") == "Secret";
  if (secret) page.line(0, fmt::format("\nType:\t{}", api::str(object, "type")));
  page.line(0, "\nData\n====");
  for (const auto& field : api::object(object, "data")) {
    const std::string key(field.key()), value = plain_text(field.value());
    if (!secret)
      page.line(0, fmt::format("{}:\n----\n{}\n", key, value));
    else
      page.line(0, fmt::format("{}:\t{} bytes", key, base64_decode(value).value_or("").size()));
  }
  if (secret) return;
  page.line(0, "\nBinaryData\n====");
  for (const auto& field : api::object(object, "binaryData"))
    page.line(0, fmt::format("{}: {} bytes", std::string(field.key()),
                             base64_decode(plain_text(field.value())).value_or("").size()));
  page.line(0, "");
}

void describe_namespace(Page& page, const Json& object) {
  page.head(object, false);
  page.field(0, "Status", api::str(object, "status.phase"));
  page.conditions(object, true);
}

namespace {

// "minReadySeconds" becomes "Min Ready Seconds".
std::string title(std::string_view key) {
  std::string out;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const auto c = static_cast<unsigned char>(key[i]);
    const bool upper = std::isupper(c) != 0;
    if (i > 0 && upper && std::islower(static_cast<unsigned char>(key[i - 1]))) out += ' ';
    out += static_cast<char>(i == 0 ? std::toupper(c) : c);
  }
  return out;
}

void tree(Page& page, int depth, const Json& value);

void entry(Page& page, int depth, const std::string& name, const Json& value) {
  if (!value.is_structured()) return page.line(depth, fmt::format("{}:\t{}", name, plain_text(value)));
  page.line(depth, name + ":");
  tree(page, depth + 1, value);
}

void tree(Page& page, int depth, const Json& value) {
  if (const auto* array = value.if_array()) {
    for (const auto& item : *array) {
      if (item.is_structured())
        tree(page, depth, item);
      else
        page.line(depth, plain_text(item));
    }
  } else if (const auto* object = value.if_object()) {
    for (const auto& field : *object)
      entry(page, depth, title(std::string_view(field.key().data(), field.key().size())), field.value());
  }
}

}  // namespace

void describe_generic(Page& page, const Json& object) {
  page.head(object, true);
  page.field(0, "API Version", api::str(object, "apiVersion"));
  page.field(0, "Kind", api::str(object, "kind"));
  page.line(0, "Metadata:");
  for (const char* key : {"creationTimestamp", "generation", "resourceVersion", "uid"}) {
    const std::string shown = std::string_view(key) == "uid" ? "UID" : title(key);
    if (const Json* found = api::find(object, std::string("metadata.") + key))
      page.line(1, fmt::format("{}:\t{}", shown, plain_text(*found)));
  }
  for (const auto& field : object.is_object() ? object.get_object() : JsonObject()) {
    if (field.key() == "apiVersion" || field.key() == "kind" || field.key() == "metadata") continue;
    entry(page, 0, title(std::string_view(field.key().data(), field.key().size())), field.value());
  }
}

std::string describe_object(const Json& object, const DescribeContext& context) {
  Page page(context.now);
  const api::Gvk kind = api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind"));
  const bool core = kind.group.empty();
  const auto one_of = [&](std::initializer_list<std::string_view> kinds) {
    return std::find(kinds.begin(), kinds.end(), kind.kind) != kinds.end();
  };
  if (core && kind.kind == "Pod")
    describe_pod(page, object);
  else if (core && kind.kind == "Service")
    describe_service(page, object, context.related);
  else if (core && kind.kind == "Node")
    describe_node(page, object, context.related);
  else if (core && kind.kind == "Namespace")
    describe_namespace(page, object);
  else if (core && one_of({"ConfigMap", "Secret"}))
    describe_config(page, object);
  else if ((kind.group == "apps" && one_of({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"})) ||
           (core && kind.kind == "ReplicationController"))
    describe_workload(page, object, context.related);
  else
    describe_generic(page, object);
  page.events(context.events);
  return page.take();
}

}  // namespace mk::kubectl
