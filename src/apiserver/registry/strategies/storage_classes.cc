#include "registry/strategies/names.h"
#include "registry/strategies/simple.h"
#include "registry/strategies/strategies.h"
#include "registry/strategies/workload.h"

// StorageClass and the CSI kinds.
namespace mk::apiserver {

using api::Json;

namespace {

void default_class(Json& object) {
  default_text(object, "reclaimPolicy", "Delete");
  default_text(object, "volumeBindingMode", "Immediate");
}

void validate_class(const Json& object, Report& report) {
  const Path root("");
  const auto provisioner = api::str(object, "provisioner");
  if (provisioner.empty()) {
    report.required(Path("provisioner"));
  } else {
    check_qualified(provisioner, Path("provisioner"), report);
  }
  check_enum(object, "reclaimPolicy", {"Delete", "Retain"}, root, report, Presence::kOptional);
  check_enum(object, "volumeBindingMode", {"Immediate", "WaitForFirstConsumer"}, root, report);
  std::size_t i = 0;
  for (const auto& parameter : api::object(object, "parameters")) {
    if (std::string_view(parameter.key()).empty())
      report.invalid(Path("parameters"), "", "field can not be empty.");
    if (++i > 512) return report.too_long(Path("parameters"), 512);
  }
}

void validate_class_update(const Json& object, const Json& old, Report& report) {
  if (!same(object, old, "parameters"))
    report.forbidden(Path("parameters"), "updates to parameters are forbidden.");
  if (!same(object, old, "provisioner"))
    report.forbidden(Path("provisioner"), "updates to provisioner are forbidden.");
  if (!same(object, old, "reclaimPolicy")) {
    report.forbidden(Path("reclaimPolicy"), "updates to reclaimPolicy are forbidden.");
  }
}

void default_driver(Json& object) {
  Json& spec = ensure_object(object, "spec");
  default_to(spec, "attachRequired", true);
  for (const auto field : {"podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"})
    default_to(spec, field, false);
  default_text(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
  if (api::list(spec, "volumeLifecycleModes").empty())
    api::set(spec, "volumeLifecycleModes", api::JsonArray{"Persistent"});
}

void validate_driver(const Json& object, Report& report) {
  const Path path("spec");
  check_enum(spec_of(object), "fsGroupPolicy", {"File", "None", "ReadWriteOnceWithFSType"}, path, report,
             Presence::kOptional);
  for (const auto& mode : api::list(object, "spec.volumeLifecycleModes")) {
    if (mode != "Persistent" && mode != "Ephemeral") {
      report.not_supported(path.child("volumeLifecycleModes"), text_of(mode), {"Ephemeral", "Persistent"});
    }
  }
}

void validate_csi_node(const Json& object, Report& report) {
  const auto& drivers = api::list(object, "spec.drivers");
  const Path path("spec.drivers");
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < drivers.size(); ++i) {
    const Path driver = path[i];
    const auto name = api::str(drivers[i], "name");
    if (name.empty()) {
      report.required(driver.child("name"));
    } else if (!names.insert(name).second) {
      report.duplicate(driver.child("name"), name);
    }
    if (api::str(drivers[i], "nodeID").empty()) report.required(driver.child("nodeID"));
  }
}

void validate_attachment(const Json& object, Report& report) {
  const Path path("spec");
  const Json& spec = spec_of(object);
  if (api::str(spec, "attacher").empty()) report.required(path.child("attacher"));
  if (api::str(spec, "nodeName").empty()) report.required(path.child("nodeName"));
  const bool named = !api::str(spec, "source.persistentVolumeName").empty();
  const bool inlined = api::find(spec, "source.inlineVolumeSpec") != nullptr;
  if (!named && !inlined)
    report.required(path.child("source"),
                    "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
}

void validate_capacity(const Json& object, Report& report) {
  const auto name = api::str(object, "storageClassName");
  if (name.empty()) return report.required(Path("storageClassName"));
  report.check(Path("storageClassName"), name, api::check_dns1123_subdomain(name));
}

}  // namespace

void add_storage(StrategySet& set) {
  set.add("persistentvolumes", make_persistent_volume_strategy());
  set.add("persistentvolumeclaims", make_claim_strategy());
  const auto add = [&](std::string_view resource, Rules rules) {
    set.add(std::string(resource) + ".storage.k8s.io", make_simple(std::move(rules)));
  };
  add("storageclasses", {.defaults = default_class,
                         .validate = validate_class,
                         .validate_update = validate_class_update,
                         .immutable = {"volumeBindingMode"},
                         .status = false});
  add("csidrivers", {.defaults = default_driver,
                     .validate = validate_driver,
                     .immutable = {"spec.attachRequired", "spec.volumeLifecycleModes"},
                     .status = false});
  add("csinodes", {.validate = validate_csi_node, .status = false});
  add("volumeattachments", {.validate = validate_attachment, .immutable = {"spec"}});
  add("csistoragecapacities",
      {.validate = validate_capacity, .immutable = {"nodeTopology", "storageClassName"}, .status = false});
  add("volumeattributesclasses", {.immutable = {"driverName", "parameters"}, .status = false});
}

}  // namespace mk::apiserver
