#include <array>
#include <compare>
#include <optional>
#include <string>

#include "check/functions.h"
#include "library/opaque.h"
#include "mk/base/strings.h"

// Semantic versions (semver.org 2.0.0).
namespace mk::cel {

namespace {

struct Version {
  std::array<std::int64_t, 3> numbers{};
  std::vector<std::string> prerelease;

  bool operator==(const Version& other) const = default;
};

struct VersionKind {
  static constexpr const char* kName = "kubernetes.Semver";
};
using Box = Boxed<VersionKind, Version>;

bool digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}
bool leading_zero(std::string_view text) {
  return text.size() > 1 && text[0] == '0';
}
bool identifiers(std::string_view text, bool numbers_are_canonical) {
  for (const auto part : split(text, '.')) {
    if (part.empty() ||
        part.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-") !=
            std::string_view::npos)
      return false;
    if (numbers_are_canonical && digits(part) && leading_zero(part)) return false;
  }
  return true;
}

// Normalized: a leading "v", missing minor and patch and leading zeros are fine.
std::optional<Version> parse(std::string_view text, bool normalize) {
  if (normalize && text.starts_with("v")) text.remove_prefix(1);
  Version out;
  if (const auto plus = text.find('+'); plus != std::string_view::npos) {
    if (!identifiers(text.substr(plus + 1), false)) return std::nullopt;
    text = text.substr(0, plus);
  }
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    if (!identifiers(text.substr(dash + 1), true)) return std::nullopt;
    for (const auto part : split(text.substr(dash + 1), '.')) out.prerelease.emplace_back(part);
    text = text.substr(0, dash);
  }
  const auto parts = split(text, '.');
  if (parts.size() > 3 || (!normalize && parts.size() != 3)) return std::nullopt;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto number = parse_int(parts[i]);
    if (!digits(parts[i]) || !number || (!normalize && leading_zero(parts[i]))) return std::nullopt;
    out.numbers[i] = *number;
  }
  return out;
}

int sign(std::strong_ordering order) {
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

// Numbers before words, numbers by value (leading zeros are excluded, so longer is larger).
int compare_identifiers(const std::string& left, const std::string& right) {
  const bool left_number = digits(left), right_number = digits(right);
  if (left_number != right_number) return left_number ? -1 : 1;
  if (left_number && left.size() != right.size()) return left.size() < right.size() ? -1 : 1;
  return sign(left <=> right);
}

int compare_versions(const Version& left, const Version& right) {
  if (const auto order = left.numbers <=> right.numbers; order != 0) return sign(order);
  if (left.prerelease.empty() || right.prerelease.empty())
    return static_cast<int>(left.prerelease.empty()) - static_cast<int>(right.prerelease.empty());
  for (std::size_t i = 0; i < left.prerelease.size() && i < right.prerelease.size(); ++i) {
    if (const int order = compare_identifiers(left.prerelease[i], right.prerelease[i]); order != 0)
      return order;
  }
  return sign(left.prerelease.size() <=> right.prerelease.size());
}

Value is_semver(Arguments a) {
  return Value::of(parse(a[0].as_string(), a.size() > 1 && a[1].as_bool()).has_value());
}
Value semver(Arguments a) {
  auto version = parse(a[0].as_string(), a.size() > 1 && a[1].as_bool());
  return version ? Box::box(std::move(*version))
                 : Value::error("Invalid semantic version: " + std::string(a[0].as_string()));
}
template <std::size_t kIndex>
Value number(Arguments a) {
  return Value::integer(Box::of(a[0]).numbers[kIndex]);
}
Value compare_to(Arguments a) {
  return Value::integer(compare_versions(Box::of(a[0]), Box::of(a[1])));
}
Value less(Arguments a) {
  return Value::of(compare_versions(Box::of(a[0]), Box::of(a[1])) < 0);
}
Value greater(Arguments a) {
  return Value::of(compare_versions(Box::of(a[0]), Box::of(a[1])) > 0);
}

constexpr FunctionRow kRows[] = {{"isSemver(string): bool", is_semver, Cost::kTraverse},
                                 {"isSemver(string, bool): bool", is_semver, Cost::kTraverse},
                                 {"semver(string): kubernetes.Semver", semver, Cost::kTraverse},
                                 {"semver(string, bool): kubernetes.Semver", semver, Cost::kTraverse},
                                 {"kubernetes.Semver::major(): int", number<0>},
                                 {"kubernetes.Semver::minor(): int", number<1>},
                                 {"kubernetes.Semver::patch(): int", number<2>},
                                 {"kubernetes.Semver::compareTo(kubernetes.Semver): int", compare_to},
                                 {"kubernetes.Semver::isLessThan(kubernetes.Semver): bool", less},
                                 {"kubernetes.Semver::isGreaterThan(kubernetes.Semver): bool", greater}};

}  // namespace

std::span<const FunctionRow> semver_functions() {
  return kRows;
}

}  // namespace mk::cel
