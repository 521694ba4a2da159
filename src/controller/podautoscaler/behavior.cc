#include "podautoscaler/behavior.h"

#include <algorithm>
#include <cmath>

#include "mk/api/quantity.h"

namespace mk::controller::podautoscaler {

namespace {

constexpr rt::Duration kDefaultDownWindow = std::chrono::seconds(300);
constexpr rt::Duration kDefaultPeriod = std::chrono::seconds(15);

void read_rules(const api::Json& autoscaler, const std::string& path, Rules& rules, double& tolerance) {
  const api::Json* given = api::find(autoscaler, path);
  if (given == nullptr) return;
  if (api::find(*given, "stabilizationWindowSeconds") != nullptr)
    rules.window = std::chrono::seconds(api::num(*given, "stabilizationWindowSeconds"));
  const auto select = api::str(*given, "selectPolicy", "Max");
  rules.select = select == "Min"        ? Rules::Select::kMin
                 : select == "Disabled" ? Rules::Select::kDisabled
                                        : Rules::Select::kMax;
  if (const auto& policies = api::list(*given, "policies"); !policies.empty()) {
    rules.policies.clear();
    for (const api::Json& policy : policies)
      rules.policies.push_back({api::str(policy, "type") == "Percent", api::num(policy, "value"),
                                std::chrono::seconds(api::num(policy, "periodSeconds"))});
  }
  if (const api::Json* text = api::find(*given, "tolerance"))
    if (const auto quantity =
            api::Quantity::parse(text->is_string() ? std::string(text->get_string()) : api::to_json(*text));
        quantity.ok())
      tolerance = static_cast<double>(quantity->milli_value()) / 1000;
}

std::int64_t sum_since(const std::vector<History::Entry>& entries, rt::WallTime since) {
  std::int64_t out = 0;
  for (const auto& entry : entries)
    if (entry.at > since) out += entry.count;
  return out;
}

// The extreme that one direction's policies allow now.
std::int64_t rate_limit(std::int64_t current, const Rules& rules, const History& history, bool up,
                        rt::WallTime now) {
  if (rules.select == Rules::Select::kDisabled || rules.policies.empty()) return current;
  std::vector<std::int64_t> allowed;
  for (const auto& policy : rules.policies) {
    const auto since = now - policy.period;
    const auto start = current - sum_since(history.ups, since) + sum_since(history.downs, since);
    const double part = static_cast<double>(policy.value) / 100, count = static_cast<double>(start);
    if (policy.percent)
      allowed.push_back(
          static_cast<std::int64_t>(up ? std::ceil(count * (1 + part)) : std::floor(count * (1 - part))));
    else
      allowed.push_back(up ? start + policy.value : start - policy.value);
  }
  const auto [least, most] = std::minmax_element(allowed.begin(), allowed.end());
  const bool farthest = rules.select == Rules::Select::kMax;
  // What happened in the period may have used up more than a policy allows: then nothing more for now.
  if (up) return std::max(current, farthest ? *most : *least);
  return std::min(current, farthest ? *least : *most);
}

std::int64_t stabilize(std::int64_t current, std::int64_t proposed, const Behavior& behavior,
                       History& history, rt::WallTime now, std::string& reason) {
  std::int64_t floor = proposed, ceiling = proposed;
  for (const auto& entry : history.recommendations) {
    if (entry.at > now - behavior.up.window) floor = std::min(floor, entry.count);
    if (entry.at > now - behavior.down.window) ceiling = std::max(ceiling, entry.count);
  }
  history.recommendations.push_back({now, proposed});
  // Upwards only as far as all of the window asked for, downwards only as far as none of it spoke against.
  const auto out = std::max(std::min(current, ceiling), floor);
  if (out == proposed) return out;
  reason = proposed > out ? "ScaleUpStabilized" : "ScaleDownStabilized";
  return out;
}

}  // namespace

Behavior parse_behavior(const api::Json& autoscaler) {
  Behavior out;
  out.up.policies = {{false, 4, kDefaultPeriod}, {true, 100, kDefaultPeriod}};
  out.down.policies = {{true, 100, kDefaultPeriod}};
  out.down.window = kDefaultDownWindow;
  read_rules(autoscaler, "spec.behavior.scaleUp", out.up, out.tolerance.up);
  read_rules(autoscaler, "spec.behavior.scaleDown", out.down, out.tolerance.down);
  return out;
}

void History::note_change(std::int64_t from, std::int64_t to, rt::WallTime now) {
  if (to > from) ups.push_back({now, to - from});
  if (to < from) downs.push_back({now, from - to});
}

void History::forget(const Behavior& behavior, rt::WallTime now) {
  rt::Duration longest{0};
  for (const auto* rules : {&behavior.up, &behavior.down})
    for (const auto& policy : rules->policies) longest = std::max(longest, policy.period);
  const auto older = [](std::vector<Entry>& entries, rt::WallTime than) {
    std::erase_if(entries, [&](const Entry& entry) { return entry.at < than; });
  };
  older(recommendations, now - std::max(behavior.up.window, behavior.down.window));
  older(ups, now - longest);
  older(downs, now - longest);
}

Verdict follow(std::int64_t current, std::int64_t proposed, const Limits& limits, const Behavior& behavior,
               History& history, rt::WallTime now) {
  Verdict out;
  const auto wanted = stabilize(current, proposed, behavior, history, now, out.stabilized);
  const auto up = rate_limit(current, behavior.up, history, true, now);
  const auto down = rate_limit(current, behavior.down, history, false, now);
  const auto highest = std::min(limits.max, up), lowest = std::max(limits.min, down);
  const auto limit = [&](std::int64_t at, const char* reason, const char* message) {
    out.replicas = at;
    out.limited = true;
    out.reason = reason;
    out.message = message;
  };
  if (wanted > current && wanted > highest) {
    if (highest == limits.max)
      limit(highest, "TooManyReplicas", "the desired replica count is more than the maximum replica count");
    else
      limit(highest, "ScaleUpLimit",
            "the desired replica count is increasing faster than the maximum scale rate");
  } else if (wanted < current && wanted < lowest) {
    if (lowest == limits.min)
      limit(lowest, "TooFewReplicas", "the desired replica count is less than the minimum replica count");
    else
      limit(lowest, "ScaleDownLimit",
            "the desired replica count is decreasing faster than the maximum scale rate");
  } else if (wanted > limits.max) {
    limit(limits.max, "TooManyReplicas", "the desired replica count is more than the maximum replica count");
  } else if (wanted < limits.min) {
    limit(limits.min, "TooFewReplicas", "the desired replica count is less than the minimum replica count");
  } else {
    out.replicas = wanted;
    out.reason = "DesiredWithinRange";
    out.message = "the desired count is within the acceptable range";
  }
  return out;
}

}  // namespace mk::controller::podautoscaler
