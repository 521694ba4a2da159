#pragma once

#include <memory>

#include "admission/admission.h"

// The plugins that a stock 1.36 cluster enables, one file each; named as Kubernetes names them.
namespace mk::apiserver {

std::unique_ptr<AdmissionPlugin> make_namespace_lifecycle(Cacher& cacher);
std::unique_ptr<AdmissionPlugin> make_limit_ranger(Cacher& cacher);
std::unique_ptr<AdmissionPlugin> make_service_account_admission(Cacher& cacher);
std::unique_ptr<AdmissionPlugin> make_taint_nodes_by_condition();
std::unique_ptr<AdmissionPlugin> make_priority(Cacher& cacher);
std::unique_ptr<AdmissionPlugin> make_default_toleration_seconds();
std::unique_ptr<AdmissionPlugin> make_storage_object_in_use_protection();
std::unique_ptr<AdmissionPlugin> make_claim_resize(Cacher& cacher);
std::unique_ptr<AdmissionPlugin> make_runtime_class(Cacher& cacher);
std::unique_ptr<AdmissionPlugin> make_default_ingress_class(Cacher& cacher);
std::unique_ptr<AdmissionPlugin> make_default_storage_class(Cacher& cacher);

// What plugins ask of a request.
bool creates(const WriteContext& context,
             std::string_view qualified_resource);  // of the object itself, no subresource
bool updates(const WriteContext& context, std::string_view qualified_resource);
// `pods "x" is forbidden: why`; without a name (it will be generated) `pods is forbidden: why`.
Error forbidden_by(const WriteContext& context, const api::Json* object, std::string_view why);

}  // namespace mk::apiserver
