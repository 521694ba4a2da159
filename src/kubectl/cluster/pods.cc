#include "cluster/pods.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/api/selector.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;

namespace {

Result<std::string> selector_of(const Json& object, const Target& target) {
  const Json* selector = api::find(object, "spec.selector");
  const bool plain = target.resource->kind == "Service" || target.resource->kind == "ReplicationController";
  if (selector == nullptr)
    return usage_error(fmt::format("cannot attach to {}: it selects no pods", target.label()));
  if (plain)
    return api::LabelSelector::from_map(selector->is_object() ? selector->get_object() : api::JsonObject())
        .str();
  MK_ASSIGN(const auto parsed, api::LabelSelector::from_json(selector));
  return parsed.str();
}

int rank(const Json& pod) {
  if (api::find(pod, "metadata.deletionTimestamp")) return 3;
  const auto phase = api::str(pod, "status.phase");
  return phase == "Running" ? 0 : phase == "Pending" ? 1 : 2;
}

void add_names(const Json& pod, const char* path, std::vector<std::string>& out) {
  for (const auto& container : api::list(pod, path)) out.emplace_back(api::str(container, "name"));
}

}  // namespace

Result<std::vector<Json>> pods_behind(Session& session, const Target& target) {
  MK_ASSIGN(Json object, session.get(target.path()));
  if (target.resource->kind == "Pod") return std::vector<Json>{std::move(object)};
  MK_ASSIGN(const std::string selector, selector_of(object, target));
  MK_ASSIGN(const Json answer, session.get("/api/v1/namespaces/" + url_encode(target.ns) +
                                           "/pods?labelSelector=" + url_encode(selector)));
  const auto& items = api::list(answer, "items");
  std::vector<Json> out(items.begin(), items.end());
  std::stable_sort(out.begin(), out.end(), [](const Json& a, const Json& b) { return rank(a) < rank(b); });
  return out;
}

Result<Json> pod_behind(Session& session, const Target& target, Io& io) {
  MK_ASSIGN(auto pods, pods_behind(session, target));
  if (pods.empty()) return usage_error(fmt::format("no pods found for {}", target.label()));
  if (pods.size() > 1)
    io.err << fmt::format("Found {} pods, using pod/{}\n", pods.size(), api::str(pods[0], "metadata.name"));
  return std::move(pods[0]);
}

std::vector<std::string> container_names(const Json& pod) {
  std::vector<std::string> out;
  add_names(pod, "spec.initContainers", out);
  add_names(pod, "spec.containers", out);
  add_names(pod, "spec.ephemeralContainers", out);
  return out;
}

Result<std::string> choose_container(const Json& pod, const std::string& wanted, Io& io, bool say) {
  const auto all = container_names(pod);
  const std::string pod_name(api::str(pod, "metadata.name"));
  if (!wanted.empty()) {
    if (std::find(all.begin(), all.end(), wanted) != all.end()) return wanted;
    return usage_error(fmt::format("container {} is not valid for pod {}", wanted, pod_name));
  }
  const Json* annotations = api::find(pod, "metadata.annotations");
  const Json* chosen =
      annotations ? api::member(*annotations, "kubectl.kubernetes.io/default-container") : nullptr;
  if (chosen && chosen->is_string()) return std::string(chosen->get_string());
  std::vector<std::string> regular;
  add_names(pod, "spec.containers", regular);
  if (regular.empty()) return usage_error(fmt::format("pod {} has no containers", pod_name));
  if (all.size() > 1 && say)
    io.err << fmt::format("Defaulted container \"{}\" out of: {}\n", regular[0], join(all, ", "));
  return regular[0];
}

}  // namespace mk::kubectl
