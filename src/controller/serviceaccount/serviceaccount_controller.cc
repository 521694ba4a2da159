#include "serviceaccount/serviceaccount_controller.h"

#include <boost/json/object.hpp>

#include "kit/objects.h"

namespace mk::controller {
namespace {

constexpr char kDefault[] = "default";
constexpr char kRootCa[] = "kube-root-ca.crt";

// Somebody else made it, or the namespace is going: both are fine.
Result<void> created_or_there(const Result<api::Object>& made) {
  if (made.ok() || made.error().is(Reason::kAlreadyExists) || made.error().is(Reason::kNotFound)) return ok();
  if (namespace_terminating(made.error())) return ok();
  return made.error();
}

bool active(const api::Object& ns) {
  return ns && !ns.deleting();
}

std::vector<api::Key> namespace_if_named(const api::Object& before, const api::Object& after,
                                         std::string_view name) {
  const auto& object = after ? after : before;
  if (object.name() != name) return {};
  return {api::Key("", std::string(object.ns()))};
}

}  // namespace

ServiceAccountController::ServiceAccountController(Context& context_)
    : Controller(context_, "service-account-controller", 1),
      namespaces_(watch(api::resources::kNamespaces, self)),
      accounts_(
          watch(api::resources::kServiceAccounts, [](const api::Object& before, const api::Object& after) {
            return namespace_if_named(before, after, kDefault);
          })) {}

rt::Task<Result<void>> ServiceAccountController::reconcile(api::Key key) {
  if (!active(namespaces_.get(key)) || accounts_.get(api::Key(key.name, kDefault))) co_return ok();
  api::JsonObject metadata;
  metadata["name"] = kDefault;
  metadata["namespace"] = key.name;
  api::JsonObject account;
  account["apiVersion"] = "v1";
  account["kind"] = "ServiceAccount";
  account["metadata"] = std::move(metadata);
  api::Object object{api::Json(std::move(account))};
  co_return created_or_there(co_await client().create(api::resources::kServiceAccounts, key.name,
                                                      std::move(object), client::WriteOptions()));
}

api::Json root_ca_config_map(const std::string& ns, const std::string& ca_pem) {
  api::JsonObject annotations;
  annotations["kubernetes.io/description"] =
      "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such "
      "as the "
      "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
      "Kubernetes "
      "clusters.";
  api::JsonObject metadata;
  metadata["name"] = kRootCa;
  metadata["namespace"] = ns;
  metadata["annotations"] = std::move(annotations);
  api::JsonObject data;
  data["ca.crt"] = ca_pem;
  api::JsonObject map;
  map["apiVersion"] = "v1";
  map["kind"] = "ConfigMap";
  map["metadata"] = std::move(metadata);
  map["data"] = std::move(data);
  return map;
}

RootCaPublisher::RootCaPublisher(Context& context_)
    : Controller(context_, "root-ca-cert-publisher", 1),
      namespaces_(watch(api::resources::kNamespaces, self)),
      config_maps_(
          watch(api::resources::kConfigMaps, [](const api::Object& before, const api::Object& after) {
            return namespace_if_named(before, after, kRootCa);
          })) {}

rt::Task<Result<void>> RootCaPublisher::reconcile(api::Key key) {
  if (!active(namespaces_.get(key))) co_return ok();
  const auto wanted = root_ca_config_map(key.name, context().options.ca_pem);
  const auto present = config_maps_.get(api::Key(key.name, kRootCa));
  if (!present) {
    co_return created_or_there(co_await client().create(api::resources::kConfigMaps, key.name,
                                                        api::Object(wanted), client::WriteOptions()));
  }
  if (api::object(present.json(), "data") == api::object(wanted, "data")) co_return ok();
  auto repaired =
      present.with([&wanted](api::Json& json) { api::set(json, "data", api::object(wanted, "data")); });
  MK_CO_TRY(
      co_await client().update(api::resources::kConfigMaps, std::move(repaired), "", client::WriteOptions()));
  co_return ok();
}

}  // namespace mk::controller
