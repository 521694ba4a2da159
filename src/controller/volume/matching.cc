#include "volume/matching.h"

#include <algorithm>

#include "mk/api/quantity.h"
#include "mk/api/selector.h"

namespace mk::controller::volume {

using api::Quantity;

namespace {

Quantity quantity_at(const api::Object& object, std::string_view path) {
  return Quantity::parse(api::str(object.json(), path)).value_or(Quantity());
}

bool selected(const api::Object& claim, const api::Object& volume) {
  const auto* selector = api::find(claim.json(), "spec.selector");
  if (selector == nullptr) return true;
  const auto parsed = api::LabelSelector::from_json(selector);
  return parsed.ok() && parsed->matches(api::object(volume.json(), "metadata.labels"));
}

}  // namespace

std::string class_of(const api::Object& object) {
  const auto old = object.annotation("volume.beta.kubernetes.io/storage-class");
  return std::string(old.empty() ? api::str(object.json(), "spec.storageClassName") : old);
}

bool is_default_class(const api::Object& storage_class) {
  return storage_class.annotation("storageclass.kubernetes.io/is-default-class") == "true" ||
         storage_class.annotation("storageclass.beta.kubernetes.io/is-default-class") == "true";
}

api::Object default_class(const std::vector<api::Object>& classes) {
  api::Object found;
  for (const auto& one : classes) {
    if (!is_default_class(one)) continue;
    const auto older = [](const api::Object& a, const api::Object& b) {
      const auto x = api::str(a.json(), "metadata.creationTimestamp"),
                 y = api::str(b.json(), "metadata.creationTimestamp");
      return x != y ? x < y : a.name() > b.name();
    };
    if (!found || older(found, one)) found = one;
  }
  return found;
}

bool refers_to(const api::Object& volume, const api::Object& claim) {
  const auto* ref = api::find(volume.json(), "spec.claimRef");
  if (ref == nullptr || api::str(*ref, "name") != claim.name() || api::str(*ref, "namespace") != claim.ns())
    return false;
  const auto uid = api::str(*ref, "uid");
  return uid.empty() || uid == claim.uid();
}

std::string mismatch(const api::Object& claim, const api::Object& volume) {
  if (quantity_at(volume, "spec.capacity.storage") < quantity_at(claim, "spec.resources.requests.storage"))
    return "requested PV is too small";
  if (class_of(claim) != class_of(volume)) return "storageClassName does not match";
  if (api::str(claim.json(), "spec.volumeMode", "Filesystem") !=
      api::str(volume.json(), "spec.volumeMode", "Filesystem"))
    return "incompatible volumeMode";
  const auto& offered = api::list(volume.json(), "spec.accessModes");
  for (const auto& mode : api::list(claim.json(), "spec.accessModes")) {
    if (std::find(offered.begin(), offered.end(), mode) == offered.end()) return "incompatible accessMode";
  }
  if (api::str(claim.json(), "spec.volumeAttributesClassName") !=
      api::str(volume.json(), "spec.volumeAttributesClassName"))
    return "volumeAttributesClassName does not match";
  return "";
}

api::Object choose(const api::Object& claim, const std::vector<api::Object>& volumes, bool reserved_only) {
  api::Object best;
  Quantity best_size;
  for (const auto& volume : volumes) {
    const bool reserved = api::find(volume.json(), "spec.claimRef") != nullptr;
    if (volume.deleting() || (reserved && !refers_to(volume, claim)) || !mismatch(claim, volume).empty())
      continue;
    if (reserved) return volume;
    if (reserved_only || api::str(volume.json(), "status.phase") != "Available" || !selected(claim, volume))
      continue;
    const auto size = quantity_at(volume, "spec.capacity.storage");
    if (best && !(size < best_size)) continue;
    best = volume;
    best_size = size;
  }
  return best;
}

}  // namespace mk::controller::volume
