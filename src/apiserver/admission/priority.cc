#include <fmt/format.h>

#include "admission/plugins.h"
#include "registry/strategies/fields.h"

namespace mk::apiserver {

using api::Json;

namespace {

const api::Gvr kPriorityClasses{"scheduling.k8s.io", "v1", "priorityclasses"};
constexpr std::string_view kResource = "priorityclasses.scheduling.k8s.io";

// Turns a pod's priorityClassName into the number that the scheduler and the kubelet go by.
class Priority : public AdmissionPlugin {
 public:
  explicit Priority(Cacher& cacher) : cacher_(cacher) {}
  std::string_view name() const override { return "Priority"; }

  Result<void> mutate(WriteContext& context, Json* pod, const Json* old) override {
    if (pod == nullptr) return ok();
    if (updates(context, "pods") && old != nullptr) {
      // Clients that do not know these fields must not lose them.
      for (const auto field : {"spec.priority", "spec.preemptionPolicy"}) {
        if (!api::find(*pod, field)) copy_field(*pod, *old, field);
      }
      return ok();
    }
    if (!creates(context, "pods")) return ok();
    std::int64_t priority = 0;
    std::string policy = "PreemptLowerPriority";
    MK_ASSIGN(const auto found, class_of(context, *pod));
    if (found) {
      priority = api::num(found.json(), "value");
      policy = api::str(found.json(), "preemptionPolicy", policy);
      api::set(*pod, "spec.priorityClassName", api::text(found.name()));
    }
    return set_priority(context, *pod, priority, policy);
  }

  Result<void> validate(const WriteContext& context, const Json* object, const Json* old) override {
    const bool writes = creates(context, kResource) || updates(context, kResource);
    if (!writes || object == nullptr || !api::flag(*object, "globalDefault")) return ok();
    const auto other = default_class();
    if (!other || other.name() == api::str(*object, "metadata.name")) return ok();
    return forbidden_by(
        context, object,
        fmt::format("PriorityClass {} is already marked as default. Only one default can exist",
                    other.name()));
  }

 private:
  // The class the pod names, or the cluster's default one, or none.
  Result<api::Object> class_of(const WriteContext& context, const Json& pod) {
    const std::string wanted(api::str(pod, "spec.priorityClassName"));
    if (wanted.empty()) return default_class();
    auto found = cacher_.get(kPriorityClasses, api::Key("", wanted));
    if (!found)
      return forbidden_by(context, &pod, fmt::format("no PriorityClass with name {} was found", wanted));
    return found;
  }

  // Of several, the lowest: it was an accident that there are several.
  api::Object default_class() {
    api::Object lowest;
    cacher_.resource(kPriorityClasses).for_each("", [&](const api::Object& object) {
      if (!api::flag(object.json(), "globalDefault")) return true;
      if (!lowest || api::num(object.json(), "value") < api::num(lowest.json(), "value")) lowest = object;
      return true;
    });
    return lowest;
  }

  static Result<void> set_priority(const WriteContext& context, Json& pod, std::int64_t priority,
                                   const std::string& policy) {
    if (api::find(pod, "spec.priority") && api::num(pod, "spec.priority") != priority) {
      return forbidden_by(
          context, &pod,
          fmt::format(
              "the integer value of priority ({}) must not be provided in pod spec; priority admission "
              "controller computed {} from the given PriorityClass name",
              api::num(pod, "spec.priority"), priority));
    }
    const auto given = api::str(pod, "spec.preemptionPolicy");
    if (!given.empty() && given != policy) {
      return forbidden_by(
          context, &pod,
          fmt::format("the string value of PreemptionPolicy ({}) must not be provided in pod spec; priority "
                      "admission controller computed {} from the given PriorityClass name",
                      given, policy));
    }
    api::set(pod, "spec.priority", priority);
    api::set(pod, "spec.preemptionPolicy", api::text(policy));
    return ok();
  }

  Cacher& cacher_;
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_priority(Cacher& cacher) {
  return std::make_unique<Priority>(cacher);
}

}  // namespace mk::apiserver
