#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "mk/api/validation.h"
#include "mk/base/strings.h"
#include "structural/rules.h"

namespace mk::api {
namespace {

std::string child_path(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}
std::string child_path(const std::string& path, std::size_t index) {
  return fmt::format("{}[{}]", path, index);
}

bool whole_number(const Json& value) {
  if (value.is_int64() || value.is_uint64()) return true;
  const auto* real = value.if_double();
  return real && std::isfinite(*real) && *real == std::trunc(*real);
}

std::string_view kind_name(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_string()) return "string";
  if (value.is_bool()) return "boolean";
  if (value.is_object()) return "object";
  if (value.is_array()) return "array";
  return value.is_double() ? "number" : "integer";
}

bool has_type(std::string_view type, const Json& value) {
  if (type == "integer") return value.is_number() && whole_number(value);
  if (type == "number") return value.is_number();
  return kind_name(value) == type;
}

Cause wrong_type(const std::string& path, std::string_view shown, std::string_view type,
                 std::string_view value) {
  return Cause(path, "FieldValueTypeInvalid",
               fmt::format("Invalid value: {}: {} in body must be of type {}: {}", shown, path, type, value));
}

// Code points: what a length means to JSON schema.
std::int64_t length_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

class Checker {
 public:
  explicit Checker(std::vector<Cause>& causes) : causes_(causes) {}

  void check(const ValueRules& rules, const Json& value, const Json* old, const std::string& path) {
    if (old && *old == value) return;
    if (!check_type(rules, value, path) || value.is_null()) return;
    if (value.is_string()) check_text(rules, value, path);
    if (value.is_number()) check_number(rules, value, path);
    if (value.is_array()) check_list(rules, value.get_array(), old, path);
    check_enum(rules, value, path);
    if (value.is_object()) check_object(rules, value.get_object(), old, path);
    check_logic(rules, value, old, path);
  }

 private:
  bool check_type(const ValueRules& rules, const Json& value, const std::string& path) {
    if (value.is_null() && rules.nullable) return true;
    std::string_view type = rules.type;
    bool right = type.empty() || has_type(type, value);
    if (rules.int_or_string) {
      type = "integer,string";
      right = has_type("integer", value) || value.is_string();
    }
    if (right) return true;
    const auto kind = fmt::format("\"{}\"", kind_name(value));
    causes_.push_back(wrong_type(path, kind, type, kind));
    return false;
  }

  void invalid(const std::string& path, const Json& value, std::string_view what) {
    causes_.push_back(api::invalid(path, to_json(value), fmt::format("{} in body {}", path, what)));
  }

  void check_text(const ValueRules& rules, const Json& value, const std::string& path) {
    const std::string_view text = value.get_string();
    if (rules.max_length && length_of(text) > *rules.max_length)
      causes_.push_back(too_long(path, static_cast<std::size_t>(*rules.max_length)));
    if (rules.min_length && length_of(text) < *rules.min_length)
      invalid(path, value, fmt::format("should be at least {} chars long", *rules.min_length));
    if (rules.pattern && !rules.pattern->matches(text))
      invalid(path, value, fmt::format("should match '{}'", rules.pattern_source));
    if (!rules.format.empty() && !has_format(rules.format, text))
      causes_.push_back(wrong_type(path, to_json(value), rules.format, to_json(value)));
  }

  void check_number(const ValueRules& rules, const Json& value, const std::string& path) {
    const auto number = value.to_number<double>();
    if (rules.maximum) {
      const auto most = rules.maximum->to_number<double>();
      if (rules.exclusive_maximum ? number >= most : number > most)
        invalid(path, value,
                fmt::format("should be less than {}{}", rules.exclusive_maximum ? "" : "or equal to ",
                            to_json(*rules.maximum)));
    }
    if (rules.minimum) {
      const auto least = rules.minimum->to_number<double>();
      if (rules.exclusive_minimum ? number <= least : number < least)
        invalid(path, value,
                fmt::format("should be greater than {}{}", rules.exclusive_minimum ? "" : "or equal to ",
                            to_json(*rules.minimum)));
    }
    if (rules.multiple_of) {
      const auto parts = number / rules.multiple_of->to_number<double>();
      if (std::abs(parts - std::round(parts)) > 1e-9)
        invalid(path, value, fmt::format("should be a multiple of {}", to_json(*rules.multiple_of)));
    }
    if (rules.format == "int32" && (number > INT32_MAX || number < INT32_MIN))
      causes_.push_back(wrong_type(path, to_json(value), "int32", to_json(value)));
  }

  void too_many(const std::string& path, std::size_t actual, std::int64_t most) {
    causes_.emplace_back(
        path, "FieldValueTooMany",
        fmt::format("Too many: {}: must have at most {} item{}", actual, most, most == 1 ? "" : "s"));
  }

  void check_list(const ValueRules& rules, const JsonArray& list, const Json* old, const std::string& path) {
    if (rules.max_items && static_cast<std::int64_t>(list.size()) > *rules.max_items)
      too_many(path, list.size(), *rules.max_items);
    if (rules.min_items && static_cast<std::int64_t>(list.size()) < *rules.min_items)
      invalid(path, Json(list), fmt::format("should have at least {} items", *rules.min_items));
    check_repeats(rules, list, path);
    if (!rules.items) return;
    const auto before = old_elements(rules, old);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const auto found = before.find(key_of(rules, list[i]));
      check(*rules.items, list[i], found == before.end() ? nullptr : found->second, child_path(path, i));
    }
  }

  // What identifies an element: of a set the whole, of a map its keys, of other lists nothing.
  static std::string key_of(const ValueRules& rules, const Json& element) {
    if (rules.is_set || rules.unique_items) return to_json(element);
    if (rules.map_keys.empty() || !element.is_object()) return "";
    JsonObject key;
    for (const auto& name : rules.map_keys) {
      if (const auto* value = member(element, name)) key.emplace(name, *value);
    }
    return to_json(Json(std::move(key)));
  }

  static std::unordered_map<std::string, const Json*> old_elements(const ValueRules& rules, const Json* old) {
    std::unordered_map<std::string, const Json*> out;
    const auto* elements = old ? old->if_array() : nullptr;
    if (!elements || rules.map_keys.empty()) return out;
    for (const auto& element : *elements) out.emplace(key_of(rules, element), &element);
    return out;
  }

  void check_repeats(const ValueRules& rules, const JsonArray& list, const std::string& path) {
    if (!rules.is_set && !rules.unique_items && rules.map_keys.empty()) return;
    std::unordered_set<std::string> seen;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const auto key = key_of(rules, list[i]);
      if (!key.empty() && !seen.insert(key).second) causes_.push_back(duplicate(child_path(path, i), key));
    }
  }

  void check_enum(const ValueRules& rules, const Json& value, const std::string& path) {
    if (rules.allowed.empty()) return;
    if (std::find(rules.allowed.begin(), rules.allowed.end(), value) != rules.allowed.end()) return;
    std::vector<std::string> texts;
    for (const auto& allowed : rules.allowed)
      texts.push_back(allowed.is_string() ? to_json(allowed) : fmt::format("\"{}\"", to_json(allowed)));
    causes_.emplace_back(
        path, "FieldValueNotSupported",
        fmt::format("Unsupported value: {}: supported values: {}", to_json(value), join(texts, ", ")));
  }

  void check_object(const ValueRules& rules, const JsonObject& fields, const Json* old,
                    const std::string& path) {
    const auto count = static_cast<std::int64_t>(fields.size());
    if (rules.max_properties && count > *rules.max_properties)
      too_many(path, fields.size(), *rules.max_properties);
    if (rules.min_properties && count < *rules.min_properties)
      invalid(path, Json(fields), fmt::format("should have at least {} properties", *rules.min_properties));
    for (const auto& name : rules.required) {
      if (!fields.contains(name)) causes_.push_back(required(child_path(path, name)));
    }
    if (rules.embedded) check_embedded(fields, path);
    for (const auto& field : fields) {
      const auto* known = rules.property(field.key());
      if (!known) known = rules.additional.get();
      if (known)
        check(*known, field.value(), old ? member(*old, field.key()) : nullptr,
              child_path(path, field.key()));
    }
  }

  void check_embedded(const JsonObject& fields, const std::string& path) {
    for (const std::string_view name : {"apiVersion", "kind"}) {
      const auto* value = fields.if_contains(name);
      const auto* text = value ? value->if_string() : nullptr;
      if (!text || text->empty()) causes_.push_back(required(child_path(path, name), "must not be empty"));
    }
  }

  std::vector<Cause> tried(const ValueRules& rules, const Json& value, const Json* old,
                           const std::string& path) const {
    std::vector<Cause> causes;
    Checker(causes).check(rules, value, old, path);
    return causes;
  }

  void logic(const std::string& path, std::string_view what) {
    causes_.push_back(api::invalid(path, "\"\"", fmt::format("\"{}\" {}", path, what)));
  }

  void check_logic(const ValueRules& rules, const Json& value, const Json* old, const std::string& path) {
    std::size_t failed = 0;
    for (const auto& part : rules.all_of) {
      auto wrong = tried(*part, value, old, path);
      if (wrong.empty()) continue;
      ++failed;
      causes_.insert(causes_.end(), wrong.begin(), wrong.end());
    }
    if (failed > 0) logic(path, "must validate all the schemas (allOf)");
    check_choice(rules.any_of, false, value, old, path);
    check_choice(rules.one_of, true, value, old, path);
    if (rules.never && tried(*rules.never, value, old, path).empty())
      logic(path, "must not validate the schema (not)");
  }

  void check_choice(const ValueRules::Children& choices, bool only_one, const Json& value, const Json* old,
                    const std::string& path) {
    if (choices.empty()) return;
    std::size_t right = 0;
    std::vector<Cause> best;
    for (const auto& choice : choices) {
      auto wrong = tried(*choice, value, old, path);
      if (wrong.empty()) {
        ++right;
      } else if (best.empty() || wrong.size() < best.size()) {
        best = std::move(wrong);
      }
    }
    if (right == 1 || (right > 1 && !only_one)) return;
    if (right == 0) causes_.insert(causes_.end(), best.begin(), best.end());
    if (!only_one) {
      logic(path, "must validate at least one schema (anyOf)");
    } else {
      logic(path, right == 0 ? "must validate one and only one schema (oneOf). Found none valid"
                             : fmt::format("must validate one and only one schema (oneOf). Found {} valid "
                                           "alternatives",
                                           right));
    }
  }

  std::vector<Cause>& causes_;
};

}  // namespace

void check_value(const ValueRules& rules, const Json& value, const Json* old, const std::string& path,
                 std::vector<Cause>& causes) {
  Checker(causes).check(rules, value, old, path);
}

}  // namespace mk::api
