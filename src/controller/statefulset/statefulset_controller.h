#pragma once

#include "kit/pod_owner.h"
#include "kit/revisions.h"
#include "statefulset/plan.h"

namespace mk::controller {

// Keeps the numbered pods of a StatefulSet, each with its own name and claims.
class StatefulSetController : public PodOwnerController {
 public:
  explicit StatefulSetController(Context& context);

 private:
  using View = statefulset::View;

  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<void>> step(api::Object set, std::vector<api::Object> pods,
                              std::vector<api::Object> revisions, api::Object update);
  rt::Task<Result<void>> act(api::Object set, View view, std::vector<api::Object> revisions);
  rt::Task<Result<void>> keep_identities(api::Object set, View view);
  rt::Task<Result<void>> keep_claims(api::Object set, std::int64_t ordinal, api::Object pod, bool condemned);
  rt::Task<Result<void>> trim(api::Object set, std::vector<api::Object> pods,
                              std::vector<api::Object> revisions, api::Json status);
  void wake_when_available(const api::Object& set, const std::vector<api::Object>& pods);

  std::string told(bool created, const api::Object& owner, std::string_view pod,
                   const Error* error) const override;

  client::Informer& revisions_;
  client::Informer& claims_;
  RevisionHistory history_;
};

}  // namespace mk::controller
