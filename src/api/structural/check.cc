#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "mk/api/structural.h"
#include "mk/api/validation.h"
#include "structural/rules.h"

// What Kubernetes asks of a schema before it takes it: see "Specifying a structural schema" in its
// documentation of CustomResourceDefinitions.
namespace mk::api {
namespace {

const std::vector<std::string> kTypes{"array", "boolean", "integer", "number", "object", "string"};

// Keywords that only describe the shape of a value, which allOf and its like may not touch.
constexpr std::string_view kShapeOnly[] = {"additionalProperties",
                                           "default",
                                           "description",
                                           "nullable",
                                           "title",
                                           "type",
                                           "x-kubernetes-embedded-resource",
                                           "x-kubernetes-int-or-string",
                                           "x-kubernetes-list-map-keys",
                                           "x-kubernetes-list-type",
                                           "x-kubernetes-map-type",
                                           "x-kubernetes-preserve-unknown-fields"};

constexpr std::string_view kUnsupported[] = {"$ref", "definitions", "dependencies", "id",
                                             "patternProperties"};

bool given(const Json& node, std::string_view key) {
  const auto* value = member(node, key);
  return value && !value->is_null();
}

enum class Level { kRoot, kField, kItem };

class Checker {
 public:
  explicit Checker(std::vector<Cause>& causes) : causes_(causes) {}

  void check(const Json& node, const std::string& path, Level level) {
    if (!node.is_object()) return;
    check_type(node, path, level);
    check_keywords(node, path);
    check_extensions(node, path);
    check_children(node, path);
    check_logic(node, node, path);
  }

 private:
  void check_type(const Json& node, const std::string& path, Level level) {
    const auto type = str(node, "type");
    const auto here = path + ".type";
    const bool open =
        flag(node, "x-kubernetes-int-or-string") || flag(node, "x-kubernetes-preserve-unknown-fields");
    if (type.empty()) {
      if (level == Level::kRoot) causes_.push_back(required(here, "must not be empty at the root"));
      if (level == Level::kField && !open)
        causes_.push_back(required(here, "must not be empty for specified object fields"));
      if (level == Level::kItem && !open)
        causes_.push_back(required(here, "must not be empty for specified array items"));
      return;
    }
    if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) {
      causes_.push_back(not_supported(here, quoted(type), kTypes));
    } else if (level == Level::kRoot && type != "object") {
      causes_.push_back(invalid(here, quoted(type), "must be object at the root"));
    }
    if (flag(node, "x-kubernetes-int-or-string"))
      causes_.push_back(forbidden(here, "must be empty if x-kubernetes-int-or-string is true"));
  }

  void check_keywords(const Json& node, const std::string& path) {
    for (const auto key : kUnsupported) {
      if (given(node, key))
        causes_.push_back(
            forbidden(fmt::format("{}.{}", path, key), fmt::format("{} is not supported", key)));
    }
    if (flag(node, "uniqueItems"))
      causes_.push_back(forbidden(path + ".uniqueItems",
                                  "uniqueItems cannot be set to true since the runtime complexity becomes "
                                  "quadratic"));
    const auto* additional = member(node, "additionalProperties");
    if (additional && additional->is_bool() && !additional->get_bool())
      causes_.push_back(
          forbidden(path + ".additionalProperties", "additionalProperties cannot be set to false"));
    if (additional && !object(node, "properties").empty() &&
        (!additional->is_bool() || additional->get_bool()))
      causes_.push_back(forbidden(path + ".additionalProperties",
                                  "additionalProperties and properties are mutual exclusive"));
    if (str(node, "type") == "array" && !given(node, "items"))
      causes_.push_back(required(path + ".items", "must be specified"));
    if (member(node, "items") && member(node, "items")->is_array())
      causes_.push_back(forbidden(path + ".items", "items must be a schema object and not an array"));
    if (const auto pattern = str(node, "pattern"); !pattern.empty()) {
      if (auto compiled = Pattern::compile(pattern); !compiled.ok())
        causes_.push_back(
            invalid(path + ".pattern", quoted(pattern),
                    "must be a valid regular expression, but isn't: " + compiled.error().message()));
    }
  }

  void check_extensions(const Json& node, const std::string& path) {
    const auto type = str(node, "type"), list_type = str(node, "x-kubernetes-list-type");
    if (flag(node, "x-kubernetes-embedded-resource")) {
      if (type != "object")
        causes_.push_back(type.empty() ? required(path + ".type",
                                                  "must be object if x-kubernetes-embedded-resource is true")
                                       : invalid(path + ".type", quoted(type),
                                                 "must be object if x-kubernetes-embedded-resource is true"));
      if (!flag(node, "x-kubernetes-preserve-unknown-fields") && object(node, "properties").empty())
        causes_.push_back(required(path + ".properties",
                                   "must not be empty if x-kubernetes-embedded-resource is true without "
                                   "x-kubernetes-preserve-unknown-fields"));
    }
    if (!list_type.empty()) check_list_type(node, type, list_type, path);
    if (const auto map_type = str(node, "x-kubernetes-map-type"); !map_type.empty()) {
      if (map_type != "atomic" && map_type != "granular")
        causes_.push_back(
            not_supported(path + ".x-kubernetes-map-type", quoted(map_type), {"atomic", "granular"}));
      if (type != "object")
        causes_.push_back(
            invalid(path + ".type", quoted(type), "must be object if x-kubernetes-map-type is specified"));
    }
    const bool keys = !list(node, "x-kubernetes-list-map-keys").empty();
    if (keys && list_type != "map")
      causes_.push_back(list_type.empty()
                            ? required(path + ".x-kubernetes-list-type",
                                       "must be map if x-kubernetes-list-map-keys is non-empty")
                            : invalid(path + ".x-kubernetes-list-type", quoted(list_type),
                                      "must be map if x-kubernetes-list-map-keys is non-empty"));
  }

  void check_list_type(const Json& node, std::string_view type, std::string_view list_type,
                       const std::string& path) {
    if (list_type != "atomic" && list_type != "set" && list_type != "map")
      causes_.push_back(
          not_supported(path + ".x-kubernetes-list-type", quoted(list_type), {"atomic", "map", "set"}));
    if (type != "array")
      causes_.push_back(type.empty()
                            ? required(path + ".type", "must be array if x-kubernetes-list-type is specified")
                            : invalid(path + ".type", quoted(type),
                                      "must be array if x-kubernetes-list-type is specified"));
    if (list_type == "map") check_map_keys(node, path);
  }

  void check_map_keys(const Json& node, const std::string& path) {
    const auto here = path + ".x-kubernetes-list-map-keys";
    const auto& keys = list(node, "x-kubernetes-list-map-keys");
    if (keys.empty()) causes_.push_back(required(here, "must not be empty if x-kubernetes-list-type is map"));
    if (str(node, "items.type") != "object")
      causes_.push_back(invalid(path + ".items.type", quoted(str(node, "items.type")),
                                "must be object if parent array's x-kubernetes-list-type is map"));
    const auto& properties = object(node, "items.properties");
    const auto& needed = list(node, "items.required");
    std::set<std::string> seen;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto* key = keys[i].if_string();
      if (!key) continue;
      const std::string name(*key);
      if (!seen.insert(name).second)
        causes_.push_back(duplicate(fmt::format("{}[{}]", here, i), quoted(name)));
      const auto* property = properties.if_contains(name);
      if (!property) {
        causes_.push_back(
            invalid(fmt::format("{}[{}]", here, i), quoted(name), "must name a required property"));
        continue;
      }
      const bool there = std::find(needed.begin(), needed.end(), keys[i]) != needed.end();
      if (!there && !given(*property, "default"))
        causes_.push_back(
            required(fmt::format("{}.items.properties[{}].default", path, name),
                     "this property is in x-kubernetes-list-map-keys, so it must have a default "
                     "or be a required property"));
    }
  }

  void check_children(const Json& node, const std::string& path) {
    for (const auto& property : object(node, "properties")) {
      check(property.value(), fmt::format("{}.properties[{}]", path, std::string_view(property.key())),
            Level::kField);
    }
    if (const auto* items = find(node, "items")) check(*items, path + ".items", Level::kItem);
    if (const auto* additional = find(node, "additionalProperties"))
      check(*additional, path + ".additionalProperties", Level::kField);
    if (const auto* value = member(node, "default")) check_default(node, *value, path);
  }

  void check_default(const Json& node, const Json& value, const std::string& path) {
    if (value.is_null() && !flag(node, "nullable")) return;
    std::vector<Cause> wrong;
    check_value(*compile_rules(node), value, nullptr, "", wrong);
    for (auto& cause : wrong) {
      auto text = cause.message;
      const auto field = cause.field.empty() ? path + ".default" : path + ".default." + cause.field;
      causes_.emplace_back(field, cause.type, std::move(text));
    }
  }

  // `shape` is what stands outside: whatever a junctor names must be known there.
  void check_logic(const Json& node, const Json& shape, const std::string& path) {
    for (const std::string_view junctor : {"allOf", "anyOf", "oneOf"}) {
      const auto& parts = list(node, junctor);
      for (std::size_t i = 0; i < parts.size(); ++i)
        check_value_part(parts[i], shape, fmt::format("{}.{}[{}]", path, junctor, i));
    }
    if (const auto* never = find(node, "not")) check_value_part(*never, shape, path + ".not");
  }

  void check_value_part(const Json& node, const Json& shape, const std::string& path) {
    const bool two_types = flag(shape, "x-kubernetes-int-or-string");
    for (const auto key : kShapeOnly) {
      if (key == "type" && two_types) continue;
      if (given(node, key))
        causes_.push_back(forbidden(fmt::format("{}.{}", path, key), "must be empty to be structural"));
    }
    for (const auto& property : object(node, "properties")) {
      const std::string_view name = property.key();
      const auto* outside = object(shape, "properties").if_contains(name);
      if (!outside && !find(shape, "additionalProperties")) {
        const auto at = path.rfind(".allOf["), other = path.find_last_of('.');
        const auto base = path.substr(0, at != std::string::npos ? at : other);
        causes_.push_back(required(fmt::format("{}.properties[{}]", base, name),
                                   fmt::format("because it is defined in {}.properties[{}]", path, name)));
        continue;
      }
      check_value_part(property.value(), outside ? *outside : *find(shape, "additionalProperties"),
                       fmt::format("{}.properties[{}]", path, name));
    }
    if (const auto* items = find(node, "items")) {
      static const Json none = JsonObject();
      const auto* outside = find(shape, "items");
      check_value_part(*items, outside ? *outside : none, path + ".items");
    }
    check_logic(node, shape, path);
  }

  static std::string quoted(std::string_view value) { return to_json(text(value)); }

  std::vector<Cause>& causes_;
};

}  // namespace

void check_structural(const Json& schema, const std::string& path, std::vector<Cause>& causes) {
  Checker(causes).check(schema, path, Level::kRoot);
}

}  // namespace mk::api
