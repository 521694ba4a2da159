#include "registry/strategies/strategies.h"

namespace mk::apiserver {

StrategySet::StrategySet(Environment environment) {
  add("pods", make_pod_strategy());
  add("podtemplates", make_pod_template_strategy());
  add("replicationcontrollers", make_replication_controller_strategy());
  add("deployments.apps", make_deployment_strategy());
  add("replicasets.apps", make_replica_set_strategy());
  add("statefulsets.apps", make_stateful_set_strategy());
  add("daemonsets.apps", make_daemon_set_strategy());
  add("controllerrevisions.apps", make_controller_revision_strategy());
  add("jobs.batch", make_job_strategy());
  add("cronjobs.batch", make_cron_job_strategy());
}

}  // namespace mk::apiserver
