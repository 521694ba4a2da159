#pragma once

#include "registry/strategies/fields.h"

namespace mk::apiserver {

// A metav1.LabelSelector; absent is fine.
void validate_label_selector(const api::Json* selector, const Path& path, Report& report);
bool empty_selector(const api::Json* selector);

// The rule of workloads: there is a selector, it is not empty, and it matches the labels of the template.
// `empty` is what to say about an empty selector.
void validate_workload_selector(const api::Json& spec, const Path& path, std::string_view empty,
                                Report& report);

}  // namespace mk::apiserver
