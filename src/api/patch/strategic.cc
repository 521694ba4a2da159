#include <fmt/format.h>

#include <algorithm>

#include "mk/api/patch.h"

namespace mk::api {
namespace {

constexpr std::string_view kPatch = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kDeletePrimitives = "$deleteFromPrimitiveList/";
constexpr std::string_view kSetOrder = "$setElementOrder/";

Error bad(std::string text) {
  return Error(Reason::kBadRequest, std::move(text));
}

bool directive(std::string_view key) {
  return key == kPatch || key == kRetainKeys || key.starts_with(kDeletePrimitives) ||
         key.starts_with(kSetOrder);
}

bool contains(const JsonArray& list, const Json& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

const Json* merge_key_of(const Json& element, std::string_view key) {
  return member(element, key);
}

// What a patch says about one field's merging; a field the schema does not know merges maps, replaces lists.
struct Plan {
  const Type* type = nullptr;
  const Type::Field* field = nullptr;
  bool merges_list() const { return field && field->patch_merge; }
  bool replaces() const { return field && field->patch_replace && !field->patch_merge; }
  std::string_view merge_key() const {
    return field ? std::string_view(field->patch_merge_key) : std::string_view();
  }
  const Type* element() const { return type && type->kind == Type::Kind::kArray ? type->element : nullptr; }
};

Plan plan_of(const Type* type, std::string_view key) {
  if (type && type->kind == Type::Kind::kMap) return {type->element, nullptr};
  const auto* field = type ? type->field(key) : nullptr;
  return {field ? field->type : nullptr, field};
}

Result<void> merge_map(const Type* type, JsonObject& original, const JsonObject& patch);

// A patch value where the original has none: its directives act on nothing.
Result<Json> fresh(const Plan& plan, const Json& patch);

Result<void> merge_element(const Plan& plan, JsonArray& original, const Json& element) {
  const auto key_name = plan.merge_key();
  const auto* key = merge_key_of(element, key_name);
  if (!key)
    return bad(fmt::format("map: {} does not contain declared merge key: {}", to_json(element), key_name));
  const auto at = std::find_if(original.begin(), original.end(), [&](const Json& candidate) {
    const auto* other = merge_key_of(candidate, key_name);
    return other && *other == *key;
  });
  if (str(element, kPatch) == "delete") {
    if (at != original.end()) original.erase(at);
    return ok();
  }
  if (at != original.end() && at->is_object())
    return merge_map(plan.element(), at->get_object(), element.get_object());
  JsonObject made;
  MK_TRY(merge_map(plan.element(), made, element.get_object()));
  original.push_back(std::move(made));
  return ok();
}

// Elements the client knows stand in the client's order; those only the server knows keep their place
// relative to them.
void reorder(const Plan& plan, JsonArray& merged, const JsonArray& before, const JsonArray& order) {
  const auto key_name = plan.merge_key();
  const auto index_in = [&](const JsonArray& list, const Json& element) -> std::ptrdiff_t {
    const auto* key = key_name.empty() ? &element : merge_key_of(element, key_name);
    for (std::size_t i = 0; key && i < list.size(); ++i) {
      const auto* other = key_name.empty() ? &list[i] : merge_key_of(list[i], key_name);
      if (other && *other == *key) return static_cast<std::ptrdiff_t>(i);
    }
    return -1;
  };
  std::vector<std::pair<std::ptrdiff_t, Json>> known;
  std::vector<Json> server_only;
  for (auto& element : merged) {
    const auto position = index_in(order, element);
    if (position >= 0)
      known.emplace_back(position, std::move(element));
    else
      server_only.push_back(std::move(element));
  }
  std::stable_sort(known.begin(), known.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  JsonArray out;
  std::size_t k = 0, s = 0;
  while (k < known.size() || s < server_only.size()) {
    bool take_server = k == known.size();
    if (k < known.size() && s < server_only.size()) {
      const auto place = index_in(before, known[k].second);
      take_server = place >= 0 && index_in(before, server_only[s]) < place;
    }
    out.push_back(take_server ? std::move(server_only[s++]) : std::move(known[k++].second));
  }
  merged = std::move(out);
}

// One element {"$patch": "replace"} makes the rest of the patch the whole list.
bool replaces_list(const JsonArray& patch) {
  return std::any_of(patch.begin(), patch.end(), [](const Json& e) { return str(e, kPatch) == "replace"; });
}

Result<void> merge_list(const Plan& plan, JsonArray& original, const JsonArray& patch) {
  if (replaces_list(patch)) original.clear();
  const JsonArray before = original;
  for (const auto& element : patch) {
    const auto* fields = element.if_object();
    if (!fields) {
      if (!contains(original, element)) original.push_back(element);
      continue;
    }
    if (str(element, kPatch) == "replace" && fields->size() == 1) continue;
    if (plan.merge_key().empty())
      return bad(fmt::format("cannot merge list of objects without a merge key: {}", to_json(element)));
    MK_TRY(merge_element(plan, original, element));
  }
  // One element in the place it had leaves the order as it was.
  if (patch.size() > 1 || original.size() > before.size()) reorder(plan, original, before, patch);
  return ok();
}

Result<void> merge_field(const Type* type, JsonObject& original, std::string_view key, const Json& patch) {
  if (patch.is_null()) {
    if (const auto at = original.find(key); at != original.end()) original.stable_erase(at);
    return ok();
  }
  const auto plan = plan_of(type, key);
  auto* current = original.if_contains(key);
  const bool maps = current && current->is_object() && patch.is_object();
  const bool lists = current && current->is_array() && patch.is_array();
  if (maps && !plan.replaces()) return merge_map(plan.type, current->get_object(), patch.get_object());
  if (lists && plan.merges_list()) return merge_list(plan, current->get_array(), patch.get_array());
  MK_ASSIGN(auto value, fresh(plan, patch));
  original[key] = std::move(value);
  return ok();
}

Result<Json> fresh(const Plan& plan, const Json& patch) {
  if (const auto* fields = patch.if_object()) {
    JsonObject made;
    MK_TRY(merge_map(plan.type, made, *fields));
    return Json(std::move(made));
  }
  const auto* elements = patch.if_array();
  if (!elements) return patch;
  JsonArray made;
  if (plan.merges_list()) {
    MK_TRY(merge_list(plan, made, *elements));
    return Json(std::move(made));
  }
  for (const auto& element : *elements) {
    MK_ASSIGN(auto value, fresh(Plan{plan.element(), nullptr}, element));
    made.push_back(std::move(value));
  }
  return Json(std::move(made));
}

void retain_keys(JsonObject& original, const JsonArray& keep) {
  for (auto at = original.begin(); at != original.end();) {
    at = contains(keep, Json(at->key())) ? at + 1 : original.stable_erase(at);
  }
}

Result<void> apply_list_directives(const Type* type, JsonObject& original, const JsonObject& before,
                                   const JsonObject& patch) {
  for (const auto& entry : patch) {
    const std::string_view name = entry.key();
    if (!name.starts_with(kSetOrder)) continue;
    const auto key = name.substr(kSetOrder.size());
    const auto* order = entry.value().if_array();
    if (!order) return bad(fmt::format("{} must be a list", name));
    auto* list = original.if_contains(key);
    const auto* old = before.if_contains(key);
    static const JsonArray none;
    if (list && list->is_array())
      reorder(plan_of(type, key), list->get_array(), old && old->is_array() ? old->get_array() : none,
              *order);
  }
  return ok();
}

Result<void> delete_primitives(JsonObject& original, const JsonObject& patch) {
  for (const auto& entry : patch) {
    const std::string_view name = entry.key();
    if (!name.starts_with(kDeletePrimitives)) continue;
    const auto* doomed = entry.value().if_array();
    if (!doomed) return bad(fmt::format("{} must be a list", name));
    auto* list = original.if_contains(name.substr(kDeletePrimitives.size()));
    auto* elements = list ? list->if_array() : nullptr;
    if (!elements) continue;
    JsonArray kept;
    for (const auto& element : *elements) {
      if (!contains(*doomed, element)) kept.push_back(element);
    }
    *elements = std::move(kept);
  }
  return ok();
}

Result<void> merge_map(const Type* type, JsonObject& original, const JsonObject& patch) {
  if (const auto* what = patch.if_contains(kPatch)) {
    const auto text = what->is_string() ? std::string_view(what->get_string()) : std::string_view();
    if (text == "replace" || text == "delete") original.clear();
    if (text == "delete") return ok();
    if (text != "replace" && text != "merge")
      return bad(fmt::format("unknown patch type: {}", to_json(*what)));
  }
  const bool ordered = std::any_of(patch.begin(), patch.end(), [](const auto& e) {
    return std::string_view(e.key()).starts_with(kSetOrder);
  });
  const JsonObject before = ordered ? original : JsonObject();
  if (const auto* keep = patch.if_contains(kRetainKeys)) {
    if (!keep->is_array()) return bad("$retainKeys must be a list");
    for (const auto& field : patch) {
      if (!directive(field.key()) && !field.value().is_null() &&
          !contains(keep->get_array(), Json(field.key()))) {
        return bad(fmt::format("{} is not in the $retainKeys list {}", field.key(), to_json(*keep)));
      }
    }
    retain_keys(original, keep->get_array());
  }
  MK_TRY(delete_primitives(original, patch));
  for (const auto& field : patch) {
    if (!directive(field.key())) MK_TRY(merge_field(type, original, field.key(), field.value()));
  }
  return apply_list_directives(type, original, before, patch);
}

}  // namespace

Result<Json> apply_strategic_merge_patch(const Type& type, const Json& document, const Json& patch) {
  const auto* changes = patch.if_object();
  if (!changes) return bad("a strategic merge patch must be a JSON object");
  JsonObject result = document.is_object() ? document.get_object() : JsonObject();
  MK_TRY(merge_map(&type, result, *changes));
  return Json(std::move(result));
}

}  // namespace mk::api
