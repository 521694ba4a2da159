#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cacher/cacher.h"
#include "mk/api/schema.h"
#include "mk/rt/clock.h"
#include "resources/resource_ref.h"
#include "user.h"

namespace mk::apiserver {

enum class FieldValidation { kIgnore, kWarn, kStrict };

// One write on its way through decoding, admission, validation and storage.
struct WriteContext {
  ResourceRef resource;
  UserInfo user;
  std::string ns, name;     // from the URL
  std::string subresource;  // "", "status", "scale", "finalize" ...
  std::string operation;    // "CREATE", "UPDATE", "DELETE", "CONNECT"
  std::string field_manager;
  FieldValidation validation = FieldValidation::kStrict;
  bool dry_run = false;
  bool force = false;                         // apply
  mutable std::vector<std::string> warnings;  // sent as Warning headers; those who only judge warn too
  // What the request's text says twice, and that text if it is JSON: problems are told in its order.
  api::FieldProblems repeated;
  std::string_view document;
  std::string now;  // metav1.Time of this request
  // Asked before an apply or update makes an object that is not there: that takes the right to create.
  std::function<Result<void>()> may_create;
};

}  // namespace mk::apiserver
