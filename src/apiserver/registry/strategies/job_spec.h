#pragma once

#include "registry/strategies/fields.h"

namespace mk::apiserver {

// What holds for a Job's spec as it stands, in Jobs and in the template of a CronJob.
void validate_job_spec(const api::Json& spec, const Path& path, Report& report);

}  // namespace mk::apiserver
