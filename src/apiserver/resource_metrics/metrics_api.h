#pragma once

#include "cacher/cacher.h"
#include "extensions/definitions.h"
#include "http/virtual_resources.h"
#include "resource_metrics/scraper.h"

namespace mk::apiserver {

// metrics.k8s.io/v1beta1: NodeMetrics and PodMetrics, made when asked for. Serves the group (discovery,
// OpenAPI, Tables) and answers its reads; references must outlive `virtuals`.
void add_metrics_api(Definitions& definitions, VirtualResources& virtuals, Cacher& cacher,
                     MetricsScraper& scraper);

}  // namespace mk::apiserver
