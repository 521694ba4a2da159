#include "framework/types.h"

#include <algorithm>

#include "mk/api/quantity.h"
#include "mk/api/volume_matching.h"

namespace mk::scheduler {
namespace {
// What a container without requests is taken to need when nodes are ranked.
constexpr std::int64_t kAssumedMilliCpu = 100;
constexpr std::int64_t kAssumedMemory = 200LL << 20;
}  // namespace

void Resources::add(const Resources& other, int sign) {
  milli_cpu += sign * other.milli_cpu;
  memory += sign * other.memory;
  ephemeral += sign * other.ephemeral;
  pods += sign * other.pods;
  for (const auto& [name, amount] : other.extended) extended[name] += sign * amount;
}

void Resources::raise_to(const Resources& other) {
  milli_cpu = std::max(milli_cpu, other.milli_cpu);
  memory = std::max(memory, other.memory);
  ephemeral = std::max(ephemeral, other.ephemeral);
  for (const auto& [name, amount] : other.extended) extended[name] = std::max(extended[name], amount);
}

namespace {
std::optional<api::Quantity> quantity_of(const api::Json& value) {
  std::string text;
  if (value.is_string())
    text = value.get_string();
  else if (value.is_int64())
    text = std::to_string(value.get_int64());
  else
    return std::nullopt;
  auto parsed = api::Quantity::parse(text);
  return parsed.ok() ? std::optional(*parsed) : std::nullopt;
}
}  // namespace

Resources parse_resources(const api::JsonObject& list) {
  Resources made;
  for (const auto& field : list) {
    const auto amount = quantity_of(field.value());
    if (!amount) continue;
    const std::string_view name = field.key();
    if (name == "cpu")
      made.milli_cpu = amount->milli_value();
    else if (name == "memory")
      made.memory = amount->value();
    else if (name == "ephemeral-storage")
      made.ephemeral = amount->value();
    else if (name == "pods")
      made.pods = amount->value();
    else
      made.extended[std::string(name)] = amount->value();
  }
  return made;
}

namespace {

Resources container_requests(const api::Json& container, bool assume) {
  auto made = parse_resources(api::object(container, "resources.requests"));
  if (!assume) return made;
  const auto& asked = api::object(container, "resources.requests");
  if (!asked.contains("cpu")) made.milli_cpu = kAssumedMilliCpu;
  if (!asked.contains("memory")) made.memory = kAssumedMemory;
  return made;
}

Resources requests_of(const api::Json& pod, bool assume) {
  Resources total;
  for (const auto& container : api::list(pod, "spec.containers"))
    total.add(container_requests(container, assume));
  Resources sidecars, init_peak;
  for (const auto& container : api::list(pod, "spec.initContainers")) {
    auto asked = container_requests(container, assume);
    if (api::str(container, "restartPolicy") == "Always") {
      sidecars.add(asked);
      total.add(asked);
      init_peak.raise_to(sidecars);
    } else {
      asked.add(sidecars);  // what already runs beside it
      init_peak.raise_to(asked);
    }
  }
  total.raise_to(init_peak);
  const auto& pod_level = api::object(pod, "spec.resources.requests");
  if (!pod_level.empty()) {
    const auto asked = parse_resources(pod_level);
    if (pod_level.contains("cpu")) total.milli_cpu = asked.milli_cpu;
    if (pod_level.contains("memory")) total.memory = asked.memory;
    for (const auto& [name, amount] : asked.extended) total.extended[name] = amount;
  }
  total.add(parse_resources(api::object(pod, "spec.overhead")));
  total.pods = 1;
  return total;
}

}  // namespace

Resources pod_requests(const api::Json& pod) {
  return requests_of(pod, false);
}

bool tolerates(const std::vector<Toleration>& tolerations, const Taint& taint) {
  return std::any_of(tolerations.begin(), tolerations.end(), [&taint](const Toleration& toleration) {
    if (!toleration.effect.empty() && toleration.effect != taint.effect) return false;
    if (!toleration.key.empty() && toleration.key != taint.key) return false;
    return toleration.op == "Exists" || (!toleration.key.empty() && toleration.value == taint.value);
  });
}

bool HostPort::clashes(const HostPort& other) const {
  if (port != other.port || protocol != other.protocol) return false;
  const auto any = [](const std::string& address) {
    return address.empty() || address == "0.0.0.0" || address == "::";
  };
  return any(ip) || any(other.ip) || ip == other.ip;
}

namespace {

void parse_containers(PodInfo& info, const api::Json& pod) {
  const bool host_network = api::flag(pod, "spec.hostNetwork");
  const auto take = [&](const api::Json& container) {
    for (const auto& port : api::list(container, "ports")) {
      HostPort wanted;
      wanted.port = api::num(port, "hostPort", host_network ? api::num(port, "containerPort") : 0);
      wanted.ip = api::str(port, "hostIP");
      wanted.protocol = api::str(port, "protocol", "TCP");
      if (wanted.port > 0) info.ports.push_back(std::move(wanted));
    }
  };
  for (const auto& container : api::list(pod, "spec.containers")) {
    take(container);
    info.images.emplace_back(api::str(container, "image"));
  }
  for (const auto& container : api::list(pod, "spec.initContainers")) {
    if (api::str(container, "restartPolicy") == "Always") take(container);
    info.images.emplace_back(api::str(container, "image"));
  }
  info.containers = info.images.size();
}

void parse_tolerations(PodInfo& info, const api::Json& pod) {
  for (const auto& entry : api::list(pod, "spec.tolerations")) {
    Toleration toleration;
    toleration.key = api::str(entry, "key");
    toleration.op = api::str(entry, "operator", "Equal");
    toleration.value = api::str(entry, "value");
    toleration.effect = api::str(entry, "effect");
    info.tolerations.push_back(std::move(toleration));
  }
}

}  // namespace

PodPtr make_pod_info(const api::Object& pod) {
  auto info = std::make_shared<PodInfo>();
  const auto& json = pod.json();
  info->object = pod;
  info->key = pod.key();
  info->uid = pod.uid();
  info->node = api::str(json, "spec.nodeName");
  info->nominated_node = api::str(json, "status.nominatedNodeName");
  if (const auto* owner = api::controller_of(pod)) info->controller_uid = api::str(*owner, "uid");
  info->labels = api::object(json, "metadata.labels");
  info->priority = api::num(json, "spec.priority");
  info->terminating = pod.deleting();
  info->never_preempts = api::str(json, "spec.preemptionPolicy") == "Never";
  info->gated = !api::list(json, "spec.schedulingGates").empty();
  info->started = rt::parse_time(api::str(json, "status.startTime")).value_or(rt::WallTime::max());
  info->requests = pod_requests(json);
  info->scored = requests_of(json, true);
  parse_containers(*info, json);
  for (const auto& volume : api::list(json, "spec.volumes")) {
    auto claim = api::volume::claim_of_volume(info->key.name, volume);
    if (!claim.empty())
      info->claims.push_back(PodVolume{std::move(claim), api::find(volume, "ephemeral") != nullptr});
  }
  parse_tolerations(*info, json);
  parse_affinity(*info, json);
  parse_spread(*info, json);
  return info;
}

void NodeInfo::set_node(const api::Object& node) {
  const auto& json = node.json();
  name = node.name();
  known = true;
  labels = api::object(json, "metadata.labels");
  unschedulable = api::flag(json, "spec.unschedulable");
  allocatable = parse_resources(api::object(json, "status.allocatable"));
  taints.clear();
  for (const auto& entry : api::list(json, "spec.taints")) {
    taints.push_back(Taint{std::string(api::str(entry, "key")), std::string(api::str(entry, "value")),
                           std::string(api::str(entry, "effect"))});
  }
  images.clear();
  for (const auto& image : api::list(json, "status.images")) {
    for (const auto& image_name : api::list(image, "names")) {
      if (image_name.is_string()) images[std::string(image_name.get_string())] = api::num(image, "sizeBytes");
    }
  }
}

void NodeInfo::clear_node() {
  known = false;
  labels.clear();
  taints.clear();
  images.clear();
  allocatable = Resources();
}

namespace {
bool about_other_pods(const PodInfo& pod) {
  return !pod.required_affinity.empty() || !pod.required_anti.empty() || !pod.preferred_affinity.empty() ||
         !pod.preferred_anti.empty();
}
}  // namespace

void NodeInfo::add_pod(const PodPtr& pod) {
  pods.push_back(pod);
  requested.add(pod->requests);
  scored.add(pod->scored);
  ports.insert(ports.end(), pod->ports.begin(), pod->ports.end());
  if (about_other_pods(*pod)) ++with_affinity;
}

bool NodeInfo::remove_pod(const std::string& uid) {
  const auto found =
      std::find_if(pods.begin(), pods.end(), [&uid](const PodPtr& pod) { return pod->uid == uid; });
  if (found == pods.end()) return false;
  const auto pod = *found;
  pods.erase(found);
  requested.add(pod->requests, -1);
  scored.add(pod->scored, -1);
  if (about_other_pods(*pod)) --with_affinity;
  if (pod->ports.empty()) return true;
  ports.clear();
  for (const auto& left : pods) ports.insert(ports.end(), left->ports.begin(), left->ports.end());
  return true;
}

std::string NodeInfo::label(const std::string& key) const {
  const auto* value = labels.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace mk::scheduler
