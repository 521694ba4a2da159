#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mk::apiserver {

// Who asks: authentication.k8s.io/v1 UserInfo.
struct UserInfo {
  std::string name, uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;

  bool in_group(std::string_view group) const {
    return std::find(groups.begin(), groups.end(), group) != groups.end();
  }
};

// What is asked, as authorization sees it: authorization.k8s.io/v1 ResourceAttributes or
// NonResourceAttributes.
struct Attributes {
  UserInfo user;
  std::string verb;  // "get", "list", "create" ...; for paths the lower-case HTTP method
  bool resource_request = true;
  std::string group, version, resource, subresource, ns, name;
  std::string path;  // of a non-resource request
  // Of list, watch and deletecollection, as they came ("spec.nodeName=a"). Only the node authorizer looks at
  // them.
  std::string field_selector, label_selector;
};

}  // namespace mk::apiserver
