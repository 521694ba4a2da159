#include "kit/defined_resources.h"

#include <algorithm>

namespace mk::controller {

DefinedResources::DefinedResources(client::Informer& definitions) {
  definitions.on_change([this](const api::Object& before, const api::Object& after) {
    follow(std::string((after ? after : before).name()), after);
  });
}

const api::ResourceInfo* DefinedResources::keep(api::ResourceInfo resource) {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& known) {
    return known->gvr == resource.gvr && known->kind == resource.kind &&
           known->namespaced == resource.namespaced;
  });
  if (found != kept_.end()) return found->get();
  kept_.push_back(std::make_unique<const api::ResourceInfo>(std::move(resource)));
  return kept_.back().get();
}

void DefinedResources::follow(const std::string& definition, const api::Object& object) {
  Versions now;
  // A copy of our own: definitions are large, and the shared object shall not keep a parsed form.
  const api::Object copy = object ? api::Object(object.bytes()) : api::Object();
  if (copy) {
    for (auto& resource : api::defined_resources(copy.json())) now.push_back(keep(std::move(resource)));
  }
  const Versions before = std::exchange(served_[definition], now);
  if (now.empty()) served_.erase(definition);
  const auto* old = before.empty() ? nullptr : before.front();
  const auto* fresh = now.empty() ? nullptr : now.front();
  if (old == fresh) return;
  for (const auto& handler : handlers_) {
    if (old) handler(*old, false);
    if (fresh) handler(*fresh, true);
  }
}

std::vector<const api::ResourceInfo*> DefinedResources::all() const {
  std::vector<const api::ResourceInfo*> out;
  for (const auto& [definition, versions] : served_) out.push_back(versions.front());
  return out;
}

const api::ResourceInfo* DefinedResources::find(const api::Gvk& kind) const {
  for (const auto& [definition, versions] : served_) {
    for (const auto* resource : versions) {
      if (resource->gvk() == kind) return resource;
    }
  }
  return nullptr;
}

}  // namespace mk::controller
