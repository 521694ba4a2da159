#pragma once

#include "cli/command.h"

// One function per command; all.cc has the table of them.
namespace mk::kubectl {

Result<int> run_get(Invocation& call);
Result<int> run_describe(Invocation& call);
Result<int> run_apply(Invocation& call);
Result<int> run_create(Invocation& call);  // -f, and the kinds below
Result<int> run_create_namespace(Invocation& call);
Result<int> run_create_configmap(Invocation& call);
Result<int> run_create_secret(Invocation& call);
Result<int> run_create_deployment(Invocation& call);
Result<int> run_create_service_account(Invocation& call);
Result<int> run_create_job(Invocation& call);
Result<int> run_create_cron_job(Invocation& call);
Result<int> run_create_token(Invocation& call);
Result<int> run_replace(Invocation& call);
Result<int> run_delete(Invocation& call);
Result<int> run_logs(Invocation& call);
Result<int> run_exec(Invocation& call);
Result<int> run_attach(Invocation& call);
Result<int> run_scale(Invocation& call);
Result<int> run_rollout_status(Invocation& call);
Result<int> run_rollout_history(Invocation& call);
Result<int> run_rollout_restart(Invocation& call);
Result<int> run_rollout_undo(Invocation& call);
Result<int> run_rollout_pause(Invocation& call);
Result<int> run_rollout_resume(Invocation& call);
Result<int> run_label(Invocation& call);
Result<int> run_annotate(Invocation& call);
Result<int> run_patch(Invocation& call);
Result<int> run_wait(Invocation& call);
Result<int> run_api_resources(Invocation& call);
Result<int> run_api_versions(Invocation& call);
Result<int> run_version(Invocation& call);
Result<int> run_cluster_info(Invocation& call);
Result<int> run_config_view(Invocation& call);
Result<int> run_config_current_context(Invocation& call);
Result<int> run_auth_can_i(Invocation& call);
Result<int> run_auth_whoami(Invocation& call);
Result<int> run_cordon(Invocation& call);
Result<int> run_uncordon(Invocation& call);
Result<int> run_drain(Invocation& call);
Result<int> run_top_node(Invocation& call);
Result<int> run_top_pod(Invocation& call);
Result<int> run_taint(Invocation& call);
Result<int> run_run(Invocation& call);
Result<int> run_expose(Invocation& call);
Result<int> run_set_image(Invocation& call);

}  // namespace mk::kubectl
