#include "protobuf/presence.h"

#include <algorithm>
#include <array>

namespace mk::api::protobuf {
namespace {

// By name alone: the names mean the same in every kind that has them.
constexpr std::array kFields = std::to_array<std::string_view>({
    // counts and times with a default, or without a limit when absent
    "activeDeadlineSeconds",
    "backoffLimit",
    "backoffLimitPerIndex",
    "completions",
    "currentAverageUtilization",
    "defaultMode",
    "deletionGracePeriodSeconds",
    "expirationSeconds",
    "failedJobsHistoryLimit",
    "fsGroup",
    "gracePeriodSeconds",
    "healthCheckNodePort",
    "lendablePercent",
    "borrowingLimitPercent",
    "leaseDurationSeconds",
    "leaseTransitions",
    "maxFailedIndexes",
    "minDomains",
    "minReplicas",
    "mode",
    "nominalConcurrencyShares",
    "parallelism",
    "partition",
    "priority",
    "progressDeadlineSeconds",
    "replicas",
    "revisionHistoryLimit",
    "runAsGroup",
    "runAsUser",
    "seconds",
    "sinceSeconds",
    "stabilizationWindowSeconds",
    "startingDeadlineSeconds",
    "successfulJobsHistoryLimit",
    "tailLines",
    "terminationGracePeriodSeconds",
    "terminatingReplicas",
    "timeoutSeconds",
    "tolerationSeconds",
    "ttlSecondsAfterFinished",
    "averageUtilization",
    "collisionCount",
    "limitBytes",
    // switches that are on, or undecided, when absent
    "allocateLoadBalancerNodePorts",
    "allowPrivilegeEscalation",
    "allowVolumeExpansion",
    "attachRequired",
    "automountServiceAccountToken",
    "blockOwnerDeletion",
    "controller",
    "enableServiceLinks",
    "hostUsers",
    "immutable",
    "manualSelector",
    "optional",
    "orphanDependents",
    "podInfoOnMount",
    "preserveUnknownFields",
    "privileged",
    "procMount",
    "readOnlyRootFilesystem",
    "ready",
    "requiresRepublish",
    "runAsNonRoot",
    "seLinuxMount",
    "sendInitialEvents",
    "serving",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "started",
    "storageCapacity",
    "suspend",
    "terminating",
    // bounds of a JSON schema
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "xKubernetesPreserveUnknownFields",
    "x-kubernetes-preserve-unknown-fields",
    // texts that say "none" when empty
    "storageClassName",
    "volumeAttributesClassName",
});

}  // namespace

bool has_presence(std::string_view json_field) {
  return std::find(kFields.begin(), kFields.end(), json_field) != kFields.end();
}

}  // namespace mk::api::protobuf
