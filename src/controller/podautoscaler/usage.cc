#include "podautoscaler/usage.h"

#include <fmt/core.h>

#include <cmath>
#include <set>

#include "kit/objects.h"
#include "mk/api/quantity.h"
#include "mk/cel/value.h"

namespace mk::controller::podautoscaler {

namespace {

constexpr auto kCpuInitialization = std::chrono::minutes(5);
constexpr auto kReadinessDelay = std::chrono::seconds(30);

std::optional<std::int64_t> milli_of(const api::JsonObject& amounts, std::string_view resource) {
  const api::Json* value = amounts.if_contains(resource);
  if (value == nullptr) return std::nullopt;
  const auto text = value->is_string() ? std::string(value->get_string()) : api::to_json(*value);
  const auto quantity = api::Quantity::parse(text);
  return quantity.ok() ? std::optional(quantity->milli_value()) : std::nullopt;
}

std::optional<Sample> sample_of(const api::Json& metrics, const Target& target) {
  Sample out;
  bool found = false;
  for (const api::Json& container : api::list(metrics, "containers")) {
    if (!target.container.empty() && api::str(container, "name") != target.container) continue;
    const auto amount = milli_of(api::object(container, "usage"), target.resource);
    if (!amount) return std::nullopt;
    out.value += *amount;
    found = true;
  }
  if (!found) return std::nullopt;
  out.at = time_at(metrics, "timestamp").value_or(rt::WallTime());
  if (const auto window = cel::parse_duration(api::str(metrics, "window")))
    out.window = rt::Duration(window->nanos);
  return out;
}

// A pod that has just begun to run tells little by its CPU: it may still be initializing.
bool cpu_not_yet_telling(const api::Json& pod, const Sample& sample, rt::WallTime now) {
  const auto started = time_at(pod, "status.startTime");
  const api::Json* ready = find_condition(pod, "Ready");
  if (ready == nullptr || !started) return true;
  const auto since = time_at(*ready, "lastTransitionTime").value_or(*started);
  const bool is_ready = api::str(*ready, "status") == "True";
  if (*started + kCpuInitialization > now) return !is_ready || sample.at < since + sample.window;
  // Never ready since it was started.
  return !is_ready && *started + kReadinessDelay > since;
}

struct Groups {
  std::set<std::string> ready, unready, missing, ignored;
};

Groups group(const Target& target, const std::vector<api::Object>& pods, const Samples& samples,
             rt::WallTime now) {
  Groups out;
  for (const auto& pod : pods) {
    const std::string name(pod.name());
    const auto phase = api::str(pod.json(), "status.phase");
    const auto sample = samples.find(name);
    if (pod.deleting() || phase == "Failed")
      out.ignored.insert(name);
    else if (phase == "Pending")
      out.unready.insert(name);
    else if (sample == samples.end())
      out.missing.insert(name);
    else if (target.resource == "cpu" && cpu_not_yet_telling(pod.json(), sample->second, now))
      out.unready.insert(name);
    else
      out.ready.insert(name);
  }
  return out;
}

// What a pod asked for. nullopt: some container does not say, whose name is in `who`.
std::optional<std::int64_t> request_of(const api::Json& pod, const Target& target, std::string& who) {
  if (const auto whole = milli_of(api::object(pod, "spec.resources.requests"), target.resource);
      whole && target.container.empty())
    return whole;
  std::int64_t sum = 0;
  const auto add = [&](const api::Json& container) {
    const auto name = api::str(container, "name");
    if (!target.container.empty() && name != target.container) return true;
    const auto request = milli_of(api::object(container, "resources.requests"), target.resource);
    if (!request) who = name;
    sum += request.value_or(0);
    return request.has_value();
  };
  for (const api::Json& container : api::list(pod, "spec.containers"))
    if (!add(container)) return std::nullopt;
  for (const api::Json& container : api::list(pod, "spec.initContainers"))
    if (api::str(container, "restartPolicy") == "Always" && !add(container)) return std::nullopt;
  return sum;
}

// Where the pods stand relative to the target: 1 is right on it.
class Gauge {
 public:
  static Result<Gauge> make(const Target& target, const std::vector<api::Object>& pods) {
    Gauge out(target);
    if (!target.utilization) return out;
    for (const auto& pod : pods) {
      std::string who;
      const auto request = request_of(pod.json(), target, who);
      if (!request)
        return Error(
            Reason::kInvalid,
            fmt::format("failed to get {} utilization: missing request for {} in container {} of Pod {}",
                        target.resource, target.resource, who, pod.name()));
      out.requests_[std::string(pod.name())] = *request;
    }
    return out;
  }

  double ratio(const Samples& samples) const {
    if (samples.empty()) return 1;
    const auto [used, asked] = sums(samples);
    if (target_.utilization)
      return asked == 0 || *target_.utilization == 0
                 ? 1
                 : 100.0 * static_cast<double>(used) / static_cast<double>(asked) /
                       static_cast<double>(*target_.utilization);
    return target_.average == 0 ? 1
                                : static_cast<double>(used) / static_cast<double>(samples.size()) /
                                      static_cast<double>(target_.average);
  }
  std::optional<std::int64_t> utilization(const Samples& samples) const {
    const auto [used, asked] = sums(samples);
    if (!target_.utilization || asked == 0) return std::nullopt;
    return static_cast<std::int64_t>(static_cast<double>(used) * 100 / static_cast<double>(asked));
  }
  // What a pod is assumed to use of which nothing is known, so that it speaks against scaling down.
  std::int64_t full(const std::string& pod) const {
    if (!target_.utilization) return target_.average;
    const auto found = requests_.find(pod);
    const auto request = found == requests_.end() ? 0 : found->second;
    return request * std::max<std::int64_t>(100, *target_.utilization) / 100;
  }

 private:
  explicit Gauge(const Target& target) : target_(target) {}
  std::pair<std::int64_t, std::int64_t> sums(const Samples& samples) const {
    std::int64_t used = 0, asked = 0;
    for (const auto& [pod, sample] : samples) {
      used += sample.value;
      if (const auto found = requests_.find(pod); found != requests_.end()) asked += found->second;
    }
    return {used, asked};
  }

  Target target_;
  std::map<std::string, std::int64_t> requests_;
};

bool within(const Tolerance& tolerance, double ratio) {
  return 1 - tolerance.down <= ratio && ratio <= 1 + tolerance.up;
}

// Pods of which too little is known may keep things as they are, but never drive them.
std::int64_t cautious(const Gauge& gauge, const Groups& groups, Samples samples, double ratio,
                      std::int64_t current, const Tolerance& tolerance) {
  const bool up = ratio > 1;
  for (const auto& pod : groups.missing) samples[pod].value = up ? 0 : gauge.full(pod);
  if (up)
    for (const auto& pod : groups.unready) samples[pod].value = 0;
  const double now = gauge.ratio(samples);
  if (within(tolerance, now) || (up && now < 1) || (!up && now > 1)) return current;
  const auto wanted = static_cast<std::int64_t>(std::ceil(now * static_cast<double>(samples.size())));
  return (now < 1 && wanted > current) || (now > 1 && wanted < current) ? current : wanted;
}

}  // namespace

Samples samples_of(const std::vector<api::Object>& pod_metrics, const Target& target) {
  Samples out;
  for (const auto& metrics : pod_metrics)
    if (const auto sample = sample_of(metrics.json(), target)) out[std::string(metrics.name())] = *sample;
  return out;
}

Result<Proposal> propose(const Target& target, std::int64_t current, const std::vector<api::Object>& pods,
                         Samples samples, const Tolerance& tolerance, rt::WallTime now) {
  if (samples.empty())
    return Error(Reason::kInvalid,
                 fmt::format("failed to get {} utilization: unable to get metrics for resource {}: no "
                             "metrics returned from resource metrics API",
                             target.resource, target.resource));
  const Groups groups = group(target, pods, samples, now);
  std::erase_if(samples, [&](const auto& entry) { return groups.ready.count(entry.first) == 0; });
  if (samples.empty())
    return Error(
        Reason::kInvalid,
        fmt::format(
            "failed to get {} utilization: did not receive metrics for targeted pods (pods might be unready)",
            target.resource));
  MK_ASSIGN(const Gauge gauge, Gauge::make(target, pods));
  Proposal out;
  std::int64_t total = 0;
  for (const auto& [pod, sample] : samples) {
    total += sample.value;
    out.at = std::max(out.at, sample.at);
  }
  out.average = total / static_cast<std::int64_t>(samples.size());
  out.utilization = gauge.utilization(samples);
  const double ratio = gauge.ratio(samples);
  const bool unready_matter = !groups.unready.empty() && ratio > 1;
  if (groups.missing.empty() && !unready_matter) {
    out.replicas =
        within(tolerance, ratio)
            ? current
            : static_cast<std::int64_t>(std::ceil(ratio * static_cast<double>(groups.ready.size())));
    return out;
  }
  out.replicas = cautious(gauge, groups, std::move(samples), ratio, current, tolerance);
  return out;
}

}  // namespace mk::controller::podautoscaler
