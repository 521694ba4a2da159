#include "patch/field_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::api {
namespace {

constexpr std::string_view kSelf = ".";

bool is_member(const JsonObject& node) {
  return node.empty() || node.contains(kSelf);
}

// Members stand in the order of their names: a client that reads the same object in two encodings finds it
// equal.
void sort_members(JsonObject& node) {
  const auto before = [](const auto& a, const auto& b) { return a.key() < b.key(); };
  if (std::is_sorted(node.begin(), node.end(), before)) return;
  std::map<std::string, Json, std::less<>> sorted;
  for (auto& member : node) sorted.emplace(member.key(), std::move(member.value()));
  node.clear();
  for (auto& [name, value] : sorted) node.emplace(name, std::move(value));
}

Json to_fields(const FieldSet& set) {
  JsonObject out;
  if (set.member && !set.children.empty()) out.emplace(kSelf, JsonObject());
  for (const auto& [name, child] : set.children) out.emplace(name, to_fields(child));
  return out;
}

void unite_children(JsonObject& node, const FieldSet& set);

void unite_node(JsonObject& node, const FieldSet& set) {
  const bool member = is_member(node) || set.member;
  unite_children(node, set);
  if (member && !node.empty()) node[kSelf] = JsonObject();
  sort_members(node);
}

void unite_children(JsonObject& node, const FieldSet& set) {
  for (const auto& [name, child] : set.children) {
    auto* existing = node.if_contains(name);
    if (existing && existing->is_object())
      unite_node(existing->get_object(), child);
    else
      node[name] = to_fields(child);
  }
}

bool subtract_node(JsonObject& node, const FieldSet& set);

void subtract_children(JsonObject& node, const FieldSet& set) {
  for (const auto& [name, child] : set.children) {
    const auto at = node.find(name);
    if (at == node.end()) continue;
    auto* existing = at->value().if_object();
    if (!existing || subtract_node(*existing, child)) node.stable_erase(at);
  }
}

// Whether nothing of the node is left.
bool subtract_node(JsonObject& node, const FieldSet& set) {
  const bool member = is_member(node) && !set.member;
  if (const auto self = node.find(kSelf); self != node.end()) node.stable_erase(self);
  subtract_children(node, set);
  if (member && !node.empty()) node[kSelf] = JsonObject();
  sort_members(node);
  return !member && node.empty();
}

std::string printed(std::string_view element) {
  const auto rest = element.substr(std::min<std::size_t>(2, element.size()));
  if (element.starts_with("f:")) return "." + std::string(rest);
  if (element.starts_with("v:")) return "[=" + std::string(rest) + "]";
  if (element.starts_with("i:")) return "[" + std::string(rest) + "]";
  std::vector<std::string> keys;
  if (const auto parsed = parse_json(rest); parsed.ok() && parsed->is_object()) {
    for (const auto& key : parsed->get_object())
      keys.push_back(std::string(key.key()) + "=" + to_json(key.value()));
  }
  return "[" + join(keys, ",") + "]";
}

void intersect(const JsonObject& node, const FieldSet& set, const std::string& path,
               std::vector<std::string>& out) {
  if (!path.empty() && is_member(node) && set.member) out.push_back(path);
  for (const auto& [name, child] : set.children) {
    const auto* existing = node.if_contains(name);
    if (existing && existing->is_object())
      intersect(existing->get_object(), child, path + printed(name), out);
  }
}

}  // namespace

void FieldSet::insert(const std::vector<std::string>& path) {
  auto* at = this;
  for (const auto& element : path) at = &at->children[element];
  at->member = true;
}

void FieldSet::unite(const FieldSet& other) {
  member = member || other.member;
  for (const auto& [name, theirs] : other.children) children[name].unite(theirs);
}

const FieldSet* FieldSet::child(std::string_view element) const {
  const auto found = children.find(element);
  return found == children.end() ? nullptr : &found->second;
}

void fields_unite(JsonObject& fields, const FieldSet& set) {
  unite_children(fields, set);
  sort_members(fields);
}

void fields_subtract(JsonObject& fields, const FieldSet& set) {
  subtract_children(fields, set);
}

std::vector<std::string> fields_intersect(const JsonObject& fields, const FieldSet& set) {
  std::vector<std::string> out;
  intersect(fields, set, "", out);
  return out;
}

std::string element_name(const Type& list_type, const Json& element) {
  if (list_type.list_type == Type::ListType::kSet) return "v:" + to_json(element);
  if (!element.is_object()) return "";
  auto keys = list_type.list_map_keys;
  std::sort(keys.begin(), keys.end());
  JsonObject name;
  for (const auto& key : keys) {
    const auto* field = list_type.element->field(key);
    if (const auto* value = member(element, key)) name.emplace(key, *value);
    // A key that was left out means its default: ports without protocol are TCP ports.
    else if (field && field->default_value)
      name.emplace(key, *field->default_value);
  }
  return name.empty() ? "" : "k:" + to_json(name);
}

Shape shape_of(const Type* type, const Json& value) {
  if (!type) return Shape::kLeaf;
  if (value.is_object()) {
    const bool by_field = type->kind == Type::Kind::kObject || type->kind == Type::Kind::kMap ||
                          (type->kind == Type::Kind::kAny && type->preserve_unknown);
    return by_field && !type->map_atomic ? Shape::kFields : Shape::kLeaf;
  }
  const bool associative = type->kind == Type::Kind::kArray && (type->list_type == Type::ListType::kSet ||
                                                                type->list_type == Type::ListType::kMap);
  return value.is_array() && associative ? Shape::kElements : Shape::kLeaf;
}

const Type* child_type(const Type* type, std::string_view field) {
  if (!type) return nullptr;
  if (type->kind == Type::Kind::kMap) return type->element;
  if (type->kind == Type::Kind::kAny) return type;  // unknown below: maps by field, lists whole
  const auto* known = type->field(field);
  if (known) return known->type;
  static const Type deduced = [] {
    Type any;
    any.preserve_unknown = true;
    return any;
  }();
  return type->preserve_unknown ? &deduced : nullptr;
}

namespace {

bool has_no_parts(const Json& value) {
  const auto* fields = value.if_object();
  const auto* elements = value.if_array();
  return value.is_null() || (fields && fields->empty()) || (elements && elements->empty());
}

void collect(const Type* type, const Json& value, FieldSet& out) {
  const auto shape = shape_of(type, value);
  if (shape == Shape::kLeaf || has_no_parts(value)) {
    out.member = true;
    return;
  }
  if (shape == Shape::kElements) {
    for (const auto& element : value.get_array()) {
      const auto name = element_name(*type, element);
      if (name.empty()) continue;
      auto& child = out.insert_child(name);
      collect(type->element, element, child);
      child.member = true;
    }
    return;
  }
  for (const auto& field : value.get_object()) {
    auto& child = out.insert_child("f:" + std::string(field.key()));
    collect(child_type(type, field.key()), field.value(), child);
    // A field of a struct is a member only as a leaf; a key of a map always is.
    if (type->kind != Type::Kind::kObject || !type->field(field.key())) child.member = true;
  }
}

class Comparer {
 public:
  explicit Comparer(Changes& out) : out_(out) {}

  // Either side may be missing (nullptr), not both.
  void compare(const Type* type, const Json* before, const Json* after, const FieldSet* ignored) {
    const auto left = before ? shape_of(type, *before) : Shape::kLeaf;
    const auto right = after ? shape_of(type, *after) : Shape::kLeaf;
    const auto shape = !before ? right : !after ? left : left == right ? left : Shape::kLeaf;
    if (shape == Shape::kFields) compare_fields(type, before, after, ignored);
    if (shape == Shape::kElements) compare_elements(*type, before, after);
    if (!before)
      out_.added.insert(path_);
    else if (!after)
      out_.removed.insert(path_);
    else if (shape == Shape::kLeaf && *before != *after)
      out_.modified.insert(path_);
  }

  void compare_fields(const Type* type, const Json* before, const Json* after, const FieldSet* ignored) {
    const auto* left = before ? before->if_object() : nullptr;
    const auto* right = after ? after->if_object() : nullptr;
    if (left) {
      for (const auto& field : *left) {
        compare_field(type, field.key(), &field.value(), right ? right->if_contains(field.key()) : nullptr,
                      ignored);
      }
    }
    if (!right) return;
    for (const auto& field : *right) {
      if (!left || !left->contains(field.key()))
        compare_field(type, field.key(), nullptr, &field.value(), ignored);
    }
  }

 private:
  void compare_field(const Type* type, std::string_view key, const Json* before, const Json* after,
                     const FieldSet* ignored) {
    path_.push_back("f:" + std::string(key));
    const auto* below = ignored ? ignored->child(path_.back()) : nullptr;
    const bool skip = below && below->member && below->children.empty();
    if (!skip) compare(child_type(type, key), before, after, below);
    path_.pop_back();
  }

  using Elements = std::map<std::string, std::vector<const Json*>>;

  static Elements by_name(const Type& type, const Json* list) {
    Elements out;
    if (!list) return out;
    for (const auto& element : list->get_array()) {
      if (auto name = element_name(type, element); !name.empty()) out[std::move(name)].push_back(&element);
    }
    return out;
  }

  void compare_elements(const Type& type, const Json* before, const Json* after) {
    if (before && after && *before == *after) return;
    const auto left = by_name(type, before), right = by_name(type, after);
    for (const auto& [name, elements] : left) {
      const auto other = right.find(name);
      compare_named(type, name, &elements, other == right.end() ? nullptr : &other->second);
    }
    for (const auto& [name, elements] : right) {
      if (!left.contains(name)) compare_named(type, name, nullptr, &elements);
    }
  }

  // An object may hold the same key twice (two ports of one number): then they compare as one value.
  void compare_named(const Type& type, const std::string& name, const std::vector<const Json*>* before,
                     const std::vector<const Json*>* after) {
    path_.push_back(name);
    const bool single = (!before || before->size() == 1) && (!after || after->size() == 1);
    if (single) {
      compare(type.element, before ? before->front() : nullptr, after ? after->front() : nullptr, nullptr);
    } else if (!before) {
      out_.added.insert(path_);
    } else if (!after) {
      out_.removed.insert(path_);
    } else {
      const auto same = [](const Json* a, const Json* b) { return *a == *b; };
      if (!std::equal(before->begin(), before->end(), after->begin(), after->end(), same))
        out_.modified.insert(path_);
    }
    path_.pop_back();
  }

  Changes& out_;
  std::vector<std::string> path_;
};

}  // namespace

FieldSet field_set_of(const Type& type, const Json& value) {
  FieldSet out;
  collect(&type, value, out);
  out.member = false;
  return out;
}

Changes compare_objects(const Type& type, const Json& before, const Json& after, const FieldSet& ignored) {
  Changes changes;
  Comparer(changes).compare_fields(&type, &before, &after, &ignored);
  return changes;
}

}  // namespace mk::api
