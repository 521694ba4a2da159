#include "pods/pod_view.h"

#include <fmt/core.h>

namespace mk::kubelet {

namespace {

void append(std::vector<ContainerRef>& out, const JsonArray& specs, ContainerKind kind) {
  for (const Json& spec : specs) out.push_back({&spec, kind});
}

}  // namespace

std::vector<ContainerRef> init_containers(const Json& pod) {
  std::vector<ContainerRef> out;
  for (const Json& spec : api::list(pod, "spec.initContainers")) {
    const bool sidecar = api::str(spec, "restartPolicy") == "Always";
    out.push_back({&spec, sidecar ? ContainerKind::kSidecar : ContainerKind::kInit});
  }
  return out;
}

std::vector<ContainerRef> regular_containers(const Json& pod) {
  std::vector<ContainerRef> out;
  append(out, api::list(pod, "spec.containers"), ContainerKind::kRegular);
  return out;
}

std::vector<ContainerRef> all_containers(const Json& pod) {
  auto out = init_containers(pod);
  append(out, api::list(pod, "spec.containers"), ContainerKind::kRegular);
  append(out, api::list(pod, "spec.ephemeralContainers"), ContainerKind::kEphemeral);
  return out;
}

bool restarts_after(const Json& pod, const ContainerRef& container, int exit_code) {
  if (container.kind == ContainerKind::kEphemeral) return false;
  if (container.kind == ContainerKind::kSidecar) return true;
  const auto pod_policy = api::str(pod, "spec.restartPolicy", "Always");
  const auto policy = api::str(*container.spec, "restartPolicy", pod_policy);
  if (container.kind == ContainerKind::kInit) return exit_code != 0 && policy != "Never";
  if (policy == "Always") return true;
  return policy == "OnFailure" && exit_code != 0;
}

bool terminal_phase(const Json& pod) {
  const auto phase = api::str(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

bool host_network(const Json& pod) {
  return api::flag(pod, "spec.hostNetwork");
}

std::chrono::seconds grace_period(const Json& pod) {
  const auto wanted = api::num(pod, "spec.terminationGracePeriodSeconds", 30);
  return std::chrono::seconds(api::num(pod, "metadata.deletionGracePeriodSeconds", wanted));
}

std::string pod_key(const Json& pod) {
  return fmt::format("{}/{}", api::str(pod, "metadata.namespace"), api::str(pod, "metadata.name"));
}

std::string full_name(const Json& pod) {
  return fmt::format("{}_{}({})", api::str(pod, "metadata.name"), api::str(pod, "metadata.namespace"),
                     api::str(pod, "metadata.uid"));
}

Json text(std::string_view value) {
  return Json(boost::json::string(value));
}

std::string text_of(const Json* value) {
  if (value == nullptr || value->is_null()) return {};
  if (value->is_string()) return std::string(value->get_string());
  return api::to_json(*value);
}

}  // namespace mk::kubelet
