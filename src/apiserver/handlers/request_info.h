#pragma once

#include <string>
#include <string_view>

#include "mk/api/resource.h"
#include "mk/base/result.h"

namespace mk::apiserver {

// What a URL and method ask for.
struct RequestInfo {
  bool resource_request = false;
  std::string verb;  // get list watch create update patch delete deletecollection connect; else the method
  std::string path;  // decoded, without query
  std::string group, version, resource, ns, name, subresource;
  std::string rest;  // what follows the subresource ("proxy/a/b" -> "a/b")
  bool collection() const { return resource_request && name.empty(); }
};

// Never fails: what is no resource URL is a path request. `watch` is the query's watch=true.
RequestInfo parse_request(std::string_view method, std::string_view path, bool watch);

}  // namespace mk::apiserver
