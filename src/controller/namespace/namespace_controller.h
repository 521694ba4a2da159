#pragma once

#include "kit/controller.h"
#include "kit/defined_resources.h"
#include "namespace/namespace_status.h"

namespace mk::controller {

// Empties a namespace that is being deleted, pods first, and then lets it go.
class NamespaceController : public Controller {
 public:
  explicit NamespaceController(Context& context);

 private:
  using Remains = nslifecycle::Remains;

  rt::Task<Result<void>> reconcile(api::Key key) override;
  // Deletes every object of a resource in the namespace and adds what is left to `remains`.
  rt::Task<> empty(api::ResourceInfo resource, std::string ns, Remains& remains);
  rt::Task<> count_rest(api::ResourceInfo resource, std::string ns, Remains& remains);
  rt::Task<Result<void>> publish(api::Key key, Remains remains);
  rt::Task<Result<void>> finalize(api::Key key);

  rt::Task<> empty_all(std::string ns, Remains& remains);

  client::Informer& namespaces_;
  DefinedResources defined_;
};

}  // namespace mk::controller
