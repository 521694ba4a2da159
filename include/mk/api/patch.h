#pragma once

#include "mk/api/schema.h"

namespace mk::api {

// RFC 6902. kInvalid/kBadRequest as Kubernetes answers; at most 10,000 operations.
Result<Json> apply_json_patch(const Json& document, const Json& patch);
// RFC 7386.
Result<Json> apply_merge_patch(const Json& document, const Json& patch);
// Kubernetes' strategic merge patch with $patch, $deleteFromPrimitiveList, $setElementOrder, $retainKeys.
Result<Json> apply_strategic_merge_patch(const Type& type, const Json& document, const Json& patch);

// Server-side apply (KEP-555) and the bookkeeping that every other write needs too.
struct ApplyOptions {
  std::string manager;
  std::string api_version;  // of the written form, for managedFields
  std::string subresource;  // "" or "status", "scale"
  bool force = false;
  std::string now;  // metav1.Time for managedFields
  // Dotted paths that this kind of write does not touch and therefore never owns: "status" when the main
  // resource is written, "spec" when its status is.
  std::vector<std::string> reset_fields;
};

// Merges the applied configuration into `live` (null: create). Error kConflict carries one Cause of type
// FieldManagerConflict for each owned field, unless forced. Fields the manager applied before and left out
// now are removed. The result has updated metadata.managedFields.
Result<Json> server_side_apply(const Type& type, const Json* live, const Json& applied,
                               const ApplyOptions& options);

// After a create, update or patch by `options.manager`: gives it ownership of what it changed
// (operation: Update). `live` is null for a create. Edits updated.metadata.managedFields.
void track_update(const Type& type, const Json* live, Json& updated, const ApplyOptions& options);

}  // namespace mk::api
