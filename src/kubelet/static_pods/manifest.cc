#include "static_pods/manifest.h"

#include <fmt/core.h>

#include "images/digest.h"
#include "images/reference.h"
#include "mk/api/schema.h"
#include "mk/api/validation.h"
#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

constexpr std::size_t kUidDigits = 32;
// Of the two priority classes that every cluster has.
constexpr std::int64_t kNodeCritical = 2'000'001'000, kClusterCritical = 2'000'000'000;

std::string_view annotation(const Json& pod, std::string_view key) {
  const Json* value = api::object(pod, "metadata.annotations").if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

void default_to(Json& object, std::string_view field, Json value) {
  if (api::find(object, field) == nullptr) api::set(object, field, std::move(value));
}

void default_container(Json& container) {
  const auto image = parse_reference(std::string(api::str(container, "image")));
  const bool latest = image.ok() && image->digest.empty() && image->tag == "latest";
  default_to(container, "imagePullPolicy", text(latest ? "Always" : "IfNotPresent"));
  default_to(container, "terminationMessagePath", "/dev/termination-log");
  default_to(container, "terminationMessagePolicy", "File");
}

// What the API server would have filled in.
void set_defaults(Json& pod) {
  api::apply_defaults(*api::builtin_schema().type(api::Gvk{"", "v1", "Pod"}), pod);
  default_to(pod, "spec.restartPolicy", "Always");
  default_to(pod, "spec.dnsPolicy", "ClusterFirst");
  default_to(pod, "spec.terminationGracePeriodSeconds", 30);
  default_to(pod, "spec.schedulerName", "default-scheduler");
  default_to(pod, "spec.securityContext", JsonObject());
  default_to(pod, "spec.enableServiceLinks", true);
  const auto priority = api::str(pod, "spec.priorityClassName");
  if (priority == "system-node-critical") default_to(pod, "spec.priority", kNodeCritical);
  if (priority == "system-cluster-critical") default_to(pod, "spec.priority", kClusterCritical);
  for (const char* field : {"containers", "initContainers"}) {
    Json* containers = pod.as_object()["spec"].as_object().if_contains(field);
    if (containers == nullptr) continue;
    for (Json& container : containers->as_array()) default_container(container);
  }
}

// A static pod's node has no business with objects that others may read or change.
std::string_view reference_in_container(const Json& container) {
  for (const Json& source : api::list(container, "envFrom")) {
    if (api::member(source, "secretRef") != nullptr) return "secrets";
    if (api::member(source, "configMapRef") != nullptr) return "configmaps";
  }
  for (const Json& variable : api::list(container, "env")) {
    if (api::find(variable, "valueFrom.secretKeyRef") != nullptr) return "secrets";
    if (api::find(variable, "valueFrom.configMapKeyRef") != nullptr) return "configmaps";
  }
  return {};
}

std::string_view reference_to_api(const Json& pod) {
  constexpr std::pair<std::string_view, std::string_view> kVolumes[] = {
      {"secret", "secrets"},
      {"configMap", "configmaps"},
      {"projected", "projected volumes"},
      {"persistentVolumeClaim", "persistentvolumeclaims"},
      {"ephemeral", "ephemeral volumes"}};
  if (!api::str(pod, "spec.serviceAccountName").empty() || !api::str(pod, "spec.serviceAccount").empty())
    return "service accounts";
  if (!api::list(pod, "spec.imagePullSecrets").empty()) return "secrets";
  if (!api::list(pod, "spec.resourceClaims").empty()) return "resourceclaims";
  for (const Json& volume : api::list(pod, "spec.volumes"))
    for (const auto& [field, what] : kVolumes)
      if (api::member(volume, field) != nullptr) return what;
  for (const auto& container : all_containers(pod))
    if (const auto what = reference_in_container(*container.spec); !what.empty()) return what;
  return {};
}

Result<void> check(const Json& pod) {
  if (api::str(pod, "apiVersion") != "v1" || api::str(pod, "kind") != "Pod")
    return Error(Reason::kInvalid, fmt::format("a static pod must be a Pod of v1, not a {} of {}",
                                               api::str(pod, "kind"), api::str(pod, "apiVersion")));
  if (const auto wrong = api::check_dns1123_subdomain(std::string(api::str(pod, "metadata.name")));
      !wrong.empty())
    return Error(Reason::kInvalid, "metadata.name: " + wrong);
  if (api::list(pod, "spec.containers").empty())
    return Error(Reason::kInvalid, "spec.containers: a pod needs a container");
  for (const auto& container : all_containers(pod))
    if (container.name().empty() || api::str(*container.spec, "image").empty())
      return Error(Reason::kInvalid, "every container needs a name and an image");
  if (!api::list(pod, "spec.ephemeralContainers").empty())
    return Error(Reason::kInvalid, "static pods cannot have ephemeral containers");
  if (const auto what = reference_to_api(pod); !what.empty())
    return Error(Reason::kInvalid,
                 fmt::format("static pods may not refer to {}: they run without the API", what));
  return ok();
}

void tolerate_everything(Json& pod) {
  JsonArray tolerations = api::list(pod, "spec.tolerations");
  tolerations.push_back(JsonObject{{"operator", "Exists"}, {"effect", "NoExecute"}});
  api::set(pod, "spec.tolerations", std::move(tolerations));
}

}  // namespace

Result<Json> make_static_pod(std::string_view manifest, const std::string& path, const std::string& node,
                             rt::WallTime now) {
  MK_ASSIGN(Json pod, api::parse_yaml(manifest));
  if (!pod.is_object()) return Error(Reason::kInvalid, "not a pod");
  api::FieldProblems unknown;
  MK_TRY(api::decode(*api::builtin_schema().type(api::Gvk{"", "v1", "Pod"}), pod, unknown));
  MK_TRY(check(pod));
  api::set(pod, "spec.nodeName", text(node));
  set_defaults(pod);
  tolerate_everything(pod);
  api::erase(pod, "status");
  const std::string content = fmt::format("host:{}\nfile:{}\n{}", node, path, api::to_json(pod));
  const std::string hash = std::string(digest_hex(sha256_digest(content)).substr(0, kUidDigits));
  default_to(pod, "metadata.namespace", "default");
  api::set(pod, "metadata.name", text(fmt::format("{}-{}", api::str(pod, "metadata.name"), to_lower(node))));
  api::set(pod, "metadata.uid", text(hash));
  JsonObject annotations = api::object(pod, "metadata.annotations");
  annotations.erase(kConfigMirror);
  annotations[kConfigHash] = text(hash);
  annotations[kConfigSeen] = text(rt::format_time(now));
  annotations[kConfigSource] = "file";
  api::set(pod, "metadata.annotations", std::move(annotations));
  api::set(pod, "status.phase", "Pending");
  return pod;
}

Json make_mirror(const Json& static_pod, const Json& node) {
  Json out = static_pod;
  api::erase(out, "status");
  JsonObject annotations = api::object(static_pod, "metadata.annotations");
  annotations[kConfigMirror] = text(annotation(static_pod, kConfigHash));
  JsonObject owner{{"apiVersion", "v1"},
                   {"kind", "Node"},
                   {"name", text(api::str(node, "metadata.name"))},
                   {"uid", text(api::str(node, "metadata.uid"))},
                   {"controller", true}};
  JsonObject metadata{{"name", text(api::str(static_pod, "metadata.name"))},
                      {"namespace", text(api::str(static_pod, "metadata.namespace"))},
                      {"annotations", std::move(annotations)},
                      {"ownerReferences", JsonArray{std::move(owner)}}};
  if (const Json* labels = api::find(static_pod, "metadata.labels")) metadata["labels"] = *labels;
  out.as_object()["metadata"] = std::move(metadata);
  return out;
}

bool is_static(const Json& pod) {
  return annotation(pod, kConfigSource) == "file" && !is_mirror(pod);
}

bool is_mirror(const Json& pod) {
  return api::object(pod, "metadata.annotations").contains(kConfigMirror);
}

bool shows(const Json& mirror, const Json& static_pod) {
  return is_mirror(mirror) && annotation(mirror, kConfigMirror) == annotation(static_pod, kConfigHash);
}

Json with_past(const Json& static_pod, const Json& mirror) {
  Json out = static_pod;
  if (!shows(mirror, static_pod)) return out;
  for (const char* field : {"status.containerStatuses", "status.initContainerStatuses"})
    if (const Json* past = api::find(mirror, field)) api::set(out, field, *past);
  return out;
}

Json deleted_at(const Json& static_pod, rt::WallTime now) {
  Json out = static_pod;
  const auto grace = api::num(static_pod, "spec.terminationGracePeriodSeconds", 30);
  api::set(out, "metadata.deletionGracePeriodSeconds", grace);
  api::set(out, "metadata.deletionTimestamp", text(rt::format_time(now + std::chrono::seconds(grace))));
  return out;
}

}  // namespace mk::kubelet
