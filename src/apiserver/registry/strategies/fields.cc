#include "registry/strategies/fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::apiserver {

using api::Json;

namespace {

std::string quoted(std::string_view text) {
  return api::to_json(api::text(text));
}

constexpr std::size_t kAnnotationBytesMax = 256 * 1024;

}  // namespace

std::string Path::str() const {
  std::string text = parent_ ? parent_->str() : "";
  if (index_ >= 0) return text + fmt::format("[{}]", index_);
  if (key_) return text + fmt::format("[{}]", name_);
  if (!text.empty() && !name_.empty()) text += '.';
  return text.append(name_);
}

void Report::invalid(const Path& path, const Json& value, std::string_view detail) {
  causes_.push_back(api::invalid(path.str(), api::to_json(value), detail));
}

void Report::invalid(const Path& path, std::string_view value, std::string_view detail) {
  causes_.push_back(api::invalid(path.str(), quoted(value), detail));
}

void Report::invalid(const Path& path, std::int64_t value, std::string_view detail) {
  causes_.push_back(api::invalid(path.str(), fmt::to_string(value), detail));
}

void Report::not_supported(const Path& path, std::string_view value,
                           const std::vector<std::string>& supported) {
  causes_.push_back(api::not_supported(path.str(), quoted(value), supported));
}

void Report::duplicate(const Path& path, std::string_view value) {
  causes_.push_back(api::duplicate(path.str(), quoted(value)));
}

void Report::duplicate(const Path& path, std::int64_t value) {
  causes_.push_back(api::duplicate(path.str(), fmt::to_string(value)));
}

void Report::not_found(const Path& path, std::string_view value) {
  causes_.emplace_back(path.str(), "FieldValueNotFound", fmt::format("Not found: {}", quoted(value)));
}

void Report::too_many(const Path& path, std::size_t actual, std::size_t count_max) {
  causes_.emplace_back(path.str(), "FieldValueTooMany",
                       fmt::format("Too many: {}: must have at most {} {}", actual, count_max,
                                   count_max == 1 ? "item" : "items"));
}

void check_enum(const Json& object, std::string_view field, const std::vector<std::string>& supported,
                const Path& path, Report& report, Presence presence) {
  const auto value = api::str(object, field);
  if (std::find(supported.begin(), supported.end(), value) != supported.end()) return;
  if (!value.empty()) return report.not_supported(path.child(field), value, supported);
  if (presence == Presence::kRequired) report.required(path.child(field));
}

void check_non_negative(const Json& object, std::string_view field, const Path& path, Report& report) {
  if (const auto value = api::num(object, field); value < 0)
    report.invalid(path.child(field), value, kNotNegative);
}

void check_positive(const Json& object, std::string_view field, const Path& path, Report& report) {
  if (api::find(object, field) == nullptr) return;
  if (const auto value = api::num(object, field); value <= 0) {
    report.invalid(path.child(field), value, "must be greater than 0");
  }
}

bool same(const Json& left, const Json& right, std::string_view field) {
  const Json* a = api::find(left, field);
  const Json* b = api::find(right, field);
  return a == nullptr || b == nullptr ? a == b : *a == *b;
}

void check_immutable(const Json& object, const Json& old, std::string_view field, Report& report) {
  if (same(object, old, field)) return;
  const Json* value = api::find(object, field);
  report.invalid(Path(field), value ? *value : Json(), "field is immutable");
}

void validate_labels(const api::JsonObject& labels, const Path& path, Report& report) {
  for (const auto& label : labels) {
    const std::string_view key = label.key();
    report.check(path, key, api::check_qualified_name(key));
    report.check(path, text_of(label.value()), api::check_label_value(text_of(label.value())));
  }
}

void validate_annotations(const api::JsonObject& annotations, const Path& path, Report& report) {
  std::size_t bytes = 0;
  for (const auto& annotation : annotations) {
    const std::string_view key = annotation.key();
    report.check(path, key, api::check_qualified_name(to_lower(key)));
    bytes += key.size() + text_of(annotation.value()).size();
  }
  if (bytes > kAnnotationBytesMax) report.too_long(path, kAnnotationBytesMax);
}

void validate_template_metadata(const Json& metadata, const Path& path, Report& report) {
  validate_labels(api::object(metadata, "labels"), path.child("labels"), report);
  validate_annotations(api::object(metadata, "annotations"), path.child("annotations"), report);
}

Json* edit(Json& root, std::string_view path) {
  // The found value belongs to `root`, which is not const.
  return const_cast<Json*>(api::find(root, path));
}

api::JsonArray* edit_list(Json& root, std::string_view path) {
  Json* value = edit(root, path);
  return value ? value->if_array() : nullptr;
}

void default_to(Json& object, std::string_view path, Json value) {
  if (object.is_object() && api::find(object, path) == nullptr) api::set(object, path, std::move(value));
}

void default_text(Json& object, std::string_view path, std::string_view value) {
  const Json* there = api::find(object, path);
  const auto* text = there ? there->if_string() : nullptr;
  if (object.is_object() && (there == nullptr || (text != nullptr && text->empty()))) {
    api::set(object, path, api::text(value));
  }
}

void copy_field(Json& object, const Json& from, std::string_view path) {
  if (const Json* value = api::find(from, path)) {
    api::set(object, path, *value);
  } else {
    api::erase(object, path);
  }
}

Json without(Json object, std::initializer_list<std::string_view> paths) {
  for (const auto path : paths) api::erase(object, path);
  return object;
}

}  // namespace mk::apiserver
