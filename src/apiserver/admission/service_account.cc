#include <fmt/format.h>

#include <algorithm>

#include "admission/plugins.h"
#include "mk/api/resource.h"
#include "mk/base/ids.h"
#include "registry/strategies/fields.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kMountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::string_view kVolumePrefix = "kube-api-access-";
// Odd, so that tokens of pods can be told from tokens somebody asked for.
constexpr std::int64_t kTokenSeconds = 3607;

// Token, CA and namespace: what a client library in the pod looks for.
Json token_volume(std::string_view name) {
  Json token, certificate, ns;
  api::set(token, "serviceAccountToken.expirationSeconds", kTokenSeconds);
  api::set(token, "serviceAccountToken.path", "token");
  api::set(certificate, "configMap.name", "kube-root-ca.crt");
  api::set(certificate, "configMap.items",
           api::JsonArray{api::JsonObject{{"key", "ca.crt"}, {"path", "ca.crt"}}});
  api::JsonObject item{{"path", "namespace"},
                       {"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}}}};
  api::set(ns, "downwardAPI.items", api::JsonArray{std::move(item)});
  Json volume;
  api::set(volume, "name", api::text(name));
  api::set(volume, "projected.sources",
           api::JsonArray{std::move(token), std::move(certificate), std::move(ns)});
  api::set(volume, "projected.defaultMode", 0644);
  return volume;
}

class ServiceAccountAdmission : public AdmissionPlugin {
 public:
  explicit ServiceAccountAdmission(Cacher& cacher) : cacher_(cacher) {}
  std::string_view name() const override { return "ServiceAccount"; }

  Result<void> mutate(WriteContext& context, Json* pod, const Json* old) override {
    if (!creates(context, "pods") || pod == nullptr) return ok();
    if (api::object(*pod, "metadata.annotations").contains("kubernetes.io/config.mirror"))
      return check_mirror(context, *pod);
    default_text(*pod, "spec.serviceAccountName", "default");
    const std::string account_name(api::str(*pod, "spec.serviceAccountName"));
    api::set(*pod, "spec.serviceAccount", api::text(account_name));
    const auto account = cacher_.get(api::resources::kServiceAccounts, api::Key(context.ns, account_name));
    if (!account) {
      return forbidden_by(
          context, pod,
          fmt::format("error looking up service account {}/{}: serviceaccount \"{}\" not found", context.ns,
                      account_name, account_name));
    }
    if (wants_token(*pod, account.json())) mount_token(*pod);
    if (api::list(*pod, "spec.imagePullSecrets").empty() &&
        !api::list(account.json(), "imagePullSecrets").empty()) {
      api::set(*pod, "spec.imagePullSecrets", Json(api::list(account.json(), "imagePullSecrets")));
    }
    return ok();
  }

 private:
  // A static pod's mirror runs without the API server's help.
  static Result<void> check_mirror(const WriteContext& context, const Json& pod) {
    if (!api::str(pod, "spec.serviceAccountName").empty()) {
      return forbidden_by(context, &pod, "a mirror pod may not reference service accounts");
    }
    for (const auto& volume : api::list(pod, "spec.volumes")) {
      if (api::find(volume, "secret"))
        return forbidden_by(context, &pod, "a mirror pod may not reference secrets");
      for (const auto& source : api::list(volume, "projected.sources")) {
        if (api::find(source, "serviceAccountToken")) {
          return forbidden_by(context, &pod,
                              "a mirror pod may not use ServiceAccountToken volume projections");
        }
      }
    }
    return ok();
  }

  static bool wants_token(const Json& pod, const Json& account) {
    return api::flag(pod, "spec.automountServiceAccountToken",
                     api::flag(account, "automountServiceAccountToken", true));
  }

  static std::string volume_name(const Json& pod) {
    for (const auto& volume : api::list(pod, "spec.volumes")) {
      if (api::str(volume, "name").starts_with(kVolumePrefix)) return std::string(api::str(volume, "name"));
    }
    return std::string(kVolumePrefix) + random_suffix(5);
  }

  static void mount_token(Json& pod) {
    const auto name = volume_name(pod);
    bool used = false;
    for (const auto field : {"spec.initContainers", "spec.containers"}) {
      auto* containers = edit_list(pod, field);
      if (containers == nullptr) continue;
      for (auto& container : *containers) used = mount_in(container, name) || used;
    }
    if (!used) return;
    default_to(pod, "spec.volumes", api::JsonArray());
    auto& volumes = *edit_list(pod, "spec.volumes");
    const bool there = std::any_of(volumes.begin(), volumes.end(),
                                   [&](const Json& v) { return api::str(v, "name") == name; });
    if (!there) volumes.push_back(token_volume(name));
  }

  // Unless the container has something of its own at that place.
  static bool mount_in(Json& container, const std::string& volume) {
    if (!container.is_object()) return false;
    for (const auto& mount : api::list(container, "volumeMounts")) {
      if (api::str(mount, "mountPath") == kMountPath) return false;
    }
    default_to(container, "volumeMounts", api::JsonArray());
    Json mount(api::JsonObject{{"readOnly", true}});
    api::set(mount, "name", api::text(volume));
    api::set(mount, "mountPath", api::text(kMountPath));
    edit_list(container, "volumeMounts")->push_back(std::move(mount));
    return true;
  }

  Cacher& cacher_;
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_service_account_admission(Cacher& cacher) {
  return std::make_unique<ServiceAccountAdmission>(cacher);
}

}  // namespace mk::apiserver
