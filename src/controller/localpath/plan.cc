#include "localpath/plan.h"

#include <fmt/format.h>

#include "mk/api/volume_matching.h"

namespace mk::controller::localpath {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Object;
using namespace api::volume;

namespace {

constexpr std::string_view kManagedBy = "app.kubernetes.io/managed-by";

Error never(std::string why) {
  return Error(Reason::kInvalid, std::move(why));
}

Result<void> check_claim(const Object& claim, const Object& storage_class) {
  for (const auto& mode : api::list(claim.json(), "spec.accessModes")) {
    if (mode != "ReadWriteOnce" && mode != "ReadWriteOncePod")
      return never(
          "only support ReadWriteOnce and ReadWriteOncePod access modes: a directory is on one node");
  }
  if (api::find(claim.json(), "spec.selector") != nullptr)
    return never("claim.spec.selector is not supported");
  if (api::find(claim.json(), "spec.dataSourceRef") != nullptr)
    return never("volumes cannot be made from a data source");
  if (api::str(claim.json(), "spec.volumeMode", "Filesystem") != "Filesystem")
    return never("block volumes are not supported");
  for (const auto& parameter : api::object(storage_class.json(), "parameters"))
    return never(fmt::format("storage class parameter \"{}\" is not supported", parameter.key()));
  return ok();
}

JsonObject one_node(const Object& node) {
  JsonArray values{api::text(node.label("kubernetes.io/hostname"))};
  JsonObject expression{{"key", "kubernetes.io/hostname"}, {"operator", "In"}, {"values", std::move(values)}};
  JsonArray expressions;
  expressions.push_back(std::move(expression));
  JsonObject term{{"matchExpressions", std::move(expressions)}};
  JsonArray terms;
  terms.push_back(std::move(term));
  JsonObject required{{"nodeSelectorTerms", std::move(terms)}};
  return JsonObject{{"required", std::move(required)}};
}

// hostPath, or a local volume where the claim or else its class asks for one (k3s' annotations).
void set_source(Json& volume, const Object& claim, const Object& storage_class, const std::string& path) {
  auto type = claim.annotation("volumeType");
  if (type.empty()) type = storage_class.annotation("defaultVolumeType");
  api::set(volume, type == "local" ? "spec.local.path" : "spec.hostPath.path", api::text(path));
  if (type != "local") api::set(volume, "spec.hostPath.type", "DirectoryOrCreate");
}

}  // namespace

Json storage_class() {
  JsonObject labels{{std::string(kManagedBy), "mk"}};
  JsonObject annotations{{"storageclass.kubernetes.io/is-default-class", "true"},
                         {"defaultVolumeType", "hostPath"}};
  JsonObject metadata{{"name", api::text(kClassName)},
                      {"labels", std::move(labels)},
                      {"annotations", std::move(annotations)}};
  return JsonObject{{"apiVersion", "storage.k8s.io/v1"}, {"kind", "StorageClass"},
                    {"metadata", std::move(metadata)},   {"provisioner", api::text(kLocalPath)},
                    {"reclaimPolicy", "Delete"},         {"volumeBindingMode", "WaitForFirstConsumer"}};
}

bool packaged(const Object& storage_class) {
  return storage_class.label(kManagedBy) == "mk";
}

std::string volume_name(const Object& claim) {
  return "pvc-" + std::string(claim.uid());
}

Result<Json> plan_volume(const Object& claim, const Object& storage_class, const Object& node) {
  MK_TRY(check_claim(claim, storage_class));
  const auto folder = node.annotation(kLocalPathFolder);
  if (folder.empty())
    return Error(Reason::kServiceUnavailable,
                 fmt::format("node \"{}\" keeps no local volumes (it has no annotation {})", node.name(),
                             kLocalPathFolder));
  const auto name = volume_name(claim);
  JsonArray finalizers{api::text(kLocalPathFinalizer)};
  JsonObject labels{{std::string(kLocalPathNode), api::text(node.name())}};
  JsonObject annotations{{std::string(kProvisionedBy), api::text(kLocalPath)}};
  JsonObject metadata{{"name", api::text(name)},
                      {"labels", std::move(labels)},
                      {"annotations", std::move(annotations)},
                      {"finalizers", std::move(finalizers)}};
  Json volume =
      JsonObject{{"apiVersion", "v1"}, {"kind", "PersistentVolume"}, {"metadata", std::move(metadata)}};
  // Readable for people who look into the folder; the uid in front makes it unique.
  set_source(volume, claim, storage_class,
             fmt::format("{}/{}_{}_{}", folder, name, claim.ns(), claim.name()));
  api::set(volume, "spec.accessModes", api::list(claim.json(), "spec.accessModes"));
  api::set(volume, "spec.capacity.storage",
           api::text(api::str(claim.json(), "spec.resources.requests.storage")));
  api::set(volume, "spec.volumeMode", "Filesystem");
  api::set(volume, "spec.storageClassName", api::text(storage_class.name()));
  api::set(volume, "spec.persistentVolumeReclaimPolicy",
           api::text(api::str(storage_class.json(), "reclaimPolicy", "Delete")));
  api::set(volume, "spec.nodeAffinity", one_node(node));
  api::set(volume, "spec.claimRef", claim_reference(claim));
  return volume;
}

}  // namespace mk::controller::localpath
