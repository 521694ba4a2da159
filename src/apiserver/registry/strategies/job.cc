#include "mk/api/selector.h"
#include "mk/base/ids.h"
#include "registry/strategies/job_spec.h"
#include "registry/strategies/pod_spec.h"
#include "registry/strategies/strategies.h"
#include "registry/strategies/workload.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kControllerUid = "batch.kubernetes.io/controller-uid";
constexpr std::string_view kJobName = "batch.kubernetes.io/job-name";

void default_counts(Json& spec) {
  if (!api::find(spec, "completions") && !api::find(spec, "parallelism")) {
    api::set(spec, "completions", 1);
    api::set(spec, "parallelism", 1);
  }
  default_to(spec, "parallelism", 1);
  // With a limit per index there is none for the whole, unless asked for.
  default_to(spec, "backoffLimit", api::find(spec, "backoffLimitPerIndex") ? Json(INT32_MAX) : Json(6));
}

// A job finds its pods by its uid; so that it can adopt none of another's.
void generate_selector(Json& job) {
  if (api::flag(job, "spec.manualSelector")) return;
  if (api::str(job, "metadata.uid").empty()) api::set(job, "metadata.uid", api::text(new_uid()));
  const auto uid = api::text(api::str(job, "metadata.uid")), name = api::text(api::str(job, "metadata.name"));
  auto& labels = ensure_object(job, "spec.template.metadata.labels").as_object();
  const auto put = [&](std::string_view key, const Json& value) {
    if (!labels.contains(key)) labels[key] = value;
  };
  put("controller-uid", uid);
  put(kControllerUid, uid);
  put("job-name", name);
  put(kJobName, name);
  auto& match = ensure_object(job, "spec.selector.matchLabels").as_object();
  if (!match.contains(kControllerUid)) match[kControllerUid] = uid;
}

bool started(const Json& job) {
  return api::find(job, "status.startTime") != nullptr;
}

// What of the template may be changed while the job is suspended and none of its pods was made: where they
// go.
Json without_directives(Json pod_template) {
  for (const auto field : {"spec.nodeSelector", "spec.affinity.nodeAffinity", "spec.tolerations",
                           "spec.schedulingGates", "metadata.annotations", "metadata.labels"}) {
    api::erase(pod_template, field);
  }
  if (api::object(pod_template, "spec.affinity").empty()) api::erase(pod_template, "spec.affinity");
  return pod_template;
}

bool has_condition(const Json& job, std::string_view type) {
  for (const auto& condition : api::list(job, "status.conditions")) {
    if (api::str(condition, "type") == type) return api::str(condition, "status") == "True";
  }
  return false;
}

// A finished job has nothing left to count or to run, and says first what it is about to become.
void validate_finished(const Json& job, const Json& status, const Path& path, Report& report) {
  const bool complete = has_condition(job, "Complete"), failed = has_condition(job, "Failed");
  const Json* done_at = api::find(status, "completionTime");
  const Path conditions = path.child("conditions"), done_path = path.child("completionTime");
  if (!complete && done_at)
    report.invalid(done_path, *done_at, "completionTime cannot be set for non-complete jobs");
  if (!complete && !failed) return;
  const Json list(api::list(status, "conditions"));
  if (complete && failed)
    report.invalid(conditions, list, "cannot set Complete=True and Failed=true conditions");
  if (failed && !has_condition(job, "FailureTarget"))
    report.invalid(conditions, list,
                   "cannot set Failed=True condition without the FailureTarget=true condition");
  if (complete && !has_condition(job, "SuccessCriteriaMet"))
    report.invalid(conditions, list,
                   "cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
  if (complete && !done_at) report.required(done_path, "completionTime is required for Complete jobs");
  if (!api::find(status, "startTime"))
    report.required(path.child("startTime"), "startTime is required for finished job");
  for (const std::string_view field : {"active", "terminating"}) {
    if (const auto count = api::num(status, field); count > 0)
      report.invalid(path.child(field), count, std::string(field) + ">0 is invalid for finished job");
  }
  const Json* uncounted = api::find(status, "uncountedTerminatedPods");
  if (uncounted &&
      (!api::list(*uncounted, "succeeded").empty() || !api::list(*uncounted, "failed").empty())) {
    report.invalid(path.child("uncountedTerminatedPods"), *uncounted,
                   "uncountedTerminatedPods needs to be empty for finished job");
  }
}

void validate_template_update(const Json& job, const Json& old, Report& report) {
  const Json* now = api::find(job, "spec.template");
  const Json* before = api::find(old, "spec.template");
  if (now == nullptr || before == nullptr || *now == *before) return;
  const bool steerable = api::flag(old, "spec.suspend") && !started(old);
  if (steerable && without_directives(*now) == without_directives(*before)) return;
  report.invalid(Path("spec.template"), *now, "field is immutable");
}

void validate_completions_update(const Json& job, const Json& old, Report& report) {
  if (same(job, old, "spec.completions")) return;
  // An indexed job grows and shrinks with its parallelism.
  const bool elastic = api::str(job, "spec.completionMode") == "Indexed" &&
                       api::find(job, "spec.completions") &&
                       same(Json(api::JsonObject{{"x", api::num(job, "spec.completions")}}),
                            Json(api::JsonObject{{"x", api::num(job, "spec.parallelism")}}), "x");
  if (!elastic) {
    const Json* value = api::find(job, "spec.completions");
    report.invalid(Path("spec.completions"), value ? *value : Json(), "field is immutable");
  }
}

class JobStrategy : public Strategy {
 public:
  void set_defaults(Json& job) const override {
    Json& spec = ensure_object(job, "spec");
    default_counts(spec);
    default_text(spec, "completionMode", "NonIndexed");
    default_to(spec, "suspend", false);
    default_to(spec, "manualSelector", false);
    default_text(spec, "podReplacementPolicy",
                 api::find(spec, "podFailurePolicy") ? "Failed" : "TerminatingOrFailed");
    if (auto* rules = edit_list(spec, "podFailurePolicy.rules")) {
      for (auto& rule : *rules) {
        auto* conditions = edit_list(rule, "onPodConditions");
        if (conditions == nullptr) continue;
        for (auto& condition : *conditions) default_text(condition, "status", "True");
      }
    }
    Json& pod_template = ensure_object(spec, "template");
    const Json labels(api::object(pod_template, "metadata.labels"));
    if (api::object(job, "metadata.labels").empty() && !labels.get_object().empty()) {
      api::set(job, "metadata.labels", labels);
    }
    default_pod_template(pod_template);
  }

  // Needs metadata.uid and the final metadata.name.
  void prepare_for_create(const WriteContext& context, Json& job) const override {
    Strategy::prepare_for_create(context, job);
    set_defaults(job);  // the job's own labels are those of the template before the selector's join them
    generate_selector(job);
  }

  void validate(const WriteContext& context, const Json& job, Causes& causes) const override {
    Report report(causes);
    const Json& spec = spec_of(job);
    const Path path("spec");
    validate_job_spec(spec, path, report);
    const Json* selector = api::find(spec, "selector");
    if (selector == nullptr) return report.required(path.child("selector"));
    const auto parsed = api::LabelSelector::from_json(selector);
    const auto& labels = api::object(spec, "template.metadata.labels");
    if (parsed.ok() && !parsed->matches(labels)) {
      report.invalid(path.child("template.metadata.labels"), Json(labels), kNoMatch);
    }
    if (api::str(spec, "completionMode") != "Indexed") return;
    // The name of the last pod must fit in a host name.
    const auto name = std::string(api::str(job, "metadata.name")) + "-" +
                      std::to_string(std::max<std::int64_t>(api::num(spec, "completions") - 1, 0));
    if (name.size() > 63) {
      report.invalid(Path("metadata.name"), api::str(job, "metadata.name"),
                     "will not able to create pod with invalid DNS label: " + name);
    }
  }

  void validate_update(const WriteContext& context, const Json& job, const Json& old,
                       Causes& causes) const override {
    Report report(causes);
    validate_completions_update(job, old, report);
    check_selector_immutable(job, old, report);
    validate_template_update(job, old, report);
    for (const std::string_view field :
         {"spec.completionMode", "spec.podFailurePolicy", "spec.backoffLimitPerIndex", "spec.managedBy",
          "spec.successPolicy"}) {
      check_immutable(job, old, field, report);
    }
  }

  void validate_status_update(const Json& job, const Json& old, Causes& causes) const override {
    Report report(causes);
    const Json* status = api::find(job, "status");
    if (status == nullptr) return;
    const Path path("status");
    for (const std::string_view field : {"active", "succeeded", "failed", "ready", "terminating"}) {
      check_non_negative(*status, field, path, report);
    }
    // Only a change is judged: what was stored before these rules stays writable.
    if (!same(job, old, "status")) validate_finished(job, *status, path, report);
  }
};

}  // namespace

std::unique_ptr<Strategy> make_job_strategy() {
  return std::make_unique<JobStrategy>();
}

}  // namespace mk::apiserver
