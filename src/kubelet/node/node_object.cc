#include "node/node_object.h"

#include <fmt/core.h>

#include <algorithm>

#include "mk/api/validation.h"
#include "mk/api/volume_matching.h"
#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

constexpr std::size_t kImagesMax = 50;

Result<void> add_labels(JsonObject& labels, const KubeletOptions& options) {
  for (const auto& label : options.node_labels) {
    const auto mark = label.find('=');
    const std::string key = label.substr(0, mark),
                      value = mark == std::string::npos ? "" : label.substr(mark + 1);
    if (const auto wrong = api::check_qualified_name(key) + api::check_label_value(value); !wrong.empty())
      return Error(Reason::kInvalid,
                   fmt::format("node label \"{}\" is malformed (want key=value): {}", label, wrong));
    labels[key] = text(value);
  }
  return ok();
}

Result<JsonArray> make_taints(const KubeletOptions& options) {
  JsonArray out;
  for (const auto& taint : options.node_taints) {
    const auto colon = taint.rfind(':');
    const std::string effect = colon == std::string::npos ? "" : taint.substr(colon + 1);
    const std::string pair = taint.substr(0, colon);
    const auto mark = pair.find('=');
    if (effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute")
      return Error(
          Reason::kInvalid,
          fmt::format(
              "node taint \"{}\" is malformed: want key=value:NoSchedule, :PreferNoSchedule or :NoExecute",
              taint));
    JsonObject entry{{"key", text(pair.substr(0, mark))}, {"effect", text(effect)}};
    if (mark != std::string::npos) entry["value"] = text(pair.substr(mark + 1));
    out.push_back(std::move(entry));
  }
  return out;
}

std::string cpu_text(std::int64_t milli) {
  return milli % 1000 == 0 ? std::to_string(milli / 1000) : std::to_string(milli) + "m";
}

JsonObject resource_list(const NodeFacts& facts) {
  const auto& capacity = facts.capacity;
  return JsonObject{{"cpu", text(cpu_text(capacity.cpu_milli))},
                    {"memory", text(fmt::format("{}Ki", capacity.memory / 1024))},
                    {"ephemeral-storage", text(fmt::format("{}Ki", capacity.ephemeral_storage / 1024))},
                    {"hugepages-1Gi", text(std::to_string(facts.hugepages_1gi))},
                    {"hugepages-2Mi", text(std::to_string(facts.hugepages_2mi))},
                    {"pods", text(std::to_string(capacity.pods))}};
}

// Extended resources of device plugins or of an administrator's patch stay.
JsonObject with_foreign(JsonObject own, const JsonObject& current) {
  for (const auto& entry : current)
    if (own.if_contains(entry.key()) == nullptr) own[entry.key()] = entry.value();
  return own;
}

Json condition(const Json& current, std::string_view type, bool value, std::string_view reason,
               std::string_view message, rt::WallTime now) {
  const std::string_view status = value ? "True" : "False";
  const std::string stamp = rt::format_time(now);
  JsonObject out{{"type", text(type)},
                 {"status", text(status)},
                 {"reason", text(reason)},
                 {"message", text(message)},
                 {"lastHeartbeatTime", text(stamp)}};
  out["lastTransitionTime"] = text(stamp);
  for (const Json& old : api::list(current, "status.conditions"))
    if (api::str(old, "type") == type && api::str(old, "status") == status)
      out["lastTransitionTime"] = text(api::str(old, "lastTransitionTime", stamp));
  return out;
}

JsonArray make_conditions(const NodeStatusInputs& in, const Json& current) {
  JsonArray out;
  const auto& pressure = in.pressure;
  out.push_back(pressure.memory ? condition(current, "MemoryPressure", true, "KubeletHasInsufficientMemory",
                                            "kubelet has insufficient memory available", in.now)
                                : condition(current, "MemoryPressure", false, "KubeletHasSufficientMemory",
                                            "kubelet has sufficient memory available", in.now));
  out.push_back(pressure.disk ? condition(current, "DiskPressure", true, "KubeletHasDiskPressure",
                                          "kubelet has disk pressure", in.now)
                              : condition(current, "DiskPressure", false, "KubeletHasNoDiskPressure",
                                          "kubelet has no disk pressure", in.now));
  out.push_back(pressure.pids ? condition(current, "PIDPressure", true, "KubeletHasInsufficientPID",
                                          "kubelet has insufficient PID available", in.now)
                              : condition(current, "PIDPressure", false, "KubeletHasSufficientPID",
                                          "kubelet has sufficient PID available", in.now));
  out.push_back(in.network_ready ? condition(current, "Ready", true, "KubeletReady",
                                             "kubelet is posting ready status", in.now)
                                 : condition(current, "Ready", false, "KubeletNotReady",
                                             "container runtime network not ready: the node has no pod CIDR "
                                             "yet or its pod network is not set up",
                                             in.now));
  for (const Json& old : api::list(current, "status.conditions")) {
    const auto type = api::str(old, "type");
    if (type != "MemoryPressure" && type != "DiskPressure" && type != "PIDPressure" && type != "Ready")
      out.push_back(old);
  }
  return out;
}

JsonArray make_images(std::vector<ImageInfo> images) {
  std::sort(images.begin(), images.end(), [](const ImageInfo& a, const ImageInfo& b) {
    return a.size != b.size ? a.size > b.size : a.id < b.id;
  });
  if (images.size() > kImagesMax) images.resize(kImagesMax);
  JsonArray out;
  for (const auto& image : images) {
    JsonArray names;
    for (const auto& digest : image.digests) names.push_back(text(digest));
    for (const auto& name : image.names) names.push_back(text(name));
    if (names.empty()) names.push_back(text(image.id));
    out.push_back(JsonObject{{"names", std::move(names)}, {"sizeBytes", image.size}});
  }
  return out;
}

}  // namespace

Result<Json> make_node(const KubeletOptions& options, const NodeFacts& facts) {
  const std::string hostname = options.hostname.empty() ? options.node_name : options.hostname;
  JsonObject labels{{"kubernetes.io/hostname", text(hostname)},
                    {"kubernetes.io/os", "linux"},
                    {"kubernetes.io/arch", text(facts.architecture)},
                    {"beta.kubernetes.io/os", "linux"},
                    {"beta.kubernetes.io/arch", text(facts.architecture)}};
  MK_TRY(add_labels(labels, options));
  MK_ASSIGN(JsonArray taints, make_taints(options));
  JsonObject metadata{{"name", text(options.node_name)}, {"labels", std::move(labels)}};
  if (!options.local_path_folder.empty())
    metadata["annotations"] =
        JsonObject{{std::string(api::volume::kLocalPathFolder), text(options.local_path_folder)}};
  JsonObject spec;
  if (!taints.empty()) spec["taints"] = std::move(taints);
  return Json(JsonObject{
      {"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", std::move(metadata)}, {"spec", std::move(spec)}});
}

Json make_node_status(const KubeletOptions& options, const NodeStatusInputs& in, const Json& current) {
  const std::string hostname = options.hostname.empty() ? options.node_name : options.hostname;
  JsonObject info{{"machineID", text(in.facts.machine_id)},
                  {"systemUUID", text(in.facts.system_uuid)},
                  {"bootID", text(in.facts.boot_id)},
                  {"kernelVersion", text(in.facts.kernel_version)},
                  {"osImage", text(in.facts.os_image)},
                  {"containerRuntimeVersion", text("mk://" + options.version)},
                  {"kubeletVersion", text(options.version)},
                  {"kubeProxyVersion", ""},
                  {"operatingSystem", "linux"},
                  {"architecture", text(in.facts.architecture)}};
  JsonObject out;
  out["capacity"] = with_foreign(resource_list(in.facts), api::object(current, "status.capacity"));
  out["allocatable"] = with_foreign(resource_list(in.facts), api::object(current, "status.allocatable"));
  out["conditions"] = make_conditions(in, current);
  out["addresses"] = JsonArray{JsonObject{{"type", "InternalIP"}, {"address", text(options.node_ip)}},
                               JsonObject{{"type", "Hostname"}, {"address", text(hostname)}}};
  out["daemonEndpoints"] = JsonObject{{"kubeletEndpoint", JsonObject{{"Port", options.port}}}};
  out["nodeInfo"] = std::move(info);
  out["images"] = make_images(in.images);
  return out;
}

bool node_status_changed(const Json& before, const Json& after) {
  const auto without_heartbeats = [](Json status) {
    if (!status.is_object()) return status;
    if (Json* conditions = status.get_object().if_contains("conditions");
        conditions != nullptr && conditions->is_array())
      for (Json& entry : conditions->get_array())
        if (entry.is_object()) entry.get_object().erase("lastHeartbeatTime");
    return status;
  };
  const Json old = without_heartbeats(before), fresh = without_heartbeats(after);
  for (const auto& field : fresh.get_object()) {
    const Json* had = old.is_object() ? old.get_object().if_contains(field.key()) : nullptr;
    if (had == nullptr || *had != field.value()) return true;
  }
  return false;
}

std::vector<PeerNode> make_peers(const std::vector<api::Object>& nodes, const std::string& own_name) {
  std::vector<PeerNode> out;
  for (const auto& node : nodes) {
    if (node.name() == own_name) continue;
    PeerNode peer;
    peer.name = std::string(node.name());
    peer.pod_cidr = std::string(api::str(node.json(), "spec.podCIDR"));
    peer.vtep_mac = std::string(node.annotation(kVtepMacAnnotation));
    for (const Json& address : api::list(node.json(), "status.addresses"))
      if (api::str(address, "type") == "InternalIP") peer.node_ip = std::string(api::str(address, "address"));
    if (!peer.pod_cidr.empty() && !peer.vtep_mac.empty() && !peer.node_ip.empty())
      out.push_back(std::move(peer));
  }
  std::sort(out.begin(), out.end(), [](const PeerNode& a, const PeerNode& b) { return a.name < b.name; });
  return out;
}

}  // namespace mk::kubelet
