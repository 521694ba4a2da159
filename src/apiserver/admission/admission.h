#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mk/base/result.h"
#include "registry/context.h"

namespace mk::apiserver {

// A step between decoding and storage that may change or refuse a write. In Kubernetes' order, after
// authorization: first every plugin's mutate(), then validation, then every plugin's validate().
class AdmissionPlugin {
 public:
  virtual ~AdmissionPlugin() = default;
  virtual std::string_view name() const = 0;
  // `object` may be changed (not for deletes, where it is null); `old` is null for creates.
  virtual Result<void> mutate(WriteContext& context, api::Json* object, const api::Json* old) { return ok(); }
  virtual Result<void> validate(const WriteContext& context, const api::Json* object, const api::Json* old) {
    return ok();
  }
};

class AdmissionChain {
 public:
  // Every plugin that a stock 1.36 cluster enables and mk has; admission/chain.cc lists them in order.
  explicit AdmissionChain(Cacher& cacher);
  // Those that need more than the cache (the authorizer); they come last.
  void add(std::unique_ptr<AdmissionPlugin> plugin) { plugins_.push_back(std::move(plugin)); }
  Result<void> mutate(WriteContext& context, api::Json* object, const api::Json* old);
  Result<void> validate(const WriteContext& context, const api::Json* object, const api::Json* old);

 private:
  std::vector<std::unique_ptr<AdmissionPlugin>> plugins_;
};

}  // namespace mk::apiserver
