#include <fmt/format.h>

#include "commands/commands.h"
#include "commands/write.h"
#include "mk/base/strings.h"

// `create job` and `create cronjob`.
namespace mk::kubectl {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

Json pod_spec(const std::string& name, const std::string& image, const std::vector<std::string>& command,
              const std::string& restart) {
  JsonObject container{{"name", api::text(name)}, {"image", api::text(image)}};
  JsonArray words;
  for (const auto& word : command) words.push_back(api::text(word));
  if (!words.empty()) container["command"] = std::move(words);
  return Json(
      JsonObject{{"containers", JsonArray{std::move(container)}}, {"restartPolicy", api::text(restart)}});
}

// The job that the cron job would start, begun by hand. It belongs to the cron job, but does not hold up its
// deletion.
Result<Json> job_from(Session& session, const std::string& from, const std::string& name) {
  const auto slash = from.find('/');
  const std::string kind = from.substr(0, slash);
  if (slash == std::string::npos ||
      (kind != "cronjob" && kind != "cronjobs" && kind != "cj" && kind != "cronjob.batch"))
    return usage_error(fmt::format("from must be an existing cronjob: \"{}\"", from));
  const std::string path = "/apis/batch/v1/namespaces/" + url_encode(session.ns()) + "/cronjobs/" +
                           url_encode(from.substr(slash + 1));
  MK_ASSIGN(const Json cron, session.get(path));
  Json job = named("batch/v1", "Job", name);
  JsonObject annotations = api::object(cron, "spec.jobTemplate.metadata.annotations");
  annotations["cronjob.kubernetes.io/instantiate"] = "manual";
  api::set(job, "metadata.annotations", std::move(annotations));
  if (const Json* labels = api::find(cron, "spec.jobTemplate.metadata.labels"))
    api::set(job, "metadata.labels", *labels);
  api::set(job, "metadata.ownerReferences",
           JsonArray{JsonObject{{"apiVersion", "batch/v1"},
                                {"kind", "CronJob"},
                                {"name", api::text(api::str(cron, "metadata.name"))},
                                {"uid", api::text(api::str(cron, "metadata.uid"))},
                                {"controller", true}}});
  if (const Json* spec = api::find(cron, "spec.jobTemplate.spec")) api::set(job, "spec", *spec);
  return job;
}

}  // namespace

Result<int> run_create_job(Invocation& call) {
  WriteFlags flags;
  std::string image, from;
  flags.bind(call.flags, "kubectl-create");
  call.flags.text("image", 0, image).text("from", 0, from);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  const auto command = take_command(call);
  MK_ASSIGN(const std::string name, exact_name(call));
  if (image.empty() == from.empty()) return usage_error("either --image or --from must be specified");
  if (!from.empty()) {
    if (!command.empty()) return usage_error("cannot specify --from and command");
    MK_ASSIGN(Session * session, call.connect());
    MK_ASSIGN(Json job, job_from(*session, from, name));
    return create_and_report(call, flags, std::move(job));
  }
  Json job = named("batch/v1", "Job", name);
  api::set(job, "spec.template.spec", pod_spec(name, image, command, "Never"));
  return create_and_report(call, flags, std::move(job));
}

Result<int> run_create_cron_job(Invocation& call) {
  WriteFlags flags;
  std::string image, schedule, restart = "OnFailure";
  flags.bind(call.flags, "kubectl-create");
  call.flags.text("image", 0, image).text("schedule", 0, schedule).text("restart", 0, restart);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  const auto command = take_command(call);
  MK_ASSIGN(const std::string name, exact_name(call));
  if (image.empty()) return usage_error("required flag(s) \"image\" not set");
  if (schedule.empty()) return usage_error("required flag(s) \"schedule\" not set");
  Json cron = named("batch/v1", "CronJob", name);
  api::set(cron, "spec.schedule", api::text(schedule));
  api::set(cron, "spec.jobTemplate.metadata.name", api::text(name));
  api::set(cron, "spec.jobTemplate.spec.template.spec", pod_spec(name, image, command, restart));
  return create_and_report(call, flags, std::move(cron));
}

}  // namespace mk::kubectl
