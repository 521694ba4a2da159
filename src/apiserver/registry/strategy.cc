#include "registry/strategy.h"

#include "extensions/custom_resource.h"

namespace mk::apiserver {

using api::Json;

namespace {

void copy_member(Json& to, const Json& from, std::string_view key) {
  if (const Json* value = api::member(from, key)) {
    to.as_object()[key] = *value;
  } else {
    to.as_object().erase(key);
  }
}

}  // namespace

void Strategy::prepare_for_create(const WriteContext& context, Json& object) const {
  if (has_status()) object.as_object().erase("status");
}

void Strategy::prepare_for_update(const WriteContext& context, Json& object, const Json& old) const {
  if (context.subresource == "status") {
    Json kept = old;
    copy_member(kept, object, "status");
    copy_member(kept, object, "metadata");
    copy_member(kept.as_object()["metadata"], *api::member(old, "metadata"), "ownerReferences");
    object = std::move(kept);
    return;
  }
  // Binding, scale, finalize ...: the registry's own code made the change, and of the status what it meant
  // to.
  if (!context.subresource.empty()) return;
  if (has_status()) copy_member(object, old, "status");
}

bool Strategy::new_generation(const Json& object, const Json& old) const {
  if (api::member(object, "spec") == nullptr) return false;
  for (const auto& [key, value] : object.as_object()) {
    if (key == "metadata" || key == "status") continue;
    const Json* before = api::member(old, key);
    if (before == nullptr || *before != value) return true;
  }
  for (const auto& [key, value] : old.as_object()) {
    if (key != "metadata" && key != "status" && api::member(object, key) == nullptr) return true;
  }
  return false;
}

std::vector<std::string> Strategy::reset_fields(const WriteContext& context) const {
  if (!has_status()) return {};
  if (context.subresource == "status") return {"spec"};
  return {"status"};
}

Strategy& StrategySet::of(const api::ResourceInfo& resource) {
  if (const auto* custom = custom_of(resource)) return custom->strategy();
  const auto found = strategies_.find(resource.gvr.qualified());
  return found == strategies_.end() ? plain_ : *found->second;
}

void StrategySet::add(std::string_view qualified_resource, std::unique_ptr<Strategy> strategy) {
  strategies_[std::string(qualified_resource)] = std::move(strategy);
}

}  // namespace mk::apiserver
