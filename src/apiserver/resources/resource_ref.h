#pragma once

#include <memory>

#include "mk/api/resource.h"

namespace mk::apiserver {

// One resource, for as long as a request needs it: built-in ones live for ever, those of CRDs until the last
// request that found them has ended.
class ResourceRef {
 public:
  ResourceRef() = default;
  ResourceRef(const api::ResourceInfo* builtin) : info_(builtin) {}
  explicit ResourceRef(std::shared_ptr<const api::ResourceInfo> added)
      : info_(added.get()), keep_(std::move(added)) {}

  const api::ResourceInfo& operator*() const { return *info_; }
  const api::ResourceInfo* operator->() const { return info_; }
  explicit operator bool() const { return info_ != nullptr; }
  friend bool operator==(const ResourceRef& ref, std::nullptr_t) { return ref.info_ == nullptr; }

 private:
  const api::ResourceInfo* info_ = nullptr;
  std::shared_ptr<const api::ResourceInfo> keep_;
};

}  // namespace mk::apiserver
