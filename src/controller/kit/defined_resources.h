#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mk/api/resource.h"
#include "mk/client/informer.h"

namespace mk::controller {

inline const api::Gvr kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};

// The resources that CustomResourceDefinitions add to the built-in ones, for those who must know every
// resource there is. Pointers stay valid for ever: kinds are few, and whoever followed one may hold it a
// while longer.
class DefinedResources {
 public:
  // Before the informer starts.
  explicit DefinedResources(client::Informer& definitions);

  // A resource came to be served, or is no longer. One version of each definition, the preferred one.
  using Handler = std::function<void(const api::ResourceInfo& resource, bool served)>;
  void on_change(Handler handler) { handlers_.push_back(std::move(handler)); }

  std::vector<const api::ResourceInfo*> all() const;
  // By any version that is served; nullptr: none.
  const api::ResourceInfo* find(const api::Gvk& kind) const;

 private:
  using Versions = std::vector<const api::ResourceInfo*>;  // preferred first
  void follow(const std::string& definition, const api::Object& object);
  const api::ResourceInfo* keep(api::ResourceInfo resource);

  std::vector<std::unique_ptr<const api::ResourceInfo>> kept_;
  std::map<std::string, Versions> served_;  // by definition
  std::vector<Handler> handlers_;
};

}  // namespace mk::controller
