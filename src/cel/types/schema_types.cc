#include "mk/cel/schema_types.h"

#include <algorithm>

namespace mk::cel {

using api::Json;

namespace {

// The largest request that the API takes.
constexpr std::uint64_t kRequestBytes = 3 * 1024 * 1024;

std::uint64_t bound(const Json& schema, std::string_view keyword, std::uint64_t otherwise) {
  const std::int64_t stated = api::num(schema, keyword, -1);
  return stated < 0 ? otherwise : static_cast<std::uint64_t>(stated);
}

// The fewest bytes of an element in JSON, with a comma.
std::uint64_t least_bytes(const SchemaNode* node) {
  return (node != nullptr ? node->bytes_min : 1) + 1;
}

std::uint64_t least_bytes_of(const Json& schema, const SchemaNode& node) {
  switch (node.type->kind) {
    case Type::Kind::kObject: {
      std::uint64_t out = 2;
      for (const auto& name : api::list(schema, "required")) {
        const auto found = name.is_string() ? node.properties.find(std::string_view(name.get_string()))
                                            : node.properties.end();
        // The key, its quotes, a colon and a comma. What has a default need not be sent.
        if (found != node.properties.end() && !api::find(schema, "properties." + found->first + ".default"))
          out += found->first.size() + 4 + found->second->bytes_min;
      }
      return out;
    }
    case Type::Kind::kList:
    case Type::Kind::kMap:
    case Type::Kind::kString:
    case Type::Kind::kBytes:
      return 2;
    case Type::Kind::kBool:
      return 4;
    case Type::Kind::kTimestamp:
      return 22;
    default:
      return 1;
  }
}

class Builder {
 public:
  explicit Builder(std::map<std::string, const SchemaNode*, std::less<>>& objects) : objects_(objects) {}

  std::unique_ptr<SchemaNode> build(const Json& schema, const std::string& name, bool root) {
    auto node = std::make_unique<SchemaNode>();
    node->size_max = kRequestBytes;
    const auto type = api::str(schema, "type");
    if (api::flag(schema, "x-kubernetes-int-or-string")) {
      node->type = types::dyn();
    } else if (type == "object") {
      object(*node, schema, name, root);
    } else if (type == "array") {
      list(*node, schema, name);
    } else {
      scalar(*node, schema, type);
    }
    node->bytes_min = least_bytes_of(schema, *node);
    return node;
  }

 private:
  void object(SchemaNode& node, const Json& schema, const std::string& name, bool root) {
    const bool resource = root || api::flag(schema, "x-kubernetes-embedded-resource");
    const Json* additional = api::member(schema, "additionalProperties");
    if (additional != nullptr && additional->is_object() && api::object(schema, "properties").empty() &&
        !resource) {
      node.element = build(*additional, name + ".@value", false);
      node.type = types::map(types::string(), node.element->type);
      node.size_max = bound(schema, "maxProperties", kRequestBytes / (least_bytes(node.element.get()) + 4));
      return;
    }
    for (const auto& property : api::object(schema, "properties")) {
      const std::string_view key = property.key();
      node.properties[std::string(key)] = build(property.value(), name + "." + std::string(key), false);
    }
    if (resource) add_resource_fields(node, name);
    // What is not declared cannot be spoken of, unless nothing is declared at all.
    if (node.properties.empty()) {
      node.type =
          api::flag(schema, "x-kubernetes-preserve-unknown-fields") ? types::dyn() : types::object(name);
    } else {
      node.type = types::object(name);
    }
    node.size_max = std::max<std::uint64_t>(1, node.properties.size());
    if (node.type->kind == Type::Kind::kObject) objects_[name] = &node;
  }

  // Expressions of an object's root may use apiVersion, kind and the metadata that is validated: name,
  // generateName.
  void add_resource_fields(SchemaNode& node, const std::string& name) {
    static const Json kString = api::parse_json(R"({"type": "string", "maxLength": 253})").value();
    static const Json kMeta =
        api::parse_json(R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 253},
                                                             "generateName": {"type": "string", "maxLength": 253}}})")
            .value();
    for (const char* key : {"apiVersion", "kind"})
      node.properties[key] = build(kString, name + "." + key, false);
    node.properties["metadata"] = build(kMeta, name + ".metadata", false);
  }

  void list(SchemaNode& node, const Json& schema, const std::string& name) {
    const Json* items = api::member(schema, "items");
    if (items != nullptr && items->is_object()) node.element = build(*items, name + ".@item", false);
    node.type = types::list(node.element ? node.element->type : types::dyn());
    node.size_max = bound(schema, "maxItems", kRequestBytes / least_bytes(node.element.get()));
    const auto kind = api::str(schema, "x-kubernetes-list-type");
    node.list_type = kind == "set"   ? SchemaNode::ListType::kSet
                     : kind == "map" ? SchemaNode::ListType::kMap
                                     : SchemaNode::ListType::kAtomic;
    for (const auto& key : api::list(schema, "x-kubernetes-list-map-keys")) {
      if (key.is_string()) node.list_map_keys.emplace_back(key.get_string());
    }
  }

  void scalar(SchemaNode& node, const Json& schema, std::string_view type) {
    const auto format = api::str(schema, "format");
    if (type == "string") {
      node.type = format == "date-time" || format == "date" ? types::timestamp()
                  : format == "duration"                    ? types::duration()
                  : format == "byte"                        ? types::bytes()
                                                            : types::string();
      node.size_max = bound(schema, "maxLength", longest(schema));
    } else {
      node.type = type == "integer"   ? types::integer()
                  : type == "number"  ? types::real()
                  : type == "boolean" ? types::boolean()
                                      : types::dyn();
      if (type != "") node.size_max = 1;
    }
  }

  static std::uint64_t longest(const Json& schema) {
    std::uint64_t out = 0;
    for (const auto& value : api::list(schema, "enum")) {
      if (value.is_string()) out = std::max<std::uint64_t>(out, value.get_string().size());
    }
    return out > 0 ? out : kRequestBytes - 2;
  }

  std::map<std::string, const SchemaNode*, std::less<>>& objects_;
};

// The property that an identifier spells in this object.
const std::pair<const std::string, std::unique_ptr<SchemaNode>>* find_property(const SchemaNode& node,
                                                                               std::string_view identifier) {
  auto found = node.properties.find(identifier);
  if (found == node.properties.end()) {
    const auto name = unescape_property(identifier);
    if (name) found = node.properties.find(*name);
  }
  return found == node.properties.end() ? nullptr : &*found;
}

}  // namespace

SchemaTypes::SchemaTypes(const Json& schema, std::string root_name, bool is_resource) {
  root_ = Builder(objects_).build(schema, root_name, is_resource);
}

SchemaTypes::~SchemaTypes() = default;

const SchemaNode* SchemaTypes::at(const std::vector<std::string>& path) const {
  const SchemaNode* node = root_.get();
  for (const auto& step : path) {
    if (step == "[]" || step == "{}") {
      node = node->element.get();
    } else {
      const auto found = node->properties.find(step);
      node = found == node->properties.end() ? nullptr : found->second.get();
    }
    if (node == nullptr) return nullptr;
  }
  return node;
}

bool SchemaTypes::has_type(std::string_view type_name) const {
  return objects_.find(type_name) != objects_.end();
}

TypePtr SchemaTypes::field(std::string_view type_name, std::string_view field_name) const {
  const auto object = objects_.find(type_name);
  if (object == objects_.end()) return nullptr;
  const auto* found = find_property(*object->second, field_name);
  return found != nullptr ? found->second->type : nullptr;
}

std::string SchemaTypes::property(std::string_view type_name, std::string_view field_name) const {
  const auto object = objects_.find(type_name);
  const auto* found = object == objects_.end() ? nullptr : find_property(*object->second, field_name);
  return found != nullptr ? found->first : std::string(field_name);
}

}  // namespace mk::cel
