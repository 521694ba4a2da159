#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mk/base/result.h"

namespace mk::api {

// resource.Quantity: a decimal with a suffix ("100m", "1.5Gi", "2e3"). Held exactly as an integer count of
// nano-units (finer digits round up); value() and milli_value() saturate at +-2^63-1.
class Quantity {
 public:
  Quantity() = default;
  static Result<Quantity> parse(std::string_view text);
  static Quantity of(std::int64_t units);
  static Quantity milli(std::int64_t thousandths);

  std::int64_t value() const;        // rounded up to whole units (bytes, pods)
  std::int64_t milli_value() const;  // rounded up to thousandths (CPU)
  std::string str() const;  // canonical form, keeping the suffix family (Ki.., k.., e3) it was parsed with

  Quantity operator+(const Quantity& other) const;
  Quantity operator-(const Quantity& other) const;
  std::strong_ordering operator<=>(const Quantity& other) const;
  bool operator==(const Quantity& other) const { return (*this <=> other) == 0; }

 private:
  enum class Format { kDecimalSi, kBinarySi, kDecimalExponent };
  __int128 nanos_ = 0;
  Format format_ = Format::kDecimalSi;
};

}  // namespace mk::api
