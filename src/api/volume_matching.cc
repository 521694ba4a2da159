#include "mk/api/volume_matching.h"

#include <algorithm>

#include "mk/api/quantity.h"
#include "mk/api/selector.h"

namespace mk::api::volume {

namespace {

Quantity quantity_at(const Object& object, std::string_view path) {
  return Quantity::parse(str(object.json(), path)).value_or(Quantity());
}

bool selected(const Object& claim, const Object& volume) {
  const auto* selector = find(claim.json(), "spec.selector");
  if (selector == nullptr) return true;
  const auto parsed = LabelSelector::from_json(selector);
  return parsed.ok() && parsed->matches(object(volume.json(), "metadata.labels"));
}

}  // namespace

std::string class_of(const Object& object) {
  const auto old = object.annotation("volume.beta.kubernetes.io/storage-class");
  return std::string(old.empty() ? str(object.json(), "spec.storageClassName") : old);
}

bool is_default_class(const Object& storage_class) {
  return storage_class.annotation("storageclass.kubernetes.io/is-default-class") == "true" ||
         storage_class.annotation("storageclass.beta.kubernetes.io/is-default-class") == "true";
}

Object default_class(const std::vector<Object>& classes) {
  Object found;
  for (const auto& one : classes) {
    if (!is_default_class(one)) continue;
    const auto older = [](const Object& a, const Object& b) {
      const auto x = str(a.json(), "metadata.creationTimestamp"),
                 y = str(b.json(), "metadata.creationTimestamp");
      return x != y ? x < y : a.name() > b.name();
    };
    if (!found || older(found, one)) found = one;
  }
  return found;
}

bool refers_to(const Object& volume, const Object& claim) {
  const auto* ref = find(volume.json(), "spec.claimRef");
  if (ref == nullptr || str(*ref, "name") != claim.name() || str(*ref, "namespace") != claim.ns())
    return false;
  const auto uid = str(*ref, "uid");
  return uid.empty() || uid == claim.uid();
}

std::string mismatch(const Object& claim, const Object& volume) {
  if (quantity_at(volume, "spec.capacity.storage") < quantity_at(claim, "spec.resources.requests.storage"))
    return "requested PV is too small";
  if (class_of(claim) != class_of(volume)) return "storageClassName does not match";
  if (str(claim.json(), "spec.volumeMode", "Filesystem") !=
      str(volume.json(), "spec.volumeMode", "Filesystem"))
    return "incompatible volumeMode";
  const auto& offered = list(volume.json(), "spec.accessModes");
  for (const auto& mode : list(claim.json(), "spec.accessModes")) {
    if (std::find(offered.begin(), offered.end(), mode) == offered.end()) return "incompatible accessMode";
  }
  if (str(claim.json(), "spec.volumeAttributesClassName") !=
      str(volume.json(), "spec.volumeAttributesClassName"))
    return "volumeAttributesClassName does not match";
  return "";
}

std::vector<Object> candidates(const Object& claim, const std::vector<Object>& volumes) {
  std::vector<std::pair<Quantity, Object>> free;
  for (const auto& volume : volumes) {
    const bool reserved = find(volume.json(), "spec.claimRef") != nullptr;
    if (volume.deleting() || (reserved && !refers_to(volume, claim)) || !mismatch(claim, volume).empty())
      continue;
    if (reserved) return {volume};
    if (str(volume.json(), "status.phase") != "Available" || !selected(claim, volume)) continue;
    free.emplace_back(quantity_at(volume, "spec.capacity.storage"), volume);
  }
  std::stable_sort(free.begin(), free.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Object> out;
  for (auto& [size, volume] : free) out.push_back(std::move(volume));
  return out;
}

Object choose(const Object& claim, const std::vector<Object>& volumes, bool reserved_only) {
  const auto found = candidates(claim, volumes);
  if (found.empty()) return {};
  const bool reserved = find(found.front().json(), "spec.claimRef") != nullptr;
  return reserved || !reserved_only ? found.front() : Object();
}

bool fully_bound(const Object& claim) {
  return !str(claim.json(), "spec.volumeName").empty() &&
         object(claim.json(), "metadata.annotations").contains(kBindCompleted);
}

Json claim_reference(const Object& claim) {
  JsonObject ref;
  ref["apiVersion"] = "v1";
  ref["kind"] = "PersistentVolumeClaim";
  ref["namespace"] = claim.ns();
  ref["name"] = claim.name();
  ref["uid"] = claim.uid();
  ref["resourceVersion"] = claim.resource_version();
  return ref;
}

std::string claim_of_volume(std::string_view pod, const Json& volume) {
  if (const auto name = str(volume, "persistentVolumeClaim.claimName"); !name.empty())
    return std::string(name);
  if (find(volume, "ephemeral") == nullptr) return "";
  return std::string(pod) + "-" + std::string(str(volume, "name"));
}

}  // namespace mk::api::volume
