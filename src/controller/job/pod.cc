#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "job/plan.h"
#include "kit/objects.h"

// The pods of a Job.
namespace mk::controller::job {
namespace {

constexpr std::size_t kGeneratedMost = 58;  // of a name's 63 characters five are the server's
constexpr char kIndexVariable[] = "JOB_COMPLETION_INDEX";
const api::Gvk kKind{"batch", "v1", "Job"};

void add_index_variable(api::Json& pod, const char* field) {
  api::JsonArray containers = api::list(pod, field);
  if (containers.empty()) return;
  for (auto& container : containers) {
    api::JsonArray env = api::list(container, "env");
    bool present = false;
    for (const auto& variable : env) present = present || api::str(variable, "name") == kIndexVariable;
    if (present) continue;
    api::Json variable;
    api::set(variable, "name", kIndexVariable);
    api::set(variable, "valueFrom.fieldRef.fieldPath",
             api::text(fmt::format("metadata.labels['{}']", kIndex)));
    env.push_back(std::move(variable));
    api::set(container, "env", std::move(env));
  }
  api::set(pod, field, std::move(containers));
}

void add_index(api::Json& pod, const api::Object& job, const Stock& stock, std::int64_t index) {
  const auto number = fmt::to_string(index);
  api::JsonObject labels = api::object(pod, "metadata.labels");
  api::JsonObject annotations = api::object(pod, "metadata.annotations");
  labels[kIndex] = number;
  annotations[kIndex] = number;
  if (stock.shape.per_index) {
    const auto last = stock.last_failure.find(index);
    const bool first = last == stock.last_failure.end();
    annotations[kIndexFailures] = fmt::to_string(first ? 0 : last->second.counted);
    if (!first && last->second.ignored > 0) annotations[kIndexIgnored] = fmt::to_string(last->second.ignored);
  }
  api::set(pod, "metadata.labels", std::move(labels));
  api::set(pod, "metadata.annotations", std::move(annotations));
  const auto prefix = fmt::format("{}-{}-", job.name(), index);
  auto generate = prefix;
  if (generate.size() > kGeneratedMost) {
    const auto ending = fmt::format("-{}-", index);
    generate = std::string(job.name()).substr(0, kGeneratedMost - ending.size()) + ending;
  }
  api::set(pod, "metadata.generateName", api::text(generate));
  api::set(pod, "spec.hostname", api::text(fmt::format("{}-{}", job.name(), index)));
  add_index_variable(pod, "spec.containers");
  add_index_variable(pod, "spec.initContainers");
}

}  // namespace

api::Json make_pod(const api::Object& job, const Stock& stock, std::int64_t index) {
  const auto* pod_template = api::find(job.json(), "spec.template");
  auto pod = pod_from_template(pod_template ? *pod_template : api::Json(api::JsonObject()), job, kKind);
  api::JsonArray finalizers = api::list(pod, "metadata.finalizers");
  finalizers.push_back(kTracking);
  api::set(pod, "metadata.finalizers", std::move(finalizers));
  if (stock.shape.indexed) add_index(pod, job, stock, index);
  return pod;
}

}  // namespace mk::controller::job
