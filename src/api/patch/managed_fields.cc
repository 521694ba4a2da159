#include "patch/managed_fields.h"

#include <algorithm>
#include <tuple>

namespace mk::api {
namespace {

constexpr std::size_t kUpdatersMax = 10;
constexpr std::string_view kAncient = "ancient-changes";

auto sort_key(const Json& entry) {
  return std::make_tuple(str(entry, "operation") != "Apply", str(entry, "time"), str(entry, "manager"),
                         str(entry, "apiVersion"), str(entry, "subresource"));
}

// A FieldsV1 object joined into another.
FieldSet to_set(const JsonObject& fields, bool root) {
  FieldSet out;
  out.member = !root && (fields.empty() || fields.contains("."));
  for (const auto& field : fields) {
    if (field.key() == "." || !field.value().is_object()) continue;
    out.children.emplace(field.key(), to_set(field.value().get_object(), false));
  }
  return out;
}

}  // namespace

ManagedFields::ManagedFields(JsonArray entries) : entries_(std::move(entries)) {
  JsonArray sound;
  for (auto& entry : entries_) {
    if (entry.is_object() && !str(entry, "operation").empty()) sound.push_back(std::move(entry));
  }
  entries_ = std::move(sound);
}

Json* ManagedFields::find(bool apply, const ApplyOptions& options) {
  for (auto& entry : entries_) {
    if ((str(entry, "operation") == "Apply") != apply || str(entry, "manager") != options.manager) continue;
    if (str(entry, "subresource") != options.subresource) continue;
    if (apply || str(entry, "apiVersion") == options.api_version) return &entry;
  }
  return nullptr;
}

JsonObject& ManagedFields::fields(Json& entry) {
  auto& node = entry.get_object()["fieldsV1"];
  return node.is_object() ? node.get_object() : node.emplace_object();
}

Json& ManagedFields::add(bool apply, const ApplyOptions& options) {
  JsonObject entry{{"manager", options.manager},        {"operation", apply ? "Apply" : "Update"},
                   {"apiVersion", options.api_version}, {"time", options.now},
                   {"fieldsType", "FieldsV1"},          {"fieldsV1", JsonObject()}};
  if (!options.subresource.empty()) entry.emplace("subresource", options.subresource);
  return entries_.emplace_back(std::move(entry));
}

void ManagedFields::drop_empty() {
  entries_.erase(
      std::remove_if(entries_.begin(), entries_.end(), [](Json& entry) { return fields(entry).empty(); }),
      entries_.end());
}

void ManagedFields::cap_updaters(const ApplyOptions& options) {
  std::vector<std::size_t> updaters;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (str(entries_[i], "operation") == "Update") updaters.push_back(i);
  }
  if (updaters.size() <= kUpdatersMax) return;
  std::stable_sort(updaters.begin(), updaters.end(), [&](std::size_t a, std::size_t b) {
    return str(entries_[a], "time") < str(entries_[b], "time");
  });
  const std::size_t surplus = updaters.size() - kUpdatersMax + 1;
  ApplyOptions ancient = options;
  ancient.manager = kAncient;
  ancient.subresource.clear();
  FieldSet joined;
  for (std::size_t i = 0; i < surplus; ++i) {
    auto& entry = entries_[updaters[i]];
    joined.unite(to_set(fields(entry), true));
    ancient.now = str(entry, "time");
    ancient.api_version = str(entry, "apiVersion");
    fields(entry).clear();
  }
  fields_unite(fields(add(false, ancient)), joined);
  drop_empty();
}

void ManagedFields::store(Json& object) && {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Json& a, const Json& b) { return sort_key(a) < sort_key(b); });
  if (entries_.empty())
    erase(object, "metadata.managedFields");
  else
    set(object, "metadata.managedFields", std::move(entries_));
}

}  // namespace mk::api
