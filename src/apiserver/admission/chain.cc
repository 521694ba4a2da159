#include "admission/admission.h"

namespace mk::apiserver {

AdmissionChain::AdmissionChain(Cacher& cacher) {}

Result<void> AdmissionChain::mutate(WriteContext& context, api::Json* object, const api::Json* old) {
  for (auto& plugin : plugins_) MK_TRY(plugin->mutate(context, object, old));
  return ok();
}

Result<void> AdmissionChain::validate(const WriteContext& context, const api::Json* object, const api::Json* old) {
  for (auto& plugin : plugins_) MK_TRY(plugin->validate(context, object, old));
  return ok();
}

}  // namespace mk::apiserver
