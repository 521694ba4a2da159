#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mk/api/object.h"

// What makes a pod of a StatefulSet that one and no other: its name, its place in the network, its claims.
// Pure.
namespace mk::controller::statefulset {

inline constexpr char kPodName[] = "statefulset.kubernetes.io/pod-name";
inline constexpr char kPodIndex[] = "apps.kubernetes.io/pod-index";
inline constexpr char kRevision[] = "controller-revision-hash";
inline const api::Gvk kSetKind{"apps", "v1", "StatefulSet"};

// "web-3" is number 3 of the set "web"; nullopt for pods that are not the set's.
std::optional<std::int64_t> ordinal_of(const api::Object& set, const api::Object& pod);
std::string pod_name(const api::Object& set, std::int64_t ordinal);

api::Json make_pod(const api::Object& set, const api::Json& pod_template, std::int64_t ordinal,
                   std::string_view revision);
// The pod with what it must have (an adopted one may not); nullopt when it has it all.
std::optional<api::Json> with_identity(const api::Object& set, const api::Object& pod, std::int64_t ordinal);

// The claims of an ordinal, as they are created.
std::vector<api::Json> make_claims(const api::Object& set, std::int64_t ordinal);
// spec.persistentVolumeClaimRetentionPolicy: the claim with the owner that decides when it goes (the set, or
// the pod that scaling down removes), or nullopt when it is right already. `condemned`: the pod is to go.
std::optional<api::Json> with_retention(const api::Object& set, const api::Object& pod, bool condemned,
                                        const api::Object& claim);

}  // namespace mk::controller::statefulset
