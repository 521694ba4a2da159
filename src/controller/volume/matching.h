#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/api/object.h"

// Which PersistentVolume a claim gets. All pure.
namespace mk::controller::volume {

inline constexpr std::string_view kBindCompleted = "pv.kubernetes.io/bind-completed";
inline constexpr std::string_view kBoundByController = "pv.kubernetes.io/bound-by-controller";
inline constexpr std::string_view kProvisionedBy = "pv.kubernetes.io/provisioned-by";
inline constexpr std::string_view kSelectedNode = "volume.kubernetes.io/selected-node";

// The storage class of a claim or a volume; the old annotation goes before the field.
std::string class_of(const api::Object& object);

bool is_default_class(const api::Object& storage_class);
// The youngest default class, by name where there are several; empty: none.
api::Object default_class(const std::vector<api::Object>& classes);

// Does the volume's claimRef name this claim (and not a former one of its name)?
bool refers_to(const api::Object& volume, const api::Object& claim);

// Big enough, of the same mode and class, with all access modes asked for: what also a volume that a user
// named for the claim must be. "" or why not.
std::string mismatch(const api::Object& claim, const api::Object& volume);

// The volume to bind: one that is reserved for the claim, else the smallest free one that fits. Empty: none.
// With `reserved_only` (the binding waits for a pod) free ones are left alone.
api::Object choose(const api::Object& claim, const std::vector<api::Object>& volumes, bool reserved_only);

}  // namespace mk::controller::volume
