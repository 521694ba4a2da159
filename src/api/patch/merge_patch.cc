#include "mk/api/patch.h"

namespace mk::api {
namespace {

// RFC 7386, section 2.
void merge(Json& target, const Json& patch) {
  const auto* changes = patch.if_object();
  if (!changes) {
    target = patch;
    return;
  }
  if (!target.is_object()) target.emplace_object();
  auto& fields = target.get_object();
  for (const auto& change : *changes) {
    if (change.value().is_null()) {
      fields.erase(change.key());
    } else {
      merge(fields[change.key()], change.value());
    }
  }
}

}  // namespace

Result<Json> apply_merge_patch(const Json& document, const Json& patch) {
  if (!patch.is_object())
    return Error(Reason::kBadRequest, "a merge patch of an object must be a JSON object");
  Json result = document;
  merge(result, patch);
  return result;
}

}  // namespace mk::api
