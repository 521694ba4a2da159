#include "podautoscaler/podautoscaler_controller.h"

#include <fmt/core.h>

#include "kit/objects.h"
#include "mk/api/selector.h"

namespace mk::controller {

using namespace podautoscaler;

namespace {

const api::Gvr kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};
const api::Gvr kPodMetrics{"metrics.k8s.io", "v1beta1", "pods"};
constexpr auto kEvery = std::chrono::seconds(15);

// Our own writes of the status need no look.
std::vector<api::Key> changed_spec(const api::Object& before, const api::Object& after) {
  if (before && after && before.uid() == after.uid()) {
    const api::Json *old = api::find(before.json(), "spec"), *now = api::find(after.json(), "spec");
    if (old != nullptr && now != nullptr && *old == *now) return {};
  }
  return {(after ? after : before).key()};
}

}  // namespace

PodAutoscalerController::PodAutoscalerController(Context& context_)
    : Controller(context_, "horizontal-pod-autoscaler"),
      autoscalers_(watch(kAutoscalers, changed_spec)),
      pods_(cache(api::resources::kPods)),
      defined_(cache(kDefinitions)) {}

void PodAutoscalerController::say(Look& look, const char* type, bool status, std::string reason,
                                  std::string message) {
  set_condition(look.after, Condition(type, status ? "True" : "False", std::move(reason), std::move(message)),
                clock().now());
}

rt::Task<Result<void>> PodAutoscalerController::reconcile(api::Key key) {
  const auto autoscaler = autoscalers_.get(key);
  if (!autoscaler || autoscaler.deleting()) {
    states_.erase(key);
    co_return ok();
  }
  State& state = states_[key];
  const auto now = clock().now();
  if (state.next <= now) {
    state.next = now + kEvery;
    enqueue_after(key, kEvery);
  }
  Look look{autoscaler, autoscaler.json(), {}, {}, 0, 0, ""};
  co_await decide(look, state);
  if (look.after == autoscaler.json()) co_return ok();
  api::Object changed(std::move(look.after));
  const client::WriteOptions options;
  auto written = co_await client().update(kAutoscalers, std::move(changed), "status", options);
  if (written.ok() || written.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(written).error();
}

Result<api::ResourceInfo> PodAutoscalerController::target_of(const api::Json& autoscaler) const {
  const auto gvk = api::parse_gvk(api::str(autoscaler, "spec.scaleTargetRef.apiVersion"),
                                  api::str(autoscaler, "spec.scaleTargetRef.kind"));
  const auto* info = api::find_builtin(gvk);
  if (info == nullptr) info = defined_.find(gvk);
  if (info == nullptr)
    return Error(Reason::kNotFound,
                 fmt::format("no matches for kind \"{}\" in group \"{}\"", gvk.kind, gvk.group));
  return *info;
}

// What cannot be read ends the look, with the reason in a condition.
rt::Task<bool> PodAutoscalerController::find_scale(Look& look) {
  auto target = target_of(look.after);
  Result<api::Object> scale =
      target.ok() ? Result<api::Object>(api::Object()) : Result<api::Object>(target.error());
  if (target.ok()) {
    look.target = *target;
    const api::Key key(std::string(look.before.ns()),
                       std::string(api::str(look.after, "spec.scaleTargetRef.name")));
    scale = co_await client().get_subresource(look.target.gvr, key, "scale");
  }
  if (!scale.ok()) {
    event(look.before, "Warning", "FailedGetScale", scale.error().message());
    say(look, "AbleToScale", false, "FailedGetScale",
        "the HPA controller was unable to get the target's current scale: " + scale.error().message());
    co_return false;
  }
  look.scale = std::move(*scale);
  look.current = look.desired = api::num(look.scale.json(), "spec.replicas");
  say(look, "AbleToScale", true, "SucceededGetScale",
      "the HPA controller was able to get the target's current scale");
  co_return true;
}

rt::Task<> PodAutoscalerController::decide(Look& look, State& state) {
  if (look.before.generation() != 0)
    api::set(look.after, "status.observedGeneration", look.before.generation());
  if (!co_await find_scale(look)) co_return;
  const Limits limits{api::num(look.after, "spec.minReplicas", 1),
                      api::num(look.after, "spec.maxReplicas", 1)};
  const Behavior behavior = parse_behavior(look.after);
  const auto now = clock().now();
  state.history.forget(behavior, now);
  // What runs when nothing is remembered was recommended by somebody: windows begin with it.
  if (state.history.recommendations.empty()) state.history.recommendations.push_back({now, look.current});
  api::set(look.after, "status.currentReplicas", look.current);
  if (look.current == 0 && limits.min != 0) {
    say(look, "ScalingActive", false, "ScalingDisabled",
        "scaling is disabled since the replica count of the target is zero");
  } else if (look.current > limits.max) {
    look.desired = limits.max;
    look.why = "Current number of replicas above Spec.MaxReplicas";
  } else if (look.current < limits.min) {
    look.desired = limits.min;
    look.why = "Current number of replicas below Spec.MinReplicas";
  } else {
    std::int64_t proposed = look.current;
    if (!co_await measure(look, proposed)) co_return;
    const auto verdict = follow(look.current, proposed, limits, behavior, state.history, now);
    look.desired = verdict.replicas;
    if (look.desired < look.current) look.why = "All metrics below target";
    if (verdict.stabilized.empty())
      say(look, "AbleToScale", true, "ReadyForNewScale", "recommended size matches current size");
    else
      say(look, "AbleToScale", true, verdict.stabilized,
          verdict.stabilized == "ScaleDownStabilized" ? "recent recommendations were higher than current "
                                                        "one, applying the highest recent recommendation"
                                                      : "recent recommendations were lower than current one, "
                                                        "applying the lowest recent recommendation");
    say(look, "ScalingLimited", verdict.limited, verdict.reason, verdict.message);
  }
  if (look.desired != look.current) co_await rescale(look, state);
  api::set(look.after, "status.desiredReplicas", look.desired);
}

rt::Task<Result<Proposal>> PodAutoscalerController::ask(const Look& look, Metric metric, std::string selector,
                                                        std::vector<api::Object> pods) {
  const auto behavior = parse_behavior(look.after);
  if (!metric.target)
    co_return Error(Reason::kInvalid,
                    fmt::format("unable to get metrics of type {}: no metrics API serves them", metric.type));
  client::ListOptions options;
  options.label_selector = std::move(selector);
  auto listed = co_await client().list(kPodMetrics, std::string(look.before.ns()), std::move(options));
  if (!listed.ok())
    co_return Error(Reason::kInvalid,
                    fmt::format("failed to get {} utilization: unable to get metrics for resource {}: {}",
                                metric.target->resource, metric.target->resource, listed.error().message()));
  Samples samples = samples_of(listed->items, *metric.target);
  co_return propose(*metric.target, look.current, pods, std::move(samples), behavior.tolerance,
                    clock().now());
}

// The most that any metric asks for. One that cannot be told keeps the rest from scaling down.
rt::Task<bool> PodAutoscalerController::measure(Look& look, std::int64_t& proposed) {
  const std::string text(api::str(look.scale.json(), "status.selector"));
  auto selector = api::LabelSelector::parse(text);
  if (text.empty() || !selector.ok()) {
    event(look.before, "Warning", "InvalidSelector", "selector is required");
    say(look, "ScalingActive", false, "InvalidSelector", "the HPA target's scale is missing a selector");
    co_return false;
  }
  std::vector<api::Object> pods;
  for (auto& pod : pods_.in_namespace(std::string(look.before.ns())))
    if (selector->matches(api::object(pod.json(), "metadata.labels"))) pods.push_back(std::move(pod));
  const auto metrics = metrics_of(look.after);
  std::optional<std::int64_t> most;
  std::optional<std::pair<std::string, std::string>> failure;
  std::string leading;
  api::JsonArray shown;
  for (const Metric& metric : metrics) {
    auto answer = co_await ask(look, metric, text, pods);
    if (!answer.ok()) {
      if (!failure) failure = {"FailedGet" + metric.type + "Metric", answer.error().message()};
      continue;
    }
    shown.push_back(metric_status(metric, *answer));
    if (most && *most >= answer->replicas) continue;
    most = answer->replicas;
    leading = metric.name();
  }
  if (!shown.empty()) api::set(look.after, "status.currentMetrics", std::move(shown));
  if (failure && (!most || *most < look.current)) {
    event(look.before, "Warning", failure->first, failure->second);
    event(look.before, "Warning", "FailedComputeMetricsReplicas",
          fmt::format("invalid metrics (1 invalid out of {}), first error is: {}", metrics.size(),
                      failure->second));
    say(look, "ScalingActive", false, failure->first,
        "the HPA was unable to compute the replica count: " + failure->second);
    api::set(look.after, "status.desiredReplicas", look.current);
    co_return false;
  }
  proposed = *most;
  look.why = leading + " above target";
  say(look, "ScalingActive", true, "ValidMetricFound",
      "the HPA was able to successfully calculate a replica count from " + leading);
  co_return true;
}

rt::Task<> PodAutoscalerController::rescale(Look& look, State& state) {
  api::Json scale = look.scale.json();
  api::set(scale, "spec.replicas", look.desired);
  api::Object changed(std::move(scale));
  const client::WriteOptions options;
  auto written = co_await client().update(look.target.gvr, std::move(changed), "scale", options);
  if (!written.ok()) {
    event(look.before, "Warning", "FailedRescale",
          fmt::format("New size: {}; reason: {}; error: {}", look.desired, look.why,
                      written.error().message()));
    say(look, "AbleToScale", false, "FailedUpdateScale",
        "the HPA controller was unable to update the target scale: " + written.error().message());
    look.desired = look.current;
    co_return;
  }
  const auto now = clock().now();
  say(look, "AbleToScale", true, "SucceededRescale",
      fmt::format("the HPA controller was able to update the target scale to {}", look.desired));
  event(look.before, "Normal", "SuccessfulRescale",
        fmt::format("New size: {}; reason: {}", look.desired, look.why));
  state.history.note_change(look.current, look.desired, now);
  api::set(look.after, "status.lastScaleTime", api::text(rt::format_time(now)));
}

}  // namespace mk::controller
