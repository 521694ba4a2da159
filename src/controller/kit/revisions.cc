#include "kit/revisions.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "kit/objects.h"

namespace mk::controller {
namespace {

constexpr std::size_t kPrefixMost = 223;  // of a name's 253 characters, hash and hyphen left out

// Kubernetes' own encoding of a container always says this.
void add_resources(api::Json& pod_template, const char* field) {
  api::JsonArray containers = api::list(pod_template, field);
  if (containers.empty()) return;
  for (auto& container : containers) {
    if (!api::find(container, "resources")) api::set(container, "resources", api::JsonObject());
  }
  api::set(pod_template, field, std::move(containers));
}

std::string name_of(const api::Object& owner, const std::string& hash) {
  return std::string(owner.name()).substr(0, kPrefixMost) + "-" + hash;
}

}  // namespace

api::Json revision_data(const api::Json& pod_template) {
  api::Json copy = pod_template;
  add_resources(copy, "spec.containers");
  add_resources(copy, "spec.initContainers");
  api::set(copy, "$patch", "replace");
  api::Json data;
  api::set(data, "spec.template", std::move(copy));
  auto ordered = api::parse_json(canonical_json(data));
  return ordered.ok() ? std::move(ordered).value() : data;
}

api::Json template_of(const api::Object& revision) {
  const auto* stored = api::find(revision.json(), "data.spec.template");
  api::Json pod_template = stored ? *stored : api::Json(api::JsonObject());
  api::erase(pod_template, "$patch");
  return pod_template;
}

bool same_data(const api::Object& revision, const api::Json& data) {
  const auto* stored = api::find(revision.json(), "data");
  return stored && *stored == data;
}

std::int64_t revision_number(const api::Object& revision) {
  return api::num(revision.json(), "revision");
}

std::int64_t max_revision_number(const std::vector<api::Object>& revisions) {
  std::int64_t most = 0;
  for (const auto& revision : revisions) most = std::max(most, revision_number(revision));
  return most;
}

std::vector<api::Object> expendable_revisions(std::vector<api::Object> revisions, std::int64_t limit,
                                              const std::function<bool(const api::Object&)>& in_use) {
  std::erase_if(revisions, in_use);
  const auto keep = static_cast<std::size_t>(std::max<std::int64_t>(limit, 0));
  if (revisions.size() <= keep) return {};
  std::stable_sort(revisions.begin(), revisions.end(), [](const api::Object& a, const api::Object& b) {
    return revision_number(a) < revision_number(b);
  });
  revisions.resize(revisions.size() - keep);
  return revisions;
}

RevisionHistory::RevisionHistory(client::Client& client, client::Informer& revisions,
                                 const PodOwnerController::Variant& owners, std::string hash_label)
    : client_(client), revisions_(revisions), owners_(owners), hash_label_(std::move(hash_label)) {}

rt::Task<Result<std::vector<api::Object>>> RevisionHistory::claim(api::Object owner) {
  MK_CO_ASSIGN(auto selector, api::LabelSelector::from_json(api::find(owner.json(), "spec.selector")));
  auto candidates = revisions_.by_index(kByController, std::string(owner.uid()));
  for (auto& orphan : revisions_.by_index(kByController, orphans(owner.ns())))
    candidates.push_back(std::move(orphan));
  Claimant claimant(owner, owners_.resource, owners_.kind, std::move(selector));
  std::function<bool(const api::Object&)> any = [](const api::Object&) { return true; };
  MK_CO_ASSIGN(auto owned, co_await controller::claim(client_, std::move(claimant), kControllerRevisions,
                                                      std::move(candidates), std::move(any)));
  std::sort(owned.begin(), owned.end(), [](const api::Object& a, const api::Object& b) {
    return std::tuple(revision_number(a), created_at(a), a.name()) <
           std::tuple(revision_number(b), created_at(b), b.name());
  });
  co_return owned;
}

rt::Task<Result<api::Object>> RevisionHistory::current(api::Object owner,
                                                       std::vector<api::Object> revisions) {
  const auto* pod_template = api::find(owner.json(), "spec.template");
  auto data = revision_data(pod_template ? *pod_template : api::Json(api::JsonObject()));
  const auto newest = max_revision_number(revisions);
  const auto found = std::find_if(revisions.rbegin(), revisions.rend(),
                                  [&data](const api::Object& one) { return same_data(one, data); });
  if (found == revisions.rend()) co_return co_await make(owner, std::move(data), newest + 1);
  if (revision_number(*found) == newest) co_return *found;
  // An older template is wanted again.
  auto raised = found->with([newest](api::Json& json) { api::set(json, "revision", newest + 1); });
  co_return co_await client_.update(kControllerRevisions, std::move(raised), "", client::WriteOptions());
}

rt::Task<Result<api::Object>> RevisionHistory::make(api::Object owner, api::Json data, std::int64_t number) {
  const auto hash = stable_hash(data, api::num(owner.json(), "status.collisionCount"));
  api::JsonObject labels = api::object(owner.json(), "spec.template.metadata.labels");
  labels[hash_label_] = hash;
  api::JsonObject metadata;
  metadata["name"] = name_of(owner, hash);
  metadata["namespace"] = owner.ns();
  metadata["labels"] = std::move(labels);
  if (const auto* annotations = api::find(owner.json(), "metadata.annotations"))
    metadata["annotations"] = *annotations;
  api::JsonArray references;
  references.push_back(controller_reference(owner, owners_.kind));
  metadata["ownerReferences"] = std::move(references);
  api::JsonObject revision;
  revision["apiVersion"] = "apps/v1";
  revision["kind"] = "ControllerRevision";
  revision["metadata"] = std::move(metadata);
  revision["data"] = data;
  revision["revision"] = number;
  api::Object made{api::Json(std::move(revision))};
  const auto key = made.key();
  auto created =
      co_await client_.create(kControllerRevisions, key.ns, std::move(made), client::WriteOptions());
  if (created.ok() || !created.error().is(Reason::kAlreadyExists)) co_return created;
  MK_CO_ASSIGN(auto present, co_await client_.get(kControllerRevisions, key));
  if (same_data(present, data) && controlled_by(present, owner.uid())) co_return present;
  MK_CO_TRY(co_await count_collision(owner));
  co_return Error(Reason::kConflict, "the name of a revision is taken: " + key.name);
}

rt::Task<Result<void>> RevisionHistory::count_collision(api::Object owner) {
  auto raised = owner.with([](api::Json& json) {
    api::set(json, "status.collisionCount", api::num(json, "status.collisionCount") + 1);
  });
  MK_CO_TRY(co_await client_.update(owners_.resource, std::move(raised), "status", client::WriteOptions()));
  co_return ok();
}

rt::Task<Result<void>> RevisionHistory::remove(std::vector<api::Object> revisions) {
  for (const auto& revision : revisions) {
    client::DeleteOptions options;
    options.uid = revision.uid();
    auto gone = co_await client_.remove(kControllerRevisions, revision.key(), std::move(options));
    if (!gone.ok() && !gone.error().is(Reason::kNotFound) && !gone.error().is(Reason::kConflict))
      co_return std::move(gone).error();
  }
  co_return ok();
}

}  // namespace mk::controller
