#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "mk/base/strings.h"
#include "patch/managed_fields.h"

namespace mk::api {
namespace {

// What nobody owns: identity and what the server writes by itself.
FieldSet ignored_fields(const ApplyOptions& options) {
  FieldSet out;
  for (const std::string_view name : {"apiVersion", "kind"})
    out.children["f:" + std::string(name)].member = true;
  auto& metadata = out.children["f:metadata"];
  for (const std::string_view name : {"name", "namespace", "creationTimestamp", "selfLink", "uid",
                                      "generation", "managedFields", "resourceVersion"}) {
    metadata.children["f:" + std::string(name)].member = true;
  }
  for (const auto& path : options.reset_fields) {
    std::vector<std::string> elements;
    for (const auto part : split(path, '.')) elements.push_back("f:" + std::string(part));
    out.insert(elements);
  }
  return out;
}

// Takes `ignored` out of `set`, whole subtrees at its leaves.
void strip(FieldSet& set, const FieldSet& ignored) {
  for (const auto& [name, below] : ignored.children) {
    const auto at = set.children.find(name);
    if (at == set.children.end()) continue;
    if (below.children.empty() || (strip(at->second, below), at->second.children.empty()))
      set.children.erase(at);
  }
}

// ---- merging ----

Json merge_values(const Type* type, const Json& live, const Json& applied);

Json merge_elements(const Type& type, const JsonArray& live, const JsonArray& applied) {
  std::map<std::string, const Json*> ours, theirs;
  for (const auto& element : live) ours.emplace(element_name(type, element), &element);
  for (const auto& element : applied) theirs.emplace(element_name(type, element), &element);
  JsonArray out;
  // The applied order, with the live elements it does not mention kept where they stand between them.
  std::size_t l = 0;
  const auto flush_unmentioned = [&] {
    for (; l < live.size() && !theirs.contains(element_name(type, live[l])); ++l) out.push_back(live[l]);
  };
  for (const auto& element : applied) {
    flush_unmentioned();
    const auto match = ours.find(element_name(type, element));
    if (match == ours.end()) {
      out.push_back(element);
      continue;
    }
    out.push_back(merge_values(type.element, *match->second, element));
    if (l < live.size()) ++l;  // a mentioned one: it comes in the applied order
  }
  for (; l < live.size(); ++l) {
    if (!theirs.contains(element_name(type, live[l]))) out.push_back(live[l]);
  }
  return out;
}

Json merge_values(const Type* type, const Json& live, const Json& applied) {
  const auto shape = shape_of(type, applied);
  if (shape == Shape::kLeaf || shape_of(type, live) != shape) return applied;
  if (shape == Shape::kElements) return merge_elements(*type, live.get_array(), applied.get_array());
  JsonObject out = live.get_object();
  for (const auto& field : applied.get_object()) {
    auto* current = out.if_contains(field.key());
    if (current)
      *current = merge_values(child_type(type, field.key()), *current, field.value());
    else
      out.emplace(field.key(), field.value());
  }
  return out;
}

// ---- pruning ----

using Owners = std::vector<const JsonObject*>;

Owners owners_below(const Owners& owners, std::string_view element) {
  Owners below;
  for (const auto* fields : owners) {
    const auto* child = fields->if_contains(element);
    if (child && child->is_object()) below.push_back(&child->get_object());
  }
  return below;
}

bool hollow(const Json& value) {
  const auto* fields = value.if_object();
  const auto* elements = value.if_array();
  return (fields && fields->empty()) || (elements && elements->empty());
}

void prune(const Type* type, Json& value, const JsonObject& last, const Owners& owners);

// Whether the part `element` of a value goes away. `last`: what its applier owned of it before.
bool prune_part(const Type* type, Json& part, const JsonObject& last, const Owners& owners) {
  const bool was_owned_whole = last.empty() || last.contains(".");
  if (owners.empty() && was_owned_whole) return true;
  if (last.empty()) return false;
  const bool was_hollow = hollow(part);
  prune(type, part, last, owners);
  // A struct that only its pruned fields brought into being goes with them.
  return owners.empty() && !was_hollow && hollow(part);
}

void prune(const Type* type, Json& value, const JsonObject& last, const Owners& owners) {
  const auto shape = shape_of(type, value);
  if (shape == Shape::kFields) {
    auto& fields = value.get_object();
    for (const auto& entry : last) {
      const std::string_view element = entry.key();
      if (!element.starts_with("f:") || !entry.value().is_object()) continue;
      const auto at = fields.find(element.substr(2));
      if (at == fields.end()) continue;
      if (prune_part(child_type(type, at->key()), at->value(), entry.value().get_object(),
                     owners_below(owners, element))) {
        fields.stable_erase(at);
      }
    }
  } else if (shape == Shape::kElements) {
    JsonArray kept;
    for (auto& element : value.get_array()) {
      const auto name = element_name(*type, element);
      const auto* entry = last.if_contains(name);
      const bool gone = entry && entry->is_object() &&
                        prune_part(type->element, element, entry->get_object(), owners_below(owners, name));
      if (!gone) kept.push_back(std::move(element));
    }
    value = std::move(kept);
  }
}

// ---- checks and conflicts ----

// An applied list must name each of its elements once.
Result<void> check_lists(const Type* type, const Json& value, const std::string& path) {
  const auto shape = shape_of(type, value);
  if (shape == Shape::kFields) {
    for (const auto& field : value.get_object()) {
      MK_TRY(
          check_lists(child_type(type, field.key()), field.value(), path + "." + std::string(field.key())));
    }
  } else if (shape == Shape::kElements) {
    std::unordered_set<std::string> seen;
    for (const auto& element : value.get_array()) {
      const auto name = element_name(*type, element);
      if (name.empty()) {
        return Error(Reason::kBadRequest,
                     fmt::format("failed to create typed patch object: {}: element {}: associative list "
                                 "with keys has an element that omits key field {}",
                                 path, to_json(element), join(type->list_map_keys, ", ")));
      }
      if (!seen.insert(name).second) {
        return Error(Reason::kBadRequest,
                     fmt::format("failed to create typed patch object: {}: duplicate entries for key {}",
                                 path, name.substr(2)));
      }
      MK_TRY(check_lists(type->element, element, path + "[" + name.substr(2) + "]"));
    }
  }
  return ok();
}

std::string describe(const Json& entry) {
  auto text = fmt::format("\"{}\"", str(entry, "manager"));
  if (const auto sub = str(entry, "subresource"); !sub.empty())
    text += fmt::format(" with subresource \"{}\"", sub);
  if (str(entry, "operation") == "Apply") return text;
  text += fmt::format(" using {}", str(entry, "apiVersion"));
  if (const auto time = str(entry, "time"); !time.empty()) text += fmt::format(" at {}", time);
  return text;
}

Error conflict_error(const std::vector<std::pair<std::string, std::vector<std::string>>>& conflicts) {
  std::vector<Cause> causes;
  std::vector<std::string> texts;
  for (const auto& [manager, paths] : conflicts) {
    for (const auto& path : paths)
      causes.emplace_back(path, "FieldManagerConflict", "conflict with " + manager);
    texts.push_back(paths.size() == 1
                        ? fmt::format("conflict with {}: {}", manager, paths[0])
                        : fmt::format("conflicts with {}:\n- {}", manager, join(paths, "\n- ")));
  }
  Error error(Reason::kConflict, fmt::format("Apply failed with {} conflict{}: {}", causes.size(),
                                             causes.size() == 1 ? "" : "s", join(texts, "\n")));
  error.causes = std::move(causes);
  return error;
}

// ---- ownership ----

// What Kubernetes compares a new object with: struct fields exist in it, pointers, lists and maps do not.
Json zero_object(const Type& type) {
  JsonObject out;
  for (const auto& field : type.fields) {
    if (!field.default_value) {
      if (field.required && field.type->kind == Type::Kind::kArray) out.emplace(field.name, JsonArray());
    } else if (field.default_value->is_object() && field.type->kind == Type::Kind::kObject) {
      out.emplace(field.name, zero_object(*field.type));
    } else if (*field.default_value == Json("") || *field.default_value == Json(0) ||
               *field.default_value == Json(false)) {
      out.emplace(field.name, *field.default_value);
    }
  }
  return out;
}

Changes changes_of(const Type& type, const Json* live, const Json& updated, const ApplyOptions& options) {
  const auto ignored = ignored_fields(options);
  auto changes = live ? compare_objects(type, *live, updated, ignored)
                      : compare_objects(type, zero_object(type), updated, ignored);
  for (auto* set : {&changes.added, &changes.modified, &changes.removed}) {
    const auto metadata = set->children.find("f:metadata");
    if (metadata == set->children.end()) continue;
    metadata->second.member = false;
    if (metadata->second.children.empty()) set->children.erase(metadata);
  }
  return changes;
}

// An explicit [] or [{}] asks for a fresh start.
bool resets_managed_fields(const Json& updated) {
  const auto* list = find(updated, "metadata.managedFields");
  const auto* entries = list ? list->if_array() : nullptr;
  if (!entries) return false;
  return entries->empty() ||
         (entries->size() == 1 && entries->front().is_object() && entries->front().get_object().empty());
}

JsonArray entries_to_start_from(const Json* live, const Json& updated, const ApplyOptions& options) {
  if (options.subresource.empty()) {
    if (resets_managed_fields(updated)) return {};
    const auto& sent = list(updated, "metadata.managedFields");
    if (!sent.empty()) return sent;
  }
  return live ? list(*live, "metadata.managedFields") : JsonArray();
}

void take_from_others(ManagedFields& managed, const Json* self, const FieldSet& taken) {
  for (auto& entry : managed.entries()) {
    if (&entry != self) fields_subtract(ManagedFields::fields(entry), taken);
  }
}

}  // namespace

void track_update(const Type& type, const Json* live, Json& updated, const ApplyOptions& options) {
  ManagedFields managed(entries_to_start_from(live, updated, options));
  const auto changes = changes_of(type, live, updated, options);
  FieldSet written = changes.added;
  written.unite(changes.modified);
  if (!written.empty() || !changes.removed.empty()) {
    FieldSet touched = written;
    touched.unite(changes.removed);
    auto* self = managed.find(false, options);
    if (!self && !written.empty()) self = &managed.add(false, options);
    take_from_others(managed, self, touched);
    if (self) {
      auto& fields = ManagedFields::fields(*self);
      const JsonObject before = fields;
      fields_subtract(fields, changes.removed);
      fields_unite(fields, written);
      if (fields != before) self->get_object()["time"] = options.now;
    }
    managed.drop_empty();
    managed.cap_updaters(options);
  }
  std::move(managed).store(updated);
}

namespace {

// Subtracts what this apply takes over; without force that is a conflict for each owner who loses something.
Result<void> settle(ManagedFields& managed, const Json* self, const Changes& changes, bool force) {
  FieldSet written = changes.added;
  written.unite(changes.modified);
  std::vector<std::pair<std::string, std::vector<std::string>>> conflicts;
  for (auto& entry : managed.entries()) {
    if (&entry == self) continue;
    auto paths = fields_intersect(ManagedFields::fields(entry), written);
    if (!paths.empty()) conflicts.emplace_back(describe(entry), std::move(paths));
  }
  if (!conflicts.empty() && !force) return conflict_error(conflicts);
  written.unite(changes.removed);
  take_from_others(managed, self, written);
  return ok();
}

// An object that nobody's fields were tracked of: its present state belongs to whoever was there before.
void adopt_untracked(const Type& type, const Json& live, ManagedFields& managed,
                     const ApplyOptions& options) {
  ApplyOptions before = options;
  before.manager = "before-first-apply";
  before.subresource.clear();
  auto set = field_set_of(type, live);
  strip(set, ignored_fields(options));
  if (!set.empty()) fields_unite(ManagedFields::fields(managed.add(false, before)), set);
}

}  // namespace

Result<Json> server_side_apply(const Type& type, const Json* live, const Json& applied,
                               const ApplyOptions& options) {
  if (!list(applied, "metadata.managedFields").empty()) {
    return Error(Reason::kBadRequest, "metadata.managedFields must be nil");
  }
  MK_TRY(check_lists(&type, applied, ""));
  FieldSet set = field_set_of(type, applied);
  strip(set, ignored_fields(options));
  JsonObject new_fields;
  fields_unite(new_fields, set);

  ManagedFields managed(live ? list(*live, "metadata.managedFields") : JsonArray());
  if (live && managed.empty()) adopt_untracked(type, *live, managed, options);
  Json result = live ? merge_values(&type, *live, applied) : applied;
  erase(result, "metadata.managedFields");

  auto* self = managed.find(true, options);
  if (!self) self = &managed.add(true, options);
  JsonObject last = std::exchange(ManagedFields::fields(*self), new_fields);
  if (live) {
    Owners owners;
    for (auto& entry : managed.entries()) owners.push_back(&ManagedFields::fields(entry));
    prune(&type, result, last, owners);
    MK_TRY(settle(managed, self, changes_of(type, live, result, options), options.force));
  }
  auto& entry = self->get_object();
  if (last != new_fields || str(*self, "apiVersion") != options.api_version) {
    entry["time"] = options.now;
    entry["apiVersion"] = options.api_version;
  }
  managed.drop_empty();
  std::move(managed).store(result);
  return result;
}

}  // namespace mk::api
