#include "daemonset/placement.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "kit/objects.h"

namespace mk::controller::daemonset {
namespace {

struct Trouble {
  const char *key, *effect;
};
constexpr std::array<Trouble, 6> kTroubles{{{"node.kubernetes.io/not-ready", "NoExecute"},
                                            {"node.kubernetes.io/unreachable", "NoExecute"},
                                            {"node.kubernetes.io/disk-pressure", "NoSchedule"},
                                            {"node.kubernetes.io/memory-pressure", "NoSchedule"},
                                            {"node.kubernetes.io/pid-pressure", "NoSchedule"},
                                            {"node.kubernetes.io/unschedulable", "NoSchedule"}}};
constexpr Trouble kNoNetwork{"node.kubernetes.io/network-unavailable", "NoSchedule"};

api::JsonArray with_tolerations(const api::Json& pod_template) {
  api::JsonArray all = api::list(pod_template, "spec.tolerations");
  const auto add = [&all](const Trouble& trouble) {
    api::JsonObject made;
    made["key"] = trouble.key;
    made["operator"] = "Exists";
    made["effect"] = trouble.effect;
    if (std::find(all.begin(), all.end(), api::Json(made)) == all.end()) all.push_back(std::move(made));
  };
  for (const auto& trouble : kTroubles) add(trouble);
  if (api::flag(pod_template, "spec.hostNetwork")) add(kNoNetwork);
  return all;
}

constexpr char kRequired[] = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";

}  // namespace

Demands::Demands(const api::Json& pod_template)
    : node_name_(api::str(pod_template, "spec.nodeName")),
      node_selector_(api::object(pod_template, "spec.nodeSelector")),
      tolerations_(with_tolerations(pod_template)) {
  if (const auto* required = api::find(pod_template, kRequired)) {
    has_terms_ = true;
    terms_ = api::parse_node_terms(*required);
  }
}

bool Demands::tolerated(const api::Json& taint) const {
  return std::any_of(tolerations_.begin(), tolerations_.end(),
                     [&taint](const api::Json& toleration) { return api::tolerates(toleration, taint); });
}

Placement Demands::on(const api::Object& node) const {
  const std::string name(node.name());
  const auto& labels = api::object(node.json(), "metadata.labels");
  if (!node_name_.empty() && node_name_ != name) return {};
  for (const auto& [key, value] : node_selector_) {
    const auto* label = labels.if_contains(key);
    if (!label || *label != value) return {};
  }
  if (has_terms_ && !api::any_term_matches(terms_, labels, name)) return {};
  Placement placement{true, true};
  for (const auto& taint : api::list(node.json(), "spec.taints")) {
    const auto effect = api::str(taint, "effect");
    if (effect == "PreferNoSchedule" || tolerated(taint)) continue;
    placement.run = false;
    if (effect == "NoExecute") placement.stay = false;
  }
  return placement;
}

std::string template_generation(const api::Object& set) {
  return std::string(set.annotation("deprecated.daemonset.template.generation"));
}

api::Json make_pod(const api::Object& set, const Demands& demands, const std::string& node,
                   const std::string& hash) {
  const auto* pod_template = api::find(set.json(), "spec.template");
  auto pod = pod_from_template(pod_template ? *pod_template : api::Json(api::JsonObject()), set, kSetKind);
  api::JsonObject labels = api::object(pod, "metadata.labels");
  labels[kHash] = hash;
  if (const auto generation = template_generation(set); !generation.empty()) labels[kGeneration] = generation;
  api::set(pod, "metadata.labels", std::move(labels));
  api::set(pod, "spec.tolerations", demands.tolerations());
  api::JsonObject field;
  field["key"] = "metadata.name";
  field["operator"] = "In";
  field["values"] = api::JsonArray{api::text(node)};
  api::JsonObject term;
  term["matchFields"] = api::JsonArray{std::move(field)};
  api::set(pod, std::string(kRequired) + ".nodeSelectorTerms", api::JsonArray{std::move(term)});
  return pod;
}

std::string node_of(const api::Object& pod) {
  if (const auto name = api::str(pod.json(), "spec.nodeName"); !name.empty()) return std::string(name);
  for (const auto& term : api::list(pod.json(), std::string(kRequired) + ".nodeSelectorTerms")) {
    for (const auto& field : api::list(term, "matchFields")) {
      const auto& values = api::list(field, "values");
      if (api::str(field, "key") == "metadata.name" && values.size() == 1 && values[0].is_string())
        return std::string(values[0].get_string());
    }
  }
  return "";
}

}  // namespace mk::controller::daemonset
