#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "resources/resource_ref.h"

namespace mk::apiserver {

// Every resource that is served: the built-in ones, and those that definitions add and take away. A built-in
// resource is found without looking at the others.
class ResourceTable {
 public:
  using Added = std::vector<std::shared_ptr<const api::ResourceInfo>>;

  // Empty when not served.
  ResourceRef find(const api::Gvr& gvr) const;

  // Replaces what `owner` has added; empty takes it away.
  void set(const std::string& owner, Added resources);
  const Added& of(const std::string& owner) const;
  // Another number whenever something was replaced.
  std::uint64_t generation() const { return generation_; }

  // Built-in resources in their order, then the added ones by group, preferred versions first.
  void for_each(const std::function<void(const api::ResourceInfo&)>& visit) const;
  // The added ones alone, in that order.
  const Added& added() const { return in_order_; }

 private:
  std::map<std::string, Added> owners_;
  std::map<api::Gvr, std::shared_ptr<const api::ResourceInfo>> added_;
  Added in_order_;
  std::uint64_t generation_ = 1;
};

}  // namespace mk::apiserver
