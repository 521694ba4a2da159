#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kit/pod_owner.h"

// The history of pod templates that StatefulSets and DaemonSets keep as ControllerRevisions.
namespace mk::controller {

inline const api::Gvr kControllerRevisions{"apps", "v1", "controllerrevisions"};

// A pod template as a revision stores it: a strategic patch that brings it back. The keys are in order, so
// that equal templates are equal bytes, which clients compare.
api::Json revision_data(const api::Json& pod_template);
// The template that a revision stores.
api::Json template_of(const api::Object& revision);
bool same_data(const api::Object& revision, const api::Json& data);
std::int64_t revision_number(const api::Object& revision);
std::int64_t max_revision_number(const std::vector<api::Object>& revisions);

// Revisions that nobody needs: the oldest beyond `limit`, of those not `in_use`.
std::vector<api::Object> expendable_revisions(std::vector<api::Object> revisions, std::int64_t limit,
                                              const std::function<bool(const api::Object&)>& in_use);

class RevisionHistory {
 public:
  // `hash_label`: where a revision carries the hash that its name ends in.
  RevisionHistory(client::Client& client, client::Informer& revisions,
                  const PodOwnerController::Variant& owners, std::string hash_label);

  // Those of an owner, after adopting and releasing, lowest revision first.
  rt::Task<Result<std::vector<api::Object>>> claim(api::Object owner);

  // The revision of the owner's present template: found (an older one becomes the newest again) or made. A
  // clash of names is an error that raises the owner's status.collisionCount: the next try finds another
  // name.
  rt::Task<Result<api::Object>> current(api::Object owner, std::vector<api::Object> revisions);

  rt::Task<Result<void>> remove(std::vector<api::Object> revisions);

 private:
  rt::Task<Result<api::Object>> make(api::Object owner, api::Json data, std::int64_t number);
  rt::Task<Result<void>> count_collision(api::Object owner);

  client::Client& client_;
  client::Informer& revisions_;
  PodOwnerController::Variant owners_;
  std::string hash_label_;
};

}  // namespace mk::controller
