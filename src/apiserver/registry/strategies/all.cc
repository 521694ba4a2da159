#include "registry/strategies/simple.h"
#include "registry/strategies/strategies.h"

namespace mk::apiserver {

StrategySet::StrategySet(Environment environment) {
  add("pods", make_pod_strategy());
  add("services", make_service_strategy(environment));
  add("podtemplates", make_pod_template_strategy());
  add("replicationcontrollers", make_replication_controller_strategy());
  add("deployments.apps", make_deployment_strategy());
  add("replicasets.apps", make_replica_set_strategy());
  add("statefulsets.apps", make_stateful_set_strategy());
  add("daemonsets.apps", make_daemon_set_strategy());
  add("controllerrevisions.apps", make_controller_revision_strategy());
  add("jobs.batch", make_job_strategy());
  add("cronjobs.batch", make_cron_job_strategy());
  add_config(*this);
  add_cluster(*this);
  add_endpoints(*this);
  add_quota(*this);
  add_storage(*this);
  add_policy(*this);
  add_rbac(*this);
  add_networking(*this);
  add_certificates(*this);
  add_registrations(*this);
  add_admission_policies(*this);
  add_devices(*this);
}

}  // namespace mk::apiserver
