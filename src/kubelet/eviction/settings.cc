#include "eviction/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>

#include "mk/api/quantity.h"
#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

constexpr std::string_view kDefaultHard =
    "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,imagefs."
    "inodesFree<5%";

struct SignalName {
  Signal signal;
  std::string_view name, resource;
};
constexpr SignalName kSignals[] = {{Signal::kMemory, "memory.available", "memory"},
                                   {Signal::kNodeFs, "nodefs.available", "ephemeral-storage"},
                                   {Signal::kNodeInodes, "nodefs.inodesFree", "inodes"},
                                   {Signal::kImageFs, "imagefs.available", "ephemeral-storage"},
                                   {Signal::kImageInodes, "imagefs.inodesFree", "inodes"},
                                   {Signal::kPids, "pid.available", "pids"}};

const SignalName& entry(Signal signal) {
  return *std::find_if(std::begin(kSignals), std::end(kSignals),
                       [signal](const SignalName& each) { return each.signal == signal; });
}

Result<Signal> parse_signal(std::string_view name) {
  for (const auto& each : kSignals)
    if (each.name == name) return each.signal;
  return Error(Reason::kInvalid, fmt::format("unsupported signal \"{}\"", name));
}

Result<Amount> parse_amount(std::string_view text) {
  Amount out;
  if (!text.empty() && text.back() == '%') {
    const std::string number(text.substr(0, text.size() - 1));
    char* end = nullptr;
    out.percent = std::strtod(number.c_str(), &end);
    if (number.empty() || *end != '\0' || !(out.percent >= 0 && out.percent <= 100))
      return Error(Reason::kInvalid, fmt::format("\"{}\" is no percentage between 0% and 100%", text));
    return out;
  }
  MK_ASSIGN(const auto quantity, api::Quantity::parse(text));
  out.value = quantity.value();
  if (out.value < 0) return Error(Reason::kInvalid, fmt::format("\"{}\" is negative", text));
  return out;
}

using Pairs = std::vector<std::pair<Signal, std::string>>;

// "memory.available<100Mi,pid.available<5%" with its operator.
Result<Pairs> parse_pairs(std::string_view list, char separator) {
  Pairs out;
  for (const auto part : split(list, ',')) {
    if (trim(part).empty()) continue;
    const auto mark = part.find(separator);
    if (mark == std::string_view::npos)
      return Error(Reason::kInvalid, fmt::format("\"{}\" has no '{}'", part, separator));
    MK_ASSIGN(const Signal signal, parse_signal(trim(part.substr(0, mark))));
    out.emplace_back(signal, std::string(trim(part.substr(mark + 1))));
  }
  return out;
}

Result<std::vector<Threshold>> parse_thresholds(std::string_view list, bool soft) {
  MK_ASSIGN(const Pairs pairs, parse_pairs(list, '<'));
  std::vector<Threshold> out;
  for (const auto& [signal, text] : pairs) {
    MK_ASSIGN(const Amount least, parse_amount(text));
    if (least.percent == 0 || (least.percent < 0 && least.value == 0)) continue;  // switched off
    Threshold threshold;
    threshold.signal = signal;
    threshold.least = least;
    threshold.soft = soft;
    out.push_back(threshold);
  }
  return out;
}

Result<int> parse_percent(const std::string& text) {
  const auto number = parse_int(text);
  if (!number || *number < 0 || *number > 100)
    return Error(Reason::kInvalid, fmt::format("\"{}\" is no number between 0 and 100", text));
  return static_cast<int>(*number);
}

// The arguments by name; what stands twice counts as it stands last.
struct Arguments {
  std::map<std::string, std::string, std::less<>> values;

  const std::string* find(std::string_view name) const {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : &found->second;
  }
  template <class T, class Parse>
  Result<void> read(std::string_view name, Parse parse, T& target) const {
    const std::string* text = find(name);
    if (text == nullptr) return ok();
    auto value = parse(*text);
    if (!value.ok()) return std::move(value).error().wrap("kubelet-arg " + std::string(name));
    target = *std::move(value);
    return ok();
  }
};

constexpr std::string_view kKnown[] = {"eviction-hard",
                                       "eviction-soft",
                                       "eviction-soft-grace-period",
                                       "eviction-minimum-reclaim",
                                       "eviction-pressure-transition-period",
                                       "eviction-max-pod-grace-period",
                                       "image-gc-high-threshold",
                                       "image-gc-low-threshold",
                                       "minimum-image-ttl-duration"};

Result<Arguments> split_arguments(const std::vector<std::string>& arguments) {
  Arguments out;
  for (const auto& argument : arguments) {
    std::string_view text = argument;
    while (text.starts_with('-')) text.remove_prefix(1);
    const auto mark = text.find('=');
    const std::string name(text.substr(0, mark));
    if (mark == std::string_view::npos ||
        std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown))
      return Error(Reason::kInvalid,
                   fmt::format("kubelet-arg \"{}\" is not understood; NAME=VALUE, where NAME is one of {}",
                               argument, fmt::join(kKnown, ", ")));
    out.values[name] = std::string(text.substr(mark + 1));
  }
  return out;
}

Result<std::vector<Threshold>> soft_thresholds(const Arguments& arguments) {
  const std::string* list = arguments.find("eviction-soft");
  if (list == nullptr) return std::vector<Threshold>();
  MK_ASSIGN(auto out, parse_thresholds(*list, true));
  const std::string* graces = arguments.find("eviction-soft-grace-period");
  MK_ASSIGN(const Pairs pairs, parse_pairs(graces == nullptr ? "" : *graces, '='));
  for (auto& threshold : out) {
    const auto found = std::find_if(pairs.begin(), pairs.end(),
                                    [&](const auto& pair) { return pair.first == threshold.signal; });
    if (found == pairs.end())
      return Error(Reason::kInvalid,
                   fmt::format("grace period must be specified for the soft eviction threshold {}",
                               to_string(threshold.signal)));
    MK_ASSIGN(threshold.grace, parse_go_duration(found->second));
  }
  return out;
}

Result<void> add_reclaims(const Arguments& arguments, std::vector<Threshold>& thresholds) {
  const std::string* list = arguments.find("eviction-minimum-reclaim");
  MK_ASSIGN(const Pairs pairs, parse_pairs(list == nullptr ? "" : *list, '='));
  for (const auto& [signal, text] : pairs) {
    MK_ASSIGN(const Amount amount, parse_amount(text));
    for (auto& threshold : thresholds)
      if (threshold.signal == signal) threshold.reclaim = amount;
  }
  return ok();
}

}  // namespace

std::string_view to_string(Signal signal) {
  return entry(signal).name;
}
std::string_view resource_of(Signal signal) {
  return entry(signal).resource;
}

std::int64_t Amount::of(std::int64_t capacity) const {
  return percent < 0 ? value : static_cast<std::int64_t>(static_cast<double>(capacity) * percent / 100);
}

Result<rt::Duration> parse_go_duration(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1},  {"us", 1e3}, {"ms", 1e6},
                                                            {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  const Error wrong(Reason::kInvalid, fmt::format("\"{}\" is no duration like 5m0s", text));
  double total = 0;
  if (text == "0") return rt::Duration(0);
  if (text.empty()) return wrong;
  while (!text.empty()) {
    const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const auto letters = std::min(text.find_first_of("0123456789.", digits), text.size());
    const std::string number(text.substr(0, digits));
    const auto unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& each) {
      return each.first == text.substr(digits, letters - digits);
    });
    char* end = nullptr;
    const double value = std::strtod(number.c_str(), &end);
    if (number.empty() || *end != '\0' || unit == std::end(kUnits)) return wrong;
    total += value * unit->second;
    text.remove_prefix(letters);
  }
  if (total > 9e18) return wrong;
  return rt::Duration(static_cast<std::int64_t>(total));
}

Result<KubeletSettings> parse_kubelet_arguments(const std::vector<std::string>& list) {
  MK_ASSIGN(const Arguments arguments, split_arguments(list));
  KubeletSettings out;
  const std::string* hard = arguments.find("eviction-hard");
  MK_ASSIGN(out.thresholds,
            parse_thresholds(hard == nullptr ? kDefaultHard : std::string_view(*hard), false));
  MK_ASSIGN(const auto soft, soft_thresholds(arguments));
  out.thresholds.insert(out.thresholds.end(), soft.begin(), soft.end());
  MK_TRY(add_reclaims(arguments, out.thresholds));
  MK_TRY(arguments.read("eviction-pressure-transition-period", parse_go_duration, out.pressure_transition));
  MK_TRY(arguments.read("minimum-image-ttl-duration", parse_go_duration, out.image_age_min));
  MK_TRY(arguments.read("image-gc-high-threshold", parse_percent, out.image_gc_high));
  MK_TRY(arguments.read("image-gc-low-threshold", parse_percent, out.image_gc_low));
  if (const std::string* grace = arguments.find("eviction-max-pod-grace-period")) {
    const auto seconds = parse_int(*grace);
    if (!seconds || *seconds < 0)
      return Error(Reason::kInvalid, "eviction-max-pod-grace-period is in seconds");
    out.pod_grace_max = std::chrono::seconds(*seconds);
  }
  if (out.image_gc_low > out.image_gc_high)
    return Error(Reason::kInvalid, "image-gc-low-threshold must not be above image-gc-high-threshold");
  return out;
}

}  // namespace mk::kubelet
