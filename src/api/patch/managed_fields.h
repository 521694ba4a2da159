#pragma once

#include "mk/api/patch.h"
#include "patch/field_set.h"

namespace mk::api {

// metadata.managedFields as a list of owners, edited in place.
class ManagedFields {
 public:
  explicit ManagedFields(JsonArray entries);

  // The entry of a manager, or nullptr. Updates are told apart by version and subresource too, applies by
  // subresource only.
  Json* find(bool apply, const ApplyOptions& options);
  // The fields of an entry (made when missing).
  static JsonObject& fields(Json& entry);

  Json& add(bool apply, const ApplyOptions& options);
  void drop_empty();
  // Many one-off updaters must not grow an object without bound: the oldest are merged into one entry.
  void cap_updaters(const ApplyOptions& options);

  JsonArray& entries() { return entries_; }
  bool empty() const { return entries_.empty(); }
  // Sorted as Kubernetes sorts them, into metadata; an empty list is no field.
  void store(Json& object) &&;

 private:
  JsonArray entries_;
};

}  // namespace mk::api
