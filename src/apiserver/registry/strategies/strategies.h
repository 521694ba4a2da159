#pragma once

#include <memory>

#include "registry/strategy.h"

// The makers of strategies; each is in the file of its kind.
namespace mk::apiserver {

std::unique_ptr<Strategy> make_pod_strategy();
std::unique_ptr<Strategy> make_pod_template_strategy();
std::unique_ptr<Strategy> make_replication_controller_strategy();
std::unique_ptr<Strategy> make_replica_set_strategy();
std::unique_ptr<Strategy> make_deployment_strategy();
std::unique_ptr<Strategy> make_stateful_set_strategy();
std::unique_ptr<Strategy> make_daemon_set_strategy();
std::unique_ptr<Strategy> make_controller_revision_strategy();
std::unique_ptr<Strategy> make_job_strategy();
std::unique_ptr<Strategy> make_cron_job_strategy();

}  // namespace mk::apiserver
