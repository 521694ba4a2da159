#include <fmt/format.h>

#include <algorithm>

#include "mk/base/strings.h"
#include "table/cells.h"

namespace mk::api {
namespace {

using Values = std::initializer_list<std::string>;

// Name, the values, age: what most kinds show.
void plain(const RowContext& row, JsonArray& out, Values values) {
  out.emplace_back(object_name(row));
  for (const auto& value : values) out.emplace_back(value);
  out.emplace_back(age_of(row));
}

std::string text_at(const Json& object, std::string_view path) {
  return std::string(str(object, path));
}
std::string bool_at(const Json& object, std::string_view path, bool fallback = false) {
  return flag(object, path, fallback) ? "true" : "false";
}

std::string node_status(const Json& node) {
  std::string status = "Unknown";
  for (const auto& condition : list(node, "status.conditions")) {
    if (str(condition, "type") == "Ready") status = str(condition, "status") == "True" ? "Ready" : "NotReady";
  }
  return flag(node, "spec.unschedulable") ? status + ",SchedulingDisabled" : status;
}

std::string node_roles(const Json& node) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::vector<std::string> roles;
  for (const auto& label : object(node, "metadata.labels")) {
    const std::string_view key = label.key();
    const auto* value = label.value().if_string();
    if (key.starts_with(kPrefix) && key.size() > kPrefix.size())
      roles.emplace_back(key.substr(kPrefix.size()));
    if (key == "kubernetes.io/role" && value && !value->empty()) roles.emplace_back(*value);
  }
  std::sort(roles.begin(), roles.end());
  roles.erase(std::unique(roles.begin(), roles.end()), roles.end());
  return or_none(join(roles, ","));
}

std::string node_address(const Json& node, std::string_view type) {
  for (const auto& address : list(node, "status.addresses")) {
    if (str(address, "type") == type) return text_at(address, "address");
  }
  return "<none>";
}

std::string or_unknown(std::string_view value) {
  return value.empty() ? "<unknown>" : std::string(value);
}

void node(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  out.emplace_back(object_name(row));
  out.emplace_back(node_status(o));
  out.emplace_back(node_roles(o));
  out.emplace_back(age_of(row));
  out.emplace_back(str(o, "status.nodeInfo.kubeletVersion"));
  out.emplace_back(node_address(o, "InternalIP"));
  out.emplace_back(node_address(o, "ExternalIP"));
  out.emplace_back(or_unknown(str(o, "status.nodeInfo.osImage")));
  out.emplace_back(or_unknown(str(o, "status.nodeInfo.kernelVersion")));
  out.emplace_back(or_unknown(str(o, "status.nodeInfo.containerRuntimeVersion")));
}

void event(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  const auto first_of = [&](std::initializer_list<std::string_view> paths) {
    for (const auto path : paths) {
      if (const auto value = str(o, path); !value.empty()) return value;
    }
    return std::string_view();
  };
  const auto count = num(o, "series.count", num(o, "count", num(o, "deprecatedCount", 1)));
  const bool core = find(o, "involvedObject") != nullptr;
  const std::string about = core ? "involvedObject" : "regarding";
  const auto first = first_of({"firstTimestamp", "deprecatedFirstTimestamp", "eventTime"});
  const auto last =
      first_of({"series.lastObservedTime", "lastTimestamp", "deprecatedLastTimestamp", "eventTime"});
  const auto component = first_of(
      {"source.component", "reportingComponent", "reportingController", "deprecatedSource.component"});
  const auto host = first_of({"source.host", "deprecatedSource.host"});
  out.emplace_back(age(last, row.now_seconds));
  out.emplace_back(str(o, "type"));
  out.emplace_back(str(o, "reason"));
  out.emplace_back(to_lower(str(o, about + ".kind")) + "/" + text_at(o, about + ".name"));
  out.emplace_back(str(o, about + ".fieldPath"));
  out.emplace_back(host.empty() ? std::string(component) : fmt::format("{}, {}", component, host));
  out.emplace_back(trim(first_of({"message", "note"})));
  out.emplace_back(age(first, row.now_seconds));
  out.emplace_back(count);
  out.emplace_back(object_name(row));
}

std::string access_modes(const JsonArray& modes) {
  std::vector<std::string> out;
  for (const auto& mode : modes) {
    const auto* text = mode.if_string();
    if (!text) continue;
    if (*text == "ReadWriteOnce") out.emplace_back("RWO");
    if (*text == "ReadOnlyMany") out.emplace_back("ROX");
    if (*text == "ReadWriteMany") out.emplace_back("RWX");
    if (*text == "ReadWriteOncePod") out.emplace_back("RWOP");
  }
  return join(out, ",");
}

std::string phase_or_terminating(const Json& object) {
  return find(object, "metadata.deletionTimestamp") ? "Terminating" : text_at(object, "status.phase");
}

void persistent_volume(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  const auto claim = str(o, "spec.claimRef.name");
  plain(row, out,
        {text_at(o, "spec.capacity.storage"), access_modes(list(o, "spec.accessModes")),
         text_at(o, "spec.persistentVolumeReclaimPolicy"), phase_or_terminating(o),
         claim.empty() ? "" : fmt::format("{}/{}", str(o, "spec.claimRef.namespace"), claim),
         text_at(o, "spec.storageClassName"),
         std::string(str(o, "spec.volumeAttributesClassName", "<unset>")), text_at(o, "status.reason")});
  out.emplace_back(str(o, "spec.volumeMode", "<unset>"));
}

void persistent_volume_claim(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  const bool bound = !str(o, "spec.volumeName").empty();
  plain(row, out,
        {phase_or_terminating(o), text_at(o, "spec.volumeName"),
         bound ? text_at(o, "status.capacity.storage") : "",
         bound ? access_modes(list(o, "status.accessModes")) : "", text_at(o, "spec.storageClassName"),
         std::string(str(o, "spec.volumeAttributesClassName", "<unset>"))});
  out.emplace_back(str(o, "spec.volumeMode", "<unset>"));
}

void storage_class(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  const auto* chosen =
      object(o, "metadata.annotations").if_contains("storageclass.kubernetes.io/is-default-class");
  const bool is_default = chosen && *chosen == Json("true");
  out.emplace_back(text_at(o, "metadata.name") + (is_default ? " (default)" : ""));
  out.emplace_back(str(o, "provisioner"));
  out.emplace_back(str(o, "reclaimPolicy", "Delete"));
  out.emplace_back(str(o, "volumeBindingMode", "Immediate"));
  out.emplace_back(bool_at(o, "allowVolumeExpansion"));
  out.emplace_back(age_of(row));
}

std::string int_or_string(const Json& object, std::string_view path) {
  const auto* value = find(object, path);
  if (!value) return "N/A";
  const auto* text = value->if_string();
  return text ? std::string(*text) : to_json(*value);
}

void csr(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  std::string condition;
  for (const auto& entry : list(o, "status.conditions")) {
    if (str(entry, "type") == "Approved" || str(entry, "type") == "Denied" ||
        str(entry, "type") == "Failed") {
      condition += (condition.empty() ? "" : ",") + text_at(entry, "type");
    }
  }
  if (condition.empty()) condition = "Pending";
  if (find(o, "status.certificate")) condition += ",Issued";
  const auto seconds = num(o, "spec.expirationSeconds", -1);
  out.emplace_back(object_name(row));
  out.emplace_back(age_of(row));
  out.emplace_back(str(o, "spec.signerName"));
  out.emplace_back(str(o, "spec.username"));
  out.emplace_back(seconds < 0 ? "<none>" : human_duration(seconds));
  out.emplace_back(condition);
}

std::string quota_text(const Json& quota, bool limits) {
  std::string out;
  for (const auto& hard : object(quota, "status.hard")) {
    const std::string_view name = hard.key();
    if (name.starts_with("limits.") != limits || !hard.value().is_string()) continue;
    const auto* used = object(quota, "status.used").if_contains(name);
    out += fmt::format("{}{}: {}/{}", out.empty() ? "" : ", ", name,
                       used && used->is_string() ? std::string_view(used->get_string()) : "0",
                       std::string_view(hard.value().get_string()));
  }
  return out;
}

std::string subjects(const Json& binding, std::string_view kind) {
  std::vector<std::string> names;
  for (const auto& subject : list(binding, "subjects")) {
    if (str(subject, "kind") != kind) continue;
    names.push_back(kind == "ServiceAccount"
                        ? fmt::format("{}/{}", str(subject, "namespace"), str(subject, "name"))
                        : text_at(subject, "name"));
  }
  return join(names, ", ");
}

void binding(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  plain(row, out, {fmt::format("{}/{}", str(o, "roleRef.kind"), str(o, "roleRef.name"))});
  for (const std::string_view kind : {"User", "Group", "ServiceAccount"}) out.emplace_back(subjects(o, kind));
}

void api_service(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  std::string available = "Unknown";
  for (const auto& condition : list(o, "status.conditions")) {
    if (str(condition, "type") != "Available") continue;
    const auto status = str(condition, "status");
    available = status == "True" ? "True" : fmt::format("{} ({})", status, str(condition, "reason"));
  }
  const auto name = str(o, "spec.service.name");
  plain(row, out,
        {name.empty() ? "Local" : fmt::format("{}/{}", str(o, "spec.service.namespace"), name), available});
}

void role(const RowContext& row, JsonArray& out) {
  out.emplace_back(object_name(row));
  out.emplace_back(str(row.object, "metadata.creationTimestamp"));
}

void flow_schema(const RowContext& row, JsonArray& out) {
  const auto& o = row.object;
  std::string missing = "?";
  for (const auto& condition : list(o, "status.conditions")) {
    if (str(condition, "type") == "Dangling") missing = str(condition, "status");
  }
  out.emplace_back(object_name(row));
  out.emplace_back(str(o, "spec.priorityLevelConfiguration.name"));
  out.emplace_back(num(o, "spec.matchingPrecedence"));
  out.emplace_back(str(o, "spec.distinguisherMethod.type", "<none>"));
  out.emplace_back(age_of(row));
  out.emplace_back(missing);
}

void count_of(const RowContext& row, JsonArray& out, std::size_t count) {
  out.emplace_back(object_name(row));
  out.emplace_back(count);
  out.emplace_back(age_of(row));
}

void add_core_printers(std::vector<Printer>& out) {
  out.push_back(
      {"",
       "Node",
       {name_column(), text_column("Status"), text_column("Roles"), age_column(), text_column("Version"),
        text_column("Internal-IP", 1), text_column("External-IP", 1), text_column("OS-Image", 1),
        text_column("Kernel-Version", 1), text_column("Container-Runtime", 1)},
       node});
  out.push_back({"",
                 "Namespace",
                 {name_column(), text_column("Status"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   plain(row, cells, {text_at(row.object, "status.phase")});
                 }});
  out.push_back({"",
                 "ConfigMap",
                 {name_column(), number("Data"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   count_of(row, cells,
                            object(row.object, "data").size() + object(row.object, "binaryData").size());
                 }});
  out.push_back({"",
                 "Secret",
                 {name_column(), text_column("Type"), number("Data"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   cells.emplace_back(object_name(row));
                   cells.emplace_back(str(row.object, "type"));
                   cells.emplace_back(object(row.object, "data").size());
                   cells.emplace_back(age_of(row));
                 }});
  out.push_back({"",
                 "ServiceAccount",
                 {name_column(), number("Secrets"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   count_of(row, cells, list(row.object, "secrets").size());
                 }});
  const std::vector<Column> events = {text_column("Last Seen"),    text_column("Type"),
                                      text_column("Reason"),       text_column("Object"),
                                      text_column("Subobject", 1), text_column("Source", 1),
                                      text_column("Message"),      text_column("First Seen", 1),
                                      number("Count", 1),          {"Name", "string", "name", "", 1}};
  out.push_back({"", "Event", events, event});
  out.push_back({"events.k8s.io", "Event", events, event});
  out.push_back({"",
                 "ResourceQuota",
                 {name_column(), text_column("Request"), text_column("Limit"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   plain(row, cells, {quota_text(row.object, false), quota_text(row.object, true)});
                 }});
  out.push_back({"",
                 "PodTemplate",
                 {name_column(), text_column("Containers"), text_column("Images"), text_column("Pod Labels")},
                 [](const RowContext& row, JsonArray& cells) {
                   static const Json none = JsonObject();
                   const auto* spec = find(row.object, "template.spec");
                   cells.emplace_back(object_name(row));
                   cells.emplace_back(container_names(spec ? *spec : none));
                   cells.emplace_back(container_images(spec ? *spec : none));
                   cells.emplace_back(labels_text(object(row.object, "template.metadata.labels")));
                 }});
}

void add_storage_printers(std::vector<Printer>& out) {
  out.push_back({"",
                 "PersistentVolume",
                 {name_column(), text_column("Capacity"), text_column("Access Modes"),
                  text_column("Reclaim Policy"), text_column("Status"), text_column("Claim"),
                  text_column("StorageClass"), text_column("VolumeAttributesClass"), text_column("Reason"),
                  age_column(), text_column("VolumeMode", 1)},
                 persistent_volume});
  out.push_back({"",
                 "PersistentVolumeClaim",
                 {name_column(), text_column("Status"), text_column("Volume"), text_column("Capacity"),
                  text_column("Access Modes"), text_column("StorageClass"),
                  text_column("VolumeAttributesClass"), age_column(), text_column("VolumeMode", 1)},
                 persistent_volume_claim});
  out.push_back({"storage.k8s.io",
                 "StorageClass",
                 {name_column(), text_column("Provisioner"), text_column("ReclaimPolicy"),
                  text_column("VolumeBindingMode"), text_column("AllowVolumeExpansion"), age_column()},
                 storage_class});
  out.push_back({"storage.k8s.io",
                 "VolumeAttachment",
                 {name_column(), text_column("Attacher"), text_column("PV"), text_column("Node"),
                  text_column("Attached"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   const auto& o = row.object;
                   plain(row, cells,
                         {text_at(o, "spec.attacher"), text_at(o, "spec.source.persistentVolumeName"),
                          text_at(o, "spec.nodeName"), bool_at(o, "status.attached")});
                 }});
  out.push_back({"storage.k8s.io",
                 "CSINode",
                 {name_column(), number("Drivers"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   count_of(row, cells, list(row.object, "spec.drivers").size());
                 }});
  out.push_back({"storage.k8s.io",
                 "CSIDriver",
                 {name_column(), text_column("AttachRequired"), text_column("PodInfoOnMount"),
                  text_column("StorageCapacity"), text_column("TokenRequests"),
                  text_column("RequiresRepublish"), text_column("Modes"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   const auto& o = row.object;
                   plain(row, cells,
                         {bool_at(o, "spec.attachRequired", true), bool_at(o, "spec.podInfoOnMount"),
                          bool_at(o, "spec.storageCapacity"),
                          or_none(joined(list(o, "spec.tokenRequests"), "audience")),
                          bool_at(o, "spec.requiresRepublish"),
                          or_none(joined(list(o, "spec.volumeLifecycleModes")))});
                 }});
}

void add_policy_printers(std::vector<Printer>& out) {
  out.push_back({"policy",
                 "PodDisruptionBudget",
                 {name_column(), text_column("Min Available"), text_column("Max Unavailable"),
                  number("Allowed Disruptions"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   cells.emplace_back(object_name(row));
                   cells.emplace_back(int_or_string(row.object, "spec.minAvailable"));
                   cells.emplace_back(int_or_string(row.object, "spec.maxUnavailable"));
                   cells.emplace_back(num(row.object, "status.disruptionsAllowed"));
                   cells.emplace_back(age_of(row));
                 }});
  out.push_back({"scheduling.k8s.io",
                 "PriorityClass",
                 {name_column(), number("Value"), text_column("Global-Default"), age_column(),
                  text_column("PreemptionPolicy")},
                 [](const RowContext& row, JsonArray& cells) {
                   cells.emplace_back(object_name(row));
                   cells.emplace_back(num(row.object, "value"));
                   cells.emplace_back(bool_at(row.object, "globalDefault"));
                   cells.emplace_back(age_of(row));
                   cells.emplace_back(str(row.object, "preemptionPolicy", "PreemptLowerPriority"));
                 }});
  out.push_back(
      {"node.k8s.io",
       "RuntimeClass",
       {name_column(), text_column("Handler"), age_column()},
       [](const RowContext& row, JsonArray& cells) { plain(row, cells, {text_at(row.object, "handler")}); }});
  out.push_back({"coordination.k8s.io",
                 "Lease",
                 {name_column(), text_column("Holder"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   plain(row, cells, {text_at(row.object, "spec.holderIdentity")});
                 }});
  out.push_back({"flowcontrol.apiserver.k8s.io",
                 "FlowSchema",
                 {name_column(), text_column("PriorityLevel"), number("MatchingPrecedence"),
                  text_column("DistinguisherMethod"), age_column(), text_column("MissingPL")},
                 flow_schema});
  out.push_back({"flowcontrol.apiserver.k8s.io",
                 "PriorityLevelConfiguration",
                 {name_column(), text_column("Type"), number("NominalConcurrencyShares"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   cells.emplace_back(object_name(row));
                   cells.emplace_back(str(row.object, "spec.type"));
                   cells.emplace_back(num(row.object, "spec.limited.nominalConcurrencyShares"));
                   cells.emplace_back(age_of(row));
                 }});
}

void add_access_printers(std::vector<Printer>& out) {
  const std::vector<Column> roles = {name_column(), {"Created At", "date", "", "", 0}};
  const std::vector<Column> bindings = {
      name_column(),           text_column("Role"),      age_column(),
      text_column("Users", 1), text_column("Groups", 1), text_column("ServiceAccounts", 1)};
  for (const std::string_view kind : {"Role", "ClusterRole"})
    out.push_back({"rbac.authorization.k8s.io", kind, roles, role});
  for (const std::string_view kind : {"RoleBinding", "ClusterRoleBinding"})
    out.push_back({"rbac.authorization.k8s.io", kind, bindings, binding});
  out.push_back({"certificates.k8s.io",
                 "CertificateSigningRequest",
                 {name_column(), age_column(), text_column("SignerName"), text_column("Requestor"),
                  text_column("RequestedDuration"), text_column("Condition")},
                 csr});
  for (const std::string_view kind : {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"}) {
    out.push_back({"admissionregistration.k8s.io",
                   kind,
                   {name_column(), number("Webhooks"), age_column()},
                   [](const RowContext& row, JsonArray& cells) {
                     count_of(row, cells, list(row.object, "webhooks").size());
                   }});
  }
  out.push_back({"admissionregistration.k8s.io",
                 "ValidatingAdmissionPolicy",
                 {name_column(), number("Validations"), text_column("ParamKind"), age_column()},
                 [](const RowContext& row, JsonArray& cells) {
                   const auto kind = str(row.object, "spec.paramKind.kind");
                   cells.emplace_back(object_name(row));
                   cells.emplace_back(list(row.object, "spec.validations").size());
                   cells.emplace_back(
                       kind.empty()
                           ? "<unset>"
                           : fmt::format("{}/{}", str(row.object, "spec.paramKind.apiVersion"), kind));
                   cells.emplace_back(age_of(row));
                 }});
  out.push_back({"apiregistration.k8s.io",
                 "APIService",
                 {name_column(), text_column("Service"), text_column("Available"), age_column()},
                 api_service});
}

}  // namespace

void add_cluster_printers(std::vector<Printer>& out) {
  add_core_printers(out);
  add_storage_printers(out);
  add_policy_printers(out);
  add_access_printers(out);
}

}  // namespace mk::api
