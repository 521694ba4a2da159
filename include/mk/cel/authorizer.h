#pragma once

#include <memory>
#include <string>

#include "mk/cel/value.h"

// The `authorizer` variable of Kubernetes' expressions: authorizer.group('apps').resource('deployments')
// .namespace('n').check('create').allowed().
namespace mk::cel {

struct AuthorizationQuery {
  bool resource_request = false;
  std::string verb, path;  // path: of a non-resource request
  std::string group, version = "*", resource, subresource, ns, name;
  std::string field_selector, label_selector;
  // Set by serviceAccount(ns, name): asks for that account instead of the requester.
  std::string service_account_namespace, service_account_name;
  bool operator==(const AuthorizationQuery& other) const = default;
};

struct AuthorizationAnswer {
  bool allowed = false;
  std::string reason;
  std::string error;  // "" unless asking failed
};

// Who answers; supplied by the caller, and outlives the values made from it.
class AuthorizationSource {
 public:
  virtual ~AuthorizationSource() = default;
  virtual AuthorizationAnswer authorize(const AuthorizationQuery& query) const = 0;
};

// Types of variables: "authorizer" and, where an admission request is at hand, "authorizer.requestResource"
// (which is a field of the first).
TypePtr authorizer_type();
// `request`, if given, is what authorizer.requestResource stands for.
Value authorizer_value(const AuthorizationSource& source, const AuthorizationQuery* request = nullptr);

}  // namespace mk::cel
