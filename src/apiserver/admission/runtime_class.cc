#include <fmt/format.h>

#include <algorithm>

#include "admission/plugins.h"
#include "registry/strategies/fields.h"

namespace mk::apiserver {

using api::Json;

namespace {

const api::Gvr kRuntimeClasses{"node.k8s.io", "v1", "runtimeclasses"};

// A pod takes its class's overhead, and goes where the class can run.
class RuntimeClass : public AdmissionPlugin {
 public:
  explicit RuntimeClass(Cacher& cacher) : cacher_(cacher) {}
  std::string_view name() const override { return "RuntimeClass"; }

  Result<void> mutate(WriteContext& context, Json* pod, const Json* old) override {
    if (!creates(context, "pods") || pod == nullptr) return ok();
    const std::string wanted(api::str(*pod, "spec.runtimeClassName"));
    if (wanted.empty()) {
      if (api::object(*pod, "spec.overhead").empty()) return ok();
      return forbidden_by(
          context, pod, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
    }
    const auto found = cacher_.get(kRuntimeClasses, api::Key("", wanted));
    if (!found)
      return forbidden_by(context, pod, fmt::format("pod rejected: RuntimeClass \"{}\" not found", wanted));
    MK_TRY(set_overhead(context, *pod, found.json()));
    return set_scheduling(context, *pod, found.json());
  }

 private:
  static Result<void> set_overhead(const WriteContext& context, Json& pod, const Json& runtime_class) {
    const Json fixed(api::object(runtime_class, "overhead.podFixed"));
    const Json given(api::object(pod, "spec.overhead"));
    if (!given.get_object().empty() && given != fixed) {
      return forbidden_by(context, &pod,
                          "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    }
    if (!fixed.get_object().empty()) api::set(pod, "spec.overhead", fixed);
    return ok();
  }

  static Result<void> set_scheduling(const WriteContext& context, Json& pod, const Json& runtime_class) {
    for (const auto& entry : api::object(runtime_class, "scheduling.nodeSelector")) {
      default_to(pod, "spec.nodeSelector", api::JsonObject());
      auto& selector = edit(pod, "spec.nodeSelector")->as_object();
      const Json* given = selector.if_contains(entry.key());
      if (given != nullptr && *given != entry.value()) {
        return forbidden_by(
            context, &pod,
            fmt::format(
                "conflict: runtimeClass.scheduling.nodeSelector[{}] = {}; pod.spec.nodeSelector[{}] = {}",
                std::string_view(entry.key()), text_of(entry.value()), std::string_view(entry.key()),
                text_of(*given)));
      }
      selector[entry.key()] = entry.value();
    }
    for (const auto& toleration : api::list(runtime_class, "scheduling.tolerations")) {
      default_to(pod, "spec.tolerations", api::JsonArray());
      auto& tolerations = *edit_list(pod, "spec.tolerations");
      if (std::find(tolerations.begin(), tolerations.end(), toleration) == tolerations.end())
        tolerations.push_back(toleration);
    }
    return ok();
  }

  Cacher& cacher_;
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_runtime_class(Cacher& cacher) {
  return std::make_unique<RuntimeClass>(cacher);
}

}  // namespace mk::apiserver
