#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/api/object.h"
#include "mk/api/resource.h"

namespace mk::api {

// metav1.Table columns as `kubectl get` shows them for each built-in kind; Name and Age for the others.
struct Column {
  std::string name, type, format, description;
  int priority = 0;  // > 0: only with -o wide
};

const std::vector<Column>& table_columns(const Gvk& kind);
// One row's cells, in the columns' order. `now` (seconds since the epoch) for ages.
JsonArray table_cells(const Gvk& kind, const Json& object, std::int64_t now_seconds);

// "5m", "2d3h", "<unknown>": Kubernetes' HumanDuration of a time span in seconds.
std::string human_duration(std::int64_t seconds);

}  // namespace mk::api
