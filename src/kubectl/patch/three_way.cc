#include "patch/three_way.h"

#include "mk/base/strings.h"
#include "print/object_printer.h"

namespace mk::kubectl {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Type;

namespace {

const Json kNull(nullptr);

const Json& at(const Json& object, std::string_view key) {
  const Json* found = api::member(object, key);
  return found ? *found : kNull;
}

std::string_view key_of(const boost::json::key_value_pair& field) {
  return {field.key().data(), field.key().size()};
}

// Numbers compare by value: 1 and 1.0 are the same to the server.
bool same(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
  if (a.is_array() && b.is_array()) {
    const auto &x = a.get_array(), &y = b.get_array();
    if (x.size() != y.size()) return false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!same(x[i], y[i])) return false;
    }
    return true;
  }
  if (!a.is_object() || !b.is_object()) return a == b;
  if (a.get_object().size() != b.get_object().size()) return false;
  for (const auto& field : a.get_object()) {
    const Json* other = b.get_object().if_contains(field.key());
    if (other == nullptr || !same(field.value(), *other)) return false;
  }
  return true;
}

const Type* child_type(const Type* type, std::string_view key, const Type::Field** field) {
  *field = nullptr;
  if (type == nullptr) return nullptr;
  if (type->kind == Type::Kind::kMap) return type->element;
  *field = type->field(key);
  return *field ? (*field)->type : nullptr;
}

JsonObject diff_objects(const Type* type, const Json& original, const Json& modified, const Json& current);

const Json& element_by(const JsonArray& items, const std::string& merge_key, const Json& value) {
  for (const auto& item : items) {
    if (same(at(item, merge_key), value)) return item;
  }
  return kNull;
}

const JsonArray& as_list(const Json& value) {
  static const JsonArray none;
  return value.is_array() ? value.get_array() : none;
}

// Lists of objects with a merge key: element by element.
void diff_keyed_list(const Type* element, const Type::Field& field, const Json& original,
                     const Json& modified, const Json& current, JsonObject& patch) {
  const std::string& merge_key = field.patch_merge_key;
  JsonArray changes, order;
  for (const auto& item : as_list(modified)) {
    const Json& key = at(item, merge_key);
    order.push_back(JsonObject{{merge_key, key}});
    const Json& live = element_by(as_list(current), merge_key, key);
    if (live.is_null()) {
      changes.push_back(item);
      continue;
    }
    JsonObject change = diff_objects(element, element_by(as_list(original), merge_key, key), item, live);
    if (change.empty()) continue;
    change[merge_key] = key;
    changes.push_back(std::move(change));
  }
  for (const auto& item : as_list(original)) {
    const Json& key = at(item, merge_key);
    if (!element_by(as_list(modified), merge_key, key).is_null()) continue;
    if (element_by(as_list(current), merge_key, key).is_null()) continue;
    changes.push_back(JsonObject{{"$patch", "delete"}, {merge_key, key}});
  }
  if (changes.empty()) return;
  patch["$setElementOrder/" + field.name] = std::move(order);
  patch[field.name] = std::move(changes);
}

bool contains(const JsonArray& items, const Json& value) {
  for (const auto& item : items) {
    if (same(item, value)) return true;
  }
  return false;
}

// Sets of scalars (finalizers): additions and removals.
void diff_set(const Type::Field& field, const Json& original, const Json& modified, const Json& current,
              JsonObject& patch) {
  JsonArray added, removed;
  for (const auto& item : as_list(modified)) {
    if (!contains(as_list(current), item)) added.push_back(item);
  }
  for (const auto& item : as_list(original)) {
    if (!contains(as_list(modified), item) && contains(as_list(current), item)) removed.push_back(item);
  }
  if (!removed.empty()) patch["$deleteFromPrimitiveList/" + field.name] = std::move(removed);
  if (added.empty()) return;
  patch["$setElementOrder/" + field.name] = as_list(modified);
  patch[field.name] = std::move(added);
}

void diff_field(const Type* type, std::string_view key, const Json& original, const Json& modified,
                const Json& current, JsonObject& patch) {
  const Type::Field* field = nullptr;
  const Type* child = child_type(type, key, &field);
  if (current.is_null()) {
    patch[key] = modified;
    return;
  }
  if (modified.is_object() && current.is_object()) {
    JsonObject change = diff_objects(child, original, modified, current);
    if (change.empty()) return;
    if (field && field->patch_retain_keys) {
      JsonArray keys;
      for (const auto& entry : modified.get_object()) keys.push_back(api::text(key_of(entry)));
      change["$retainKeys"] = std::move(keys);
    }
    patch[key] = std::move(change);
    return;
  }
  if (same(modified, current)) return;
  if (field && field->patch_merge && modified.is_array() && current.is_array()) {
    if (!field->patch_merge_key.empty())
      return diff_keyed_list(child ? child->element : nullptr, *field, original, modified, current, patch);
    return diff_set(*field, original, modified, current, patch);
  }
  patch[key] = modified;
}

JsonObject diff_objects(const Type* type, const Json& original, const Json& modified, const Json& current) {
  JsonObject patch;
  for (const auto& field : modified.is_object() ? modified.get_object() : JsonObject()) {
    const auto key = key_of(field);
    if (field.value().is_null()) {
      if (api::member(current, key)) patch[field.key()] = nullptr;
    } else {
      diff_field(type, key, at(original, key), field.value(), at(current, key), patch);
    }
  }
  for (const auto& field : original.is_object() ? original.get_object() : JsonObject()) {
    const auto key = key_of(field);
    const bool kept = modified.is_object() && modified.get_object().contains(field.key());
    if (!kept && api::member(current, key)) patch[field.key()] = nullptr;
  }
  return patch;
}

}  // namespace

Json three_way_patch(const Type* type, const Json& original, const Json& modified, const Json& current) {
  return Json(diff_objects(type, original, modified, current));
}

std::string last_applied_text(const Json& manifest) {
  Json copy = manifest;
  JsonObject annotations = api::object(copy, "metadata.annotations");
  annotations.erase(kLastApplied);
  api::set(copy, "metadata.annotations", std::move(annotations));
  return api::to_json(sort_keys(copy)) + "\n";
}

Json with_last_applied(const Json& manifest) {
  Json out = manifest;
  JsonObject annotations = api::object(out, "metadata.annotations");
  annotations[kLastApplied] = api::text(last_applied_text(manifest));
  api::set(out, "metadata.annotations", std::move(annotations));
  return out;
}

Json last_applied_of(const Json& live) {
  const Json* annotations = api::find(live, "metadata.annotations");
  const Json* text = annotations ? api::member(*annotations, kLastApplied) : nullptr;
  if (text == nullptr || !text->is_string()) return nullptr;
  auto parsed = api::parse_json(std::string_view(text->get_string().data(), text->get_string().size()));
  return parsed.ok() ? std::move(*parsed) : Json(nullptr);
}

}  // namespace mk::kubectl
