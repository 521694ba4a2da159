#pragma once

#include <functional>
#include <map>
#include <string>

#include "registry/context.h"

namespace mk::apiserver {

// Resources and subresources that are asked, not stored: reviews, tokens, bindings, evictions. Both
// transports find them here by "resource" or "resource/subresource".
class VirtualResources {
 public:
  // What was posted in; what is answered out.
  using Create = std::function<rt::Task<Result<api::Json>>(WriteContext& context, api::Json body)>;

  void add(std::string name, Create create) { creates_[std::move(name)] = std::move(create); }
  // nullptr: none of that name.
  const Create* find(const api::Gvr& gvr, const std::string& subresource) const {
    const auto found =
        creates_.find(subresource.empty() ? gvr.qualified() : gvr.qualified() + "/" + subresource);
    return found == creates_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, Create> creates_;
};

}  // namespace mk::apiserver
