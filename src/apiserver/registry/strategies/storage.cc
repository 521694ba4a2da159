#include <fmt/format.h>

#include <array>

#include "registry/strategies/claims.h"
#include "registry/strategies/resources.h"
#include "registry/strategies/scheduling.h"
#include "registry/strategies/simple.h"
#include "registry/strategies/strategies.h"
#include "registry/strategies/workload.h"

// PersistentVolume, PersistentVolumeClaim.
namespace mk::apiserver {

using api::Json;

namespace {

// Fields of a volume's spec that are not its source.
const std::set<std::string_view> kVolumeFields{
    "capacity",         "accessModes",  "claimRef",     "persistentVolumeReclaimPolicy", "volumeMode",
    "storageClassName", "mountOptions", "nodeAffinity", "volumeAttributesClassName"};

class PersistentVolumeStrategy : public Strategy {
 public:
  void set_defaults(Json& volume) const override {
    Json& spec = ensure_object(volume, "spec");
    default_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    default_text(spec, "volumeMode", "Filesystem");
    if (Json* path = edit(spec, "hostPath")) default_to(*path, "type", api::text(""));
    if (Json* ref = edit(spec, "claimRef")) {
      default_text(*ref, "apiVersion", "v1");
      default_text(*ref, "kind", "PersistentVolumeClaim");
    }
    default_text(ensure_object(volume, "status"), "phase", "Pending");
  }

  void validate(const WriteContext& context, const Json& volume, Causes& causes) const override {
    Report report(causes);
    const Json& spec = spec_of(volume);
    const Path path("spec");
    const auto& modes = api::list(spec, "accessModes");
    if (modes.empty()) {
      report.required(path.child("accessModes"));
    } else {
      validate_access_modes(modes, path.child("accessModes"), report);
    }
    validate_capacity(spec, path, report);
    validate_source(spec, path, report);
    check_enum(spec, "persistentVolumeReclaimPolicy", {"Delete", "Recycle", "Retain"}, path, report,
               Presence::kOptional);
    check_enum(spec, "volumeMode", {"Block", "Filesystem"}, path, report, Presence::kOptional);
    if (const auto name = api::str(spec, "storageClassName"); !name.empty()) {
      report.check(path.child("storageClassName"), name, api::check_dns1123_subdomain(name));
    }
    const Path affinity = path.child("nodeAffinity");
    if (const Json* required = api::find(spec, "nodeAffinity.required")) {
      validate_node_selector(*required, affinity.child("required"), report);
    } else if (api::find(spec, "local")) {
      report.required(affinity, "Local volume requires node affinity");
    }
  }

  void validate_update(const WriteContext& context, const Json& volume, const Json& old,
                       Causes& causes) const override {
    Report report(causes);
    if (source_of(spec_of(volume)) != source_of(spec_of(old))) {
      report.forbidden(Path("spec.persistentvolumesource"),
                       "spec.persistentvolumesource is immutable after creation");
    }
    check_immutable(volume, old, "spec.volumeMode", report);
    if (api::find(old, "spec.nodeAffinity")) check_immutable(volume, old, "spec.nodeAffinity", report);
  }

 private:
  static Json source_of(Json spec) {
    for (const auto field : kVolumeFields) api::erase(spec, field);
    return spec;
  }

  static void validate_capacity(const Json& spec, const Path& path, Report& report) {
    const auto& capacity = api::object(spec, "capacity");
    const Path capacity_path = path.child("capacity");
    if (capacity.empty()) return report.required(capacity_path);
    if (!capacity.contains("storage") || capacity.size() > 1) {
      return report.not_supported(capacity_path, capacity.begin()->key(), {"storage"});
    }
    const Json& storage = capacity.begin()->value();
    if (read_quantity(&storage) <= api::Quantity()) {
      report.invalid(capacity_path.key("storage"), storage, "must be greater than zero");
    }
  }

  static void validate_source(const Json& spec, const Path& path, Report& report) {
    int count = 0;
    for (const auto& field : api::object(spec, "")) {
      if (kVolumeFields.contains(field.key()) || field.value().is_null()) continue;
      if (++count > 1) report.forbidden(path.child(field.key()), "may not specify more than 1 volume type");
    }
    if (count == 0) report.required(path, "must specify a volume type");
    const auto host = api::str(spec, "hostPath.path");
    if (host == "/" && api::str(spec, "persistentVolumeReclaimPolicy") == "Recycle") {
      report.forbidden(path.child("persistentVolumeReclaimPolicy"),
                       "may not be 'recycle' for a hostPath mount of '/'");
    }
  }
};

class ClaimStrategy : public Strategy {
 public:
  void set_defaults(Json& claim) const override {
    Json& spec = ensure_object(claim, "spec");
    default_claim_spec(spec);
    default_text(ensure_object(claim, "status"), "phase", "Pending");
    // dataSource is the old form of dataSourceRef; each stands for the other.
    const Json* source = api::find(spec, "dataSource");
    const Json* ref = api::find(spec, "dataSourceRef");
    if (source && !ref) {
      api::set(spec, "dataSourceRef", Json(*source));
    } else if (ref && !source && api::str(*ref, "namespace").empty()) {
      api::set(spec, "dataSource", Json(*ref));
    }
  }

  void validate(const WriteContext& context, const Json& claim, Causes& causes) const override {
    Report report(causes);
    validate_claim_spec(spec_of(claim), Path("spec"), report);
  }

  void validate_update(const WriteContext& context, const Json& claim, const Json& old,
                       Causes& causes) const override {
    Report report(causes);
    validate_fixed(claim, old, report);
    const bool bound = api::str(old, "status.phase") == "Bound";
    const Json* size = api::find(claim, "spec.resources.requests.storage");
    const auto asked = read_quantity(size),
               before = read_quantity(api::find(old, "spec.resources.requests.storage"));
    const auto capacity = read_quantity(api::find(old, "status.capacity.storage"));
    const Path requests("spec.resources.requests.storage");
    if (bound && asked < before && asked <= capacity) {
      report.forbidden(requests, "field can not be less than status.capacity");
    }
    check_immutable(claim, old, "spec.volumeMode", report);
  }

 private:
  static void validate_fixed(const Json& claim, const Json& old, Report& report) {
    Json now = spec_of(claim);
    const Json& before = spec_of(old);
    const bool bound = api::str(old, "status.phase") == "Bound";
    if (api::str(before, "volumeName").empty()) copy_field(now, before, "volumeName");  // binding
    if (bound) {
      copy_field(now, before, "resources.requests.storage");
      copy_field(now, before, "volumeAttributesClassName");
    }
    // A class may be given later to a claim that left it to the default.
    if (!api::find(before, "storageClassName")) api::erase(now, "storageClassName");
    for (const auto field : {"dataSource", "dataSourceRef"}) {
      if (!api::find(before, field) && api::find(claim, std::string("spec.") + field) == nullptr)
        api::erase(now, field);
    }
    if (now != before) {
      report.forbidden(
          Path("spec"),
          "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
          "bound claims\n");
    }
  }
};

}  // namespace

std::unique_ptr<Strategy> make_persistent_volume_strategy() {
  return std::make_unique<PersistentVolumeStrategy>();
}
std::unique_ptr<Strategy> make_claim_strategy() {
  return std::make_unique<ClaimStrategy>();
}

}  // namespace mk::apiserver
