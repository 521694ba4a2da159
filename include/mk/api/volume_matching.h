#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/api/object.h"

// Which PersistentVolume a claim gets: the binder and the scheduler must agree about it. All pure.
namespace mk::api::volume {

inline constexpr std::string_view kBindCompleted = "pv.kubernetes.io/bind-completed";
inline constexpr std::string_view kBoundByController = "pv.kubernetes.io/bound-by-controller";
inline constexpr std::string_view kProvisionedBy = "pv.kubernetes.io/provisioned-by";
inline constexpr std::string_view kSelectedNode = "volume.kubernetes.io/selected-node";
// Of claims and volumes.
inline const Gvr kClaims{"", "v1", "persistentvolumeclaims"}, kVolumes{"", "v1", "persistentvolumes"},
    kClasses{"storage.k8s.io", "v1", "storageclasses"};

// mk's own provisioner, k3s' by name: directories on the node that was selected.
inline constexpr std::string_view kLocalPath = "rancher.io/local-path";
// Label of such a volume: the node that has the directory. Finalizer: the directory may still be there. It
// is taken off by the kubelet of that node, which is thereby the one that removes data.
inline constexpr std::string_view kLocalPathNode = "mk.io/local-path-node",
                                  kLocalPathFinalizer = "mk.io/local-path";
// Annotation of a Node: where its kubelet keeps such directories.
inline constexpr std::string_view kLocalPathFolder = "mk.io/local-path-folder";

// The storage class of a claim or a volume; the old annotation goes before the field.
std::string class_of(const Object& object);

bool is_default_class(const Object& storage_class);
// The youngest default class, by name where there are several; empty: none.
Object default_class(const std::vector<Object>& classes);

// Does the volume's claimRef name this claim (and not a former one of its name)?
bool refers_to(const Object& volume, const Object& claim);

// Big enough, of the same mode and class, with all access modes asked for: what also a volume that a user
// named for the claim must be. "" or why not.
std::string mismatch(const Object& claim, const Object& volume);

// What the claim may be bound to, the best first: the one that is reserved for it alone, else free ones that
// fit, smaller ones first.
std::vector<Object> candidates(const Object& claim, const std::vector<Object>& volumes);
// The volume to bind. Empty: none. With `reserved_only` (the binding waits for a pod) free ones are left
// alone.
Object choose(const Object& claim, const std::vector<Object>& volumes, bool reserved_only);

// Does the claim have its volume for good?
bool fully_bound(const Object& claim);
// The claimRef that reserves a volume for the claim.
Json claim_reference(const Object& claim);
// The name of the claim that a pod's volume uses, also of one made for an ephemeral volume; "" if none.
std::string claim_of_volume(std::string_view pod, const Json& volume);

}  // namespace mk::api::volume
