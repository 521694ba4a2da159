#include "namespace/namespace_status.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller::nslifecycle {
namespace {

constexpr char kFinalizer[] = "kubernetes";

Condition content_remaining(const Remains& remains) {
  if (remains.instances.empty()) {
    return Condition("NamespaceContentRemaining", "False", "ContentRemoved",
                     "All content successfully removed");
  }
  std::vector<std::string> parts;
  for (const auto& [resource, count] : remains.instances) {
    parts.push_back(fmt::format("{} has {} resource instances", resource, count));
  }
  return Condition("NamespaceContentRemaining", "True", "SomeResourcesRemain",
                   "Some resources are remaining: " + join(parts, ", "));
}

Condition finalizers_remaining(const Remains& remains) {
  if (remains.finalizers.empty()) {
    return Condition("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers",
                     "All content-preserving finalizers finished");
  }
  std::vector<std::string> parts;
  for (const auto& [finalizer, count] : remains.finalizers) {
    parts.push_back(fmt::format("{} in {} resource instances", finalizer, count));
  }
  return Condition("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain",
                   "Some content in the namespace has finalizers remaining: " + join(parts, ", "));
}

Condition content_failure(const Remains& remains) {
  auto failures = remains.failures;
  if (remains.pods_blocked)
    failures.push_back("unexpected items still remain in namespace for gvr: /v1, Resource=pods");
  if (failures.empty()) {
    return Condition("NamespaceDeletionContentFailure", "False", "ContentDeleted",
                     "All content successfully deleted, may be waiting on finalization");
  }
  return Condition("NamespaceDeletionContentFailure", "True", "ContentDeletionFailed",
                   fmt::format("Failed to delete all resource types, {} remaining: {}", failures.size(),
                               join(failures, ", ")));
}

}  // namespace

bool write_conditions(api::Json& ns, const Remains& remains, rt::WallTime now) {
  const Condition discovery("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered",
                            "All resources successfully discovered");
  const Condition parsing("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
                          "All legacy kube types successfully parsed");
  bool changed = false;
  for (const auto& condition : {discovery, parsing, content_failure(remains), content_remaining(remains),
                                finalizers_remaining(remains)}) {
    changed = set_condition(ns, condition, now) || changed;
  }
  return changed;
}

bool has_finalizer(const api::Json& ns) {
  for (const auto& finalizer : api::list(ns, "spec.finalizers")) {
    if (finalizer.is_string() && finalizer.get_string() == kFinalizer) return true;
  }
  return false;
}

api::Json without_finalizer(const api::Json& ns) {
  api::Json copy = ns;
  api::JsonArray kept;
  for (const auto& finalizer : api::list(ns, "spec.finalizers")) {
    if (!finalizer.is_string() || finalizer.get_string() != kFinalizer) kept.push_back(finalizer);
  }
  api::set(copy, "spec.finalizers", std::move(kept));
  return copy;
}

}  // namespace mk::controller::nslifecycle
