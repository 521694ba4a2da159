#include "job/policies.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>

namespace mk::controller::job {
namespace {

FailureAction action_of(std::string_view text) {
  if (text == "Ignore") return FailureAction::kIgnore;
  if (text == "FailIndex") return FailureAction::kFailIndex;
  if (text == "FailJob") return FailureAction::kFailJob;
  return FailureAction::kCount;
}

// The container whose exit code the rule is about, if one matches.
const api::Json* failed_container(const api::Json& codes, const api::Object& pod) {
  const auto name = api::str(codes, "containerName");
  const bool among = api::str(codes, "operator") == "In";
  const auto& values = api::list(codes, "values");
  for (const char* field : {"status.containerStatuses", "status.initContainerStatuses"}) {
    for (const auto& container : api::list(pod.json(), field)) {
      if (!name.empty() && api::str(container, "name") != name) continue;
      const auto* ended = api::find(container, "state.terminated");
      const auto code = ended ? api::num(*ended, "exitCode") : 0;
      if (code == 0) continue;
      const bool listed = std::any_of(values.begin(), values.end(), [code](const api::Json& value) {
        return value.is_int64() ? value.get_int64() == code
                                : value.is_uint64() && value.get_uint64() == static_cast<std::uint64_t>(code);
      });
      if (listed == among) return &container;
    }
  }
  return nullptr;
}

const api::Json* matching_condition(const api::Json& rule, const api::Object& pod) {
  for (const auto& pattern : api::list(rule, "onPodConditions")) {
    for (const auto& condition : api::list(pod.json(), "status.conditions")) {
      if (api::str(condition, "type") == api::str(pattern, "type") &&
          api::str(condition, "status") == api::str(pattern, "status", "True"))
        return &condition;
    }
  }
  return nullptr;
}

}  // namespace

FailureMatch match_failure(const api::Json& job, const api::Object& pod) {
  FailureMatch match;
  const auto& rules = api::list(job, "spec.podFailurePolicy.rules");
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const auto action = api::str(rules[i], "action");
    const auto where = fmt::format("{}/{}", pod.ns(), pod.name());
    if (const auto* codes = api::find(rules[i], "onExitCodes")) {
      const auto* container = failed_container(*codes, pod);
      if (!container) continue;
      match.message = fmt::format(
          "Container {} for pod {} failed with exit code {} matching {} rule at index {}",
          api::str(*container, "name"), where, api::num(*container, "state.terminated.exitCode"), action, i);
    } else if (const auto* condition = matching_condition(rules[i], pod)) {
      match.message = fmt::format("Pod {} has condition {} matching {} rule at index {}", where,
                                  api::str(*condition, "type"), action, i);
    } else {
      continue;
    }
    match.action = action_of(action);
    return match;
  }
  return match;
}

std::optional<std::string> match_success(const api::Json& job, const IndexSet& completed,
                                         std::int64_t completions) {
  const auto& rules = api::list(job, "spec.successPolicy.rules");
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const auto* listed = api::find(rules[i], "succeededIndexes");
    const auto* count = api::find(rules[i], "succeededCount");
    auto have = completed.count();
    auto need = api::num(rules[i], "succeededCount");
    if (listed) {
      const auto wanted = IndexSet::parse(api::str(rules[i], "succeededIndexes"), completions);
      have = completed.count_common(wanted);
      if (!count) need = wanted.count();
    }
    if (have >= need && need > 0) return fmt::format("Matched rules at index {}", i);
  }
  return std::nullopt;
}

}  // namespace mk::controller::job
