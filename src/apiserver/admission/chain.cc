#include "admission/plugins.h"

namespace mk::apiserver {

// In Kubernetes' order. ResourceQuota comes last and elsewhere (QuotaLedger): what it counts must change in
// the same transaction as the object.
AdmissionChain::AdmissionChain(Cacher& cacher) {
  plugins_.push_back(make_namespace_lifecycle(cacher));
  plugins_.push_back(make_limit_ranger(cacher));
  plugins_.push_back(make_service_account_admission(cacher));
  plugins_.push_back(make_taint_nodes_by_condition());
  plugins_.push_back(make_priority(cacher));
  plugins_.push_back(make_default_toleration_seconds());
  plugins_.push_back(make_storage_object_in_use_protection());
  plugins_.push_back(make_claim_resize(cacher));
  plugins_.push_back(make_runtime_class(cacher));
  plugins_.push_back(make_default_ingress_class(cacher));
  plugins_.push_back(make_default_storage_class(cacher));
}

Result<void> AdmissionChain::mutate(WriteContext& context, api::Json* object, const api::Json* old) {
  for (auto& plugin : plugins_) MK_TRY(plugin->mutate(context, object, old));
  return ok();
}

Result<void> AdmissionChain::validate(const WriteContext& context, const api::Json* object,
                                      const api::Json* old) {
  for (auto& plugin : plugins_) MK_TRY(plugin->validate(context, object, old));
  return ok();
}

}  // namespace mk::apiserver
