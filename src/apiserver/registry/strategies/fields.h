#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/validation.h"

// What every kind's rules are written with: a path that costs nothing until something is wrong, a report of
// field errors, and editors for defaults.
namespace mk::apiserver {

// The path of a field, as a chain of frames on the stack: made into text only for an error. A child refers to
// its parent, so parents are named variables (the rvalue overloads are deleted for that reason).
class Path {
 public:
  explicit Path(std::string_view name) : name_(name) {}

  // `name` may be dotted; it must outlive the path (a literal).
  Path child(std::string_view name) const& { return Path(this, name, -1, false); }
  Path operator[](std::size_t index) const& {
    return Path(this, {}, static_cast<std::int64_t>(index), false);
  }
  Path key(std::string_view key) const& { return Path(this, key, -1, true); }
  Path child(std::string_view name) const&& = delete;
  Path operator[](std::size_t index) const&& = delete;
  Path key(std::string_view key) const&& = delete;

  std::string str() const;

 private:
  Path(const Path* parent, std::string_view name, std::int64_t index, bool key)
      : parent_(parent), name_(name), index_(index), key_(key) {}

  const Path* parent_ = nullptr;
  std::string_view name_;
  std::int64_t index_ = -1;
  bool key_ = false;
};

// Field errors in Kubernetes' words, gathered.
class Report {
 public:
  explicit Report(std::vector<Cause>& causes) : causes_(causes) {}

  void required(const Path& path, std::string_view detail = "") {
    causes_.push_back(api::required(path.str(), detail));
  }
  void invalid(const Path& path, const api::Json& value, std::string_view detail);
  void invalid(const Path& path, std::string_view value, std::string_view detail);
  void invalid(const Path& path, std::int64_t value, std::string_view detail);
  void invalid(const Path& path, const char* value, std::string_view detail) {
    invalid(path, std::string_view(value), detail);
  }
  void not_supported(const Path& path, std::string_view value, const std::vector<std::string>& supported);
  void forbidden(const Path& path, std::string_view detail) {
    causes_.push_back(api::forbidden(path.str(), detail));
  }
  void duplicate(const Path& path, std::string_view value);
  void duplicate(const Path& path, std::int64_t value);
  void not_found(const Path& path, std::string_view value);
  void too_long(const Path& path, std::size_t bytes_max) {
    causes_.push_back(api::too_long(path.str(), bytes_max));
  }
  void too_many(const Path& path, std::size_t actual, std::size_t count_max);

  // Reports `wrong` (the answer of a check_... function) unless it is empty.
  void check(const Path& path, std::string_view value, const std::string& wrong) {
    if (!wrong.empty()) invalid(path, value, wrong);
  }

  std::size_t count() const { return causes_.size(); }
  std::vector<Cause>& causes() { return causes_; }

 private:
  std::vector<Cause>& causes_;
};

// A field of `object` that must be one of `supported`. Missing: required, unless `optional`.
enum class Presence { kRequired, kOptional };
void check_enum(const api::Json& object, std::string_view field, const std::vector<std::string>& supported,
                const Path& path, Report& report, Presence presence = Presence::kRequired);
// A number that, when there, must be >= 0.
void check_non_negative(const api::Json& object, std::string_view field, const Path& path, Report& report);
void check_positive(const api::Json& object, std::string_view field, const Path& path, Report& report);
inline constexpr std::string_view kNotNegative = "must be greater than or equal to 0";

// The field at a dotted path may not change. Absent and absent are equal.
void check_immutable(const api::Json& object, const api::Json& old, std::string_view field, Report& report);
bool same(const api::Json& left, const api::Json& right, std::string_view field);

// Labels and annotations below `path` (metadata of templates; the registry checks an object's own metadata).
void validate_labels(const api::JsonObject& labels, const Path& path, Report& report);
void validate_annotations(const api::JsonObject& annotations, const Path& path, Report& report);
void validate_template_metadata(const api::Json& metadata, const Path& path, Report& report);

// Editors. All leave what is not of the expected shape alone.
api::Json* edit(api::Json& root, std::string_view path);            // nullptr: missing or null
api::JsonArray* edit_list(api::Json& root, std::string_view path);  // nullptr: missing or no array
// Sets what is missing. The text form also replaces "".
void default_to(api::Json& object, std::string_view path, api::Json value);
void default_text(api::Json& object, std::string_view path, std::string_view value);
// Makes `path` of `object` what it is in `from`: absent stays absent.
void copy_field(api::Json& object, const api::Json& from, std::string_view path);
// The object without a field, for comparisons.
api::Json without(api::Json object, std::initializer_list<std::string_view> paths);

inline std::string_view text_of(const api::Json& value) {
  const auto* text = value.if_string();
  return text ? std::string_view(*text) : std::string_view();
}

}  // namespace mk::apiserver
