#include <algorithm>

#include "admission/plugins.h"
#include "registry/strategies/fields.h"

// DefaultTolerationSeconds and TaintNodesByCondition: pods outlive a short silence of their node, and a node
// gets no pods before it is ready.
namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kNotReady = "node.kubernetes.io/not-ready";
constexpr std::string_view kUnreachable = "node.kubernetes.io/unreachable";
constexpr std::int64_t kTolerationSeconds = 300;

class DefaultTolerationSeconds : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "DefaultTolerationSeconds"; }

  Result<void> mutate(WriteContext& context, Json* pod, const Json* old) override {
    if (pod == nullptr || !(creates(context, "pods") || updates(context, "pods"))) return ok();
    for (const auto key : {kNotReady, kUnreachable}) {
      if (!tolerates(*pod, key)) add(*pod, key);
    }
    return ok();
  }

 private:
  static bool tolerates(const Json& pod, std::string_view key) {
    const auto& tolerations = api::list(pod, "spec.tolerations");
    return std::any_of(tolerations.begin(), tolerations.end(), [&](const Json& toleration) {
      const auto its_key = api::str(toleration, "key"), effect = api::str(toleration, "effect");
      return (its_key.empty() || its_key == key) && (effect.empty() || effect == "NoExecute");
    });
  }

  static void add(Json& pod, std::string_view key) {
    default_to(pod, "spec.tolerations", api::JsonArray());
    Json toleration;
    api::set(toleration, "key", api::text(key));
    api::set(toleration, "operator", "Exists");
    api::set(toleration, "effect", "NoExecute");
    api::set(toleration, "tolerationSeconds", kTolerationSeconds);
    if (auto* tolerations = edit_list(pod, "spec.tolerations")) tolerations->push_back(std::move(toleration));
  }
};

class TaintNodesByCondition : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "TaintNodesByCondition"; }

  Result<void> mutate(WriteContext& context, Json* node, const Json* old) override {
    if (!creates(context, "nodes") || node == nullptr) return ok();
    const auto& taints = api::list(*node, "spec.taints");
    const bool tainted = std::any_of(taints.begin(), taints.end(), [](const Json& taint) {
      return api::str(taint, "key") == kNotReady && api::str(taint, "effect") == "NoSchedule";
    });
    if (tainted) return ok();
    default_to(*node, "spec.taints", api::JsonArray());
    Json taint;
    api::set(taint, "key", api::text(kNotReady));
    api::set(taint, "effect", "NoSchedule");
    if (auto* list = edit_list(*node, "spec.taints")) list->push_back(std::move(taint));
    return ok();
  }
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_default_toleration_seconds() {
  return std::make_unique<DefaultTolerationSeconds>();
}
std::unique_ptr<AdmissionPlugin> make_taint_nodes_by_condition() {
  return std::make_unique<TaintNodesByCondition>();
}

}  // namespace mk::apiserver
