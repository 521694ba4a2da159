#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "registry/context.h"

namespace mk::apiserver {

// Resources and subresources that are asked, not stored: reviews, tokens, bindings, evictions, metrics. Both
// transports find them here by "resource" or "resource/subresource".
class VirtualResources {
 public:
  // What was posted in; what is answered out.
  using Create = std::function<rt::Task<Result<api::Json>>(WriteContext& context, api::Json body)>;

  // Which of a resource's objects are asked for; "" for all.
  struct Query {
    std::string ns, name, label_selector, field_selector;
  };
  // The objects as of now; an empty list where `name` is not there.
  using Read = std::function<rt::Task<Result<std::vector<api::Object>>>(Query query)>;

  void add_reader(std::string name, Read read) { reads_[std::move(name)] = std::move(read); }
  // nullptr: its objects are stored.
  const Read* reader(const api::Gvr& gvr) const {
    const auto found = reads_.find(gvr.qualified());
    return found == reads_.end() ? nullptr : &found->second;
  }
  void add(std::string name, Create create) { creates_[std::move(name)] = std::move(create); }
  // nullptr: none of that name.
  const Create* find(const api::Gvr& gvr, const std::string& subresource) const {
    const auto found =
        creates_.find(subresource.empty() ? gvr.qualified() : gvr.qualified() + "/" + subresource);
    return found == creates_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, Create> creates_;
  std::map<std::string, Read> reads_;
};

}  // namespace mk::apiserver
