#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mk/base/result.h"

namespace mk::api {

// A regular expression of a CRD's schema (`pattern`): matches anywhere in the text unless anchored, as in Go.
class Pattern {
 public:
  static Result<std::shared_ptr<const Pattern>> compile(std::string_view source);
  virtual ~Pattern() = default;
  // False also where matching would take too long.
  virtual bool matches(std::string_view text) const = 0;
};

}  // namespace mk::api
