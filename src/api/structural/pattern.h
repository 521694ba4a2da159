#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mk/base/result.h"

namespace mk::api {

// A regular expression of a CRD's schema (`pattern`): Go's syntax, matched anywhere in the text unless
// anchored, in linear time (whoever may write a CRD writes them, so a library that backtracks would be a way
// to stop the server).
class Pattern {
 public:
  static Result<std::shared_ptr<const Pattern>> compile(std::string_view source);
  virtual ~Pattern() = default;
  virtual bool matches(std::string_view text) const = 0;
};

}  // namespace mk::api
