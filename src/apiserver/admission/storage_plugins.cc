#include <algorithm>

#include "admission/plugins.h"
#include "registry/strategies/fields.h"
#include "registry/strategies/resources.h"

// StorageObjectInUseProtection, PersistentVolumeClaimResize, DefaultStorageClass, DefaultIngressClass.
namespace mk::apiserver {

using api::Json;

namespace {

const api::Gvr kStorageClasses{"storage.k8s.io", "v1", "storageclasses"};
const api::Gvr kIngressClasses{"networking.k8s.io", "v1", "ingressclasses"};

// Of the objects that an annotation makes the default, the newest (then the first by name).
api::Object default_of(Cacher& cacher, const api::Gvr& gvr, std::string_view annotation) {
  api::Object newest;
  cacher.resource(gvr).for_each("", [&](const api::Object& object) {
    if (object.annotation(annotation) != "true") return true;
    const auto made = api::str(object.json(), "metadata.creationTimestamp");
    if (!newest || made > api::str(newest.json(), "metadata.creationTimestamp")) newest = object;
    return true;
  });
  return newest;
}

class StorageObjectInUseProtection : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "StorageObjectInUseProtection"; }

  Result<void> mutate(WriteContext& context, Json* object, const Json* old) override {
    if (object == nullptr) return ok();
    if (creates(context, "persistentvolumeclaims")) add(*object, "kubernetes.io/pvc-protection");
    if (creates(context, "persistentvolumes")) add(*object, "kubernetes.io/pv-protection");
    return ok();
  }

 private:
  static void add(Json& object, std::string_view finalizer) {
    default_to(object, "metadata.finalizers", api::JsonArray());
    auto* finalizers = edit_list(object, "metadata.finalizers");
    if (finalizers == nullptr) return;
    const auto text = api::text(finalizer);
    if (std::find(finalizers->begin(), finalizers->end(), text) == finalizers->end())
      finalizers->push_back(text);
  }
};

class ClaimResize : public AdmissionPlugin {
 public:
  explicit ClaimResize(Cacher& cacher) : cacher_(cacher) {}
  std::string_view name() const override { return "PersistentVolumeClaimResize"; }

  Result<void> validate(const WriteContext& context, const Json* claim, const Json* old) override {
    if (!updates(context, "persistentvolumeclaims") || claim == nullptr || old == nullptr) return ok();
    static constexpr auto kSize = "spec.resources.requests.storage";
    if (read_quantity(api::find(*claim, kSize)) <= read_quantity(api::find(*old, kSize))) return ok();
    if (api::str(*old, "status.phase") != "Bound")
      return forbidden_by(context, claim, "Only bound persistent volume claims can be expanded");
    const std::string class_name(api::str(*claim, "spec.storageClassName"));
    const auto storage_class = cacher_.get(kStorageClasses, api::Key("", class_name));
    if (storage_class && api::flag(storage_class.json(), "allowVolumeExpansion")) return ok();
    return forbidden_by(
        context, claim,
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
        "must support resize");
  }

 private:
  Cacher& cacher_;
};

class DefaultStorageClass : public AdmissionPlugin {
 public:
  explicit DefaultStorageClass(Cacher& cacher) : cacher_(cacher) {}
  std::string_view name() const override { return "DefaultStorageClass"; }

  Result<void> mutate(WriteContext& context, Json* claim, const Json* old) override {
    if (!creates(context, "persistentvolumeclaims") || claim == nullptr) return ok();
    // "" asks for a volume without a class.
    if (api::find(*claim, "spec.storageClassName")) return ok();
    if (api::object(*claim, "metadata.annotations").contains("volume.beta.kubernetes.io/storage-class"))
      return ok();
    const auto found = default_of(cacher_, kStorageClasses, "storageclass.kubernetes.io/is-default-class");
    if (found) api::set(*claim, "spec.storageClassName", api::text(found.name()));
    return ok();
  }

 private:
  Cacher& cacher_;
};

class DefaultIngressClass : public AdmissionPlugin {
 public:
  explicit DefaultIngressClass(Cacher& cacher) : cacher_(cacher) {}
  std::string_view name() const override { return "DefaultIngressClass"; }

  Result<void> mutate(WriteContext& context, Json* ingress, const Json* old) override {
    if (!creates(context, "ingresses.networking.k8s.io") || ingress == nullptr) return ok();
    if (api::find(*ingress, "spec.ingressClassName")) return ok();
    if (api::object(*ingress, "metadata.annotations").contains("kubernetes.io/ingress.class")) return ok();
    const auto found = default_of(cacher_, kIngressClasses, "ingressclass.kubernetes.io/is-default-class");
    if (found) api::set(*ingress, "spec.ingressClassName", api::text(found.name()));
    return ok();
  }

 private:
  Cacher& cacher_;
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_storage_object_in_use_protection() {
  return std::make_unique<StorageObjectInUseProtection>();
}
std::unique_ptr<AdmissionPlugin> make_claim_resize(Cacher& cacher) {
  return std::make_unique<ClaimResize>(cacher);
}
std::unique_ptr<AdmissionPlugin> make_default_storage_class(Cacher& cacher) {
  return std::make_unique<DefaultStorageClass>(cacher);
}
std::unique_ptr<AdmissionPlugin> make_default_ingress_class(Cacher& cacher) {
  return std::make_unique<DefaultIngressClass>(cacher);
}

}  // namespace mk::apiserver
