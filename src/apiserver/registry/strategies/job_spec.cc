#include "registry/strategies/job_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/strings.h"
#include "registry/strategies/label_selectors.h"
#include "registry/strategies/pod_spec.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::int64_t kIndexedParallelismMax = 100'000;
constexpr std::size_t kFailureRulesMax = 20, kSuccessRulesMax = 20;
constexpr std::size_t kExitCodesMax = 255;

void validate_exit_codes(const Json& codes, const Path& path, Report& report) {
  check_enum(codes, "operator", {"In", "NotIn"}, path, report);
  const auto& values = api::list(codes, "values");
  const Path values_path = path.child("values");
  if (values.empty()) {
    report.invalid(values_path, Json(values), "at least one value is required");
  } else if (values.size() > kExitCodesMax) {
    report.too_many(values_path, values.size(), kExitCodesMax);
  }
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto code = api::num(values[i], "");
    if (api::str(codes, "operator") == "In" && code == 0) {
      report.invalid(values_path[i], code, "must not be 0 for the In operator");
    }
    if (!seen.insert(code).second) report.duplicate(values_path[i], code);
    if (i > 0 && code < api::num(values[i - 1], "")) {
      report.invalid(values_path, Json(values), "must be ordered");
    }
  }
}

bool has_container(const Json& spec, std::string_view name) {
  for (const char* field : {"template.spec.initContainers", "template.spec.containers"}) {
    for (const auto& container : api::list(spec, field)) {
      if (api::str(container, "name") == name) return true;
    }
  }
  return false;
}

void validate_failure_rule(const Json& spec, const Json& rule, const Path& path, Report& report) {
  check_enum(rule, "action", {"Count", "FailIndex", "FailJob", "Ignore"}, path, report);
  if (api::str(rule, "action") == "FailIndex" && !api::find(spec, "backoffLimitPerIndex")) {
    report.invalid(path.child("action"), "FailIndex", "requires the backoffLimitPerIndex to be set");
  }
  const Json* codes = api::find(rule, "onExitCodes");
  const auto container = codes ? api::str(*codes, "containerName") : std::string_view();
  if (!container.empty() && !has_container(spec, container)) {
    report.invalid(path.child("onExitCodes.containerName"), container,
                   "must be one of the container or initContainer names in the pod template");
  }
  const auto& conditions = api::list(rule, "onPodConditions");
  if (codes) validate_exit_codes(*codes, path.child("onExitCodes"), report);
  const Path conditions_path = path.child("onPodConditions");
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    const Path condition_path = conditions_path[i];
    const auto type = api::str(conditions[i], "type");
    report.check(condition_path.child("type"), type, api::check_qualified_name(type));
    check_enum(conditions[i], "status", {"False", "True", "Unknown"}, condition_path, report);
  }
  if (codes && !conditions.empty()) {
    report.invalid(path, rule, "specifying both OnExitCodes and OnPodConditions is not supported");
  } else if (!codes && conditions.empty()) {
    report.invalid(path, rule, "specifying one of OnExitCodes and OnPodConditions is required");
  }
}

void validate_failure_policy(const Json& spec, const Path& path, Report& report) {
  const Json* policy = api::find(spec, "podFailurePolicy");
  if (policy == nullptr) return;
  const auto restart = api::str(spec, "template.spec.restartPolicy");
  if (restart != "Never") {
    report.invalid(path.child("template.spec.restartPolicy"), restart,
                   "only \"Never\" is supported when podFailurePolicy is specified");
  }
  const Path policy_path = path.child("podFailurePolicy");
  const Path rules_path = policy_path.child("rules");
  const auto& rules = api::list(*policy, "rules");
  if (rules.size() > kFailureRulesMax) report.too_many(rules_path, rules.size(), kFailureRulesMax);
  for (std::size_t i = 0; i < rules.size(); ++i) validate_failure_rule(spec, rules[i], rules_path[i], report);
  if (const auto replace = api::str(spec, "podReplacementPolicy"); !replace.empty() && replace != "Failed") {
    report.not_supported(path.child("podReplacementPolicy"), replace, {"Failed"});
  }
}

// "1,3-5" below `completions`, ascending: how many, or what is wrong.
Result<std::int64_t> count_indexes(std::string_view text, std::int64_t completions) {
  std::int64_t count = 0, previous = -1;
  for (const auto interval : split(text, ',')) {
    const auto ends = split(interval, '-');
    if (ends.size() > 2) {
      return Error(Reason::kInvalid, fmt::format("the fragment \"{}\" violates the requirement that an index "
                                                 "interval can have at most two parts separated by '-'",
                                                 interval));
    }
    for (const auto end : ends) {
      const auto index = parse_int(end);
      if (!index)
        return Error(Reason::kInvalid,
                     fmt::format("cannot convert string to integer for index: \"{}\"", end));
      if (*index >= completions) return Error(Reason::kInvalid, fmt::format("too large index: \"{}\"", end));
      if (*index <= previous) {
        return Error(Reason::kInvalid,
                     fmt::format("non-increasing order, previous: {}, current: {}", previous, *index));
      }
      previous = *index;
    }
    count += ends.size() == 1 ? 1 : previous - *parse_int(ends[0]) + 1;
  }
  return count;
}

void validate_success_rule(const Json& spec, const Json& rule, const Path& path, Report& report) {
  const Json* count = api::find(rule, "succeededCount");
  const Json* indexes = api::find(rule, "succeededIndexes");
  if (!count && !indexes) {
    return report.required(path, "at least one of succeededCount or succeededIndexes must be specified");
  }
  const auto completions = api::num(spec, "completions");
  std::int64_t most = completions;
  const char* what = "the number of specified completions";
  if (indexes) {
    const auto total = count_indexes(text_of(*indexes), completions);
    if (total.ok()) {
      most = *total;
      what = "the number of indexes in the specified succeededIndexes field";
    } else {
      report.invalid(path.child("succeededIndexes"), text_of(*indexes),
                     "error parsing succeededIndexes: " + total.error().message());
    }
  }
  if (!count) return;
  check_positive(rule, "succeededCount", path, report);
  if (const auto wanted = api::num(rule, "succeededCount"); wanted > most) {
    report.invalid(path.child("succeededCount"), wanted,
                   fmt::format("must be less than or equal to {} ({})", most, what));
  }
}

void validate_success_policy(const Json& spec, const Path& path, Report& report) {
  const Json* policy = api::find(spec, "successPolicy");
  if (policy == nullptr) return;
  const Path policy_path = path.child("successPolicy");
  if (api::str(spec, "completionMode") != "Indexed") {
    return report.invalid(policy_path, *policy, "requires indexed completion mode");
  }
  const Path rules_path = policy_path.child("rules");
  const auto& rules = api::list(*policy, "rules");
  if (rules.empty())
    report.required(rules_path, "at least one rules must be specified when the successPolicy is specified");
  if (rules.size() > kSuccessRulesMax) report.too_many(rules_path, rules.size(), kSuccessRulesMax);
  for (std::size_t i = 0; i < rules.size(); ++i) validate_success_rule(spec, rules[i], rules_path[i], report);
}

void validate_indexes(const Json& spec, const Path& path, Report& report) {
  const bool indexed = api::str(spec, "completionMode") == "Indexed";
  if (indexed) {
    if (!api::find(spec, "completions")) {
      report.required(path.child("completions"), "when completion mode is Indexed");
    }
    if (const auto parallelism = api::num(spec, "parallelism"); parallelism > kIndexedParallelismMax) {
      report.invalid(path.child("parallelism"), parallelism,
                     fmt::format("must be less than or equal to {} when completion mode is Indexed",
                                 kIndexedParallelismMax));
    }
  }
  const Json* per_index = api::find(spec, "backoffLimitPerIndex");
  const Json* max_failed = api::find(spec, "maxFailedIndexes");
  if (per_index) {
    check_non_negative(spec, "backoffLimitPerIndex", path, report);
    if (!indexed)
      report.invalid(path.child("backoffLimitPerIndex"), *per_index, "requires indexed completion mode");
  }
  if (max_failed) {
    check_non_negative(spec, "maxFailedIndexes", path, report);
    if (!per_index) report.required(path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    if (indexed && api::num(spec, "maxFailedIndexes") > api::num(spec, "completions")) {
      report.invalid(path.child("maxFailedIndexes"), *max_failed,
                     "must be less than or equal to completions");
    }
  }
}

}  // namespace

void validate_job_spec(const Json& spec, const Path& path, Report& report) {
  for (const std::string_view field :
       {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"}) {
    check_non_negative(spec, field, path, report);
  }
  check_enum(spec, "completionMode", {"Indexed", "NonIndexed"}, path, report, Presence::kOptional);
  check_enum(spec, "podReplacementPolicy", {"Failed", "TerminatingOrFailed"}, path, report,
             Presence::kOptional);
  validate_indexes(spec, path, report);
  validate_failure_policy(spec, path, report);
  validate_success_policy(spec, path, report);
  validate_label_selector(api::find(spec, "selector"), path.child("selector"), report);
  if (const auto manager = api::str(spec, "managedBy"); !manager.empty()) {
    report.check(path.child("managedBy"), manager, api::check_qualified_name(manager));
  }
  const Json* pod_template = api::find(spec, "template");
  if (pod_template == nullptr) return report.required(path.child("template"));
  validate_pod_template(*pod_template, path.child("template"), report);
  const auto restart = api::str(*pod_template, "spec.restartPolicy");
  if (restart != "OnFailure" && restart != "Never") {
    report.required(path.child("template.spec.restartPolicy"), "valid values: \"OnFailure\", \"Never\"");
  }
}

}  // namespace mk::apiserver
