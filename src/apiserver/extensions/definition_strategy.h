#pragma once

#include <memory>

#include "registry/strategy.h"

namespace mk::apiserver {

// On a definition whose objects must be gone before it may go.
inline constexpr std::string_view kCleanupFinalizer = "customresourcecleanup.apiextensions.k8s.io";

// CustomResourceDefinitions themselves.
std::unique_ptr<Strategy> make_definition_strategy();

// Sets a condition of a definition's status; the time moves only with the status. True if anything changed.
bool set_definition_condition(api::Json& definition, std::string_view type, std::string_view status,
                              std::string_view reason, std::string_view message, std::string_view now);

// What is wrong with spec, in Kubernetes' words.
void validate_definition(const api::Json& definition, std::vector<Cause>& causes);

}  // namespace mk::apiserver
