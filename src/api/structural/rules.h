#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mk/api/json.h"
#include "structural/pattern.h"

namespace mk::api {

// The value rules of one schema node, compiled. Absent limits are nullopt.
struct ValueRules {
  using Child = std::unique_ptr<const ValueRules>;
  using Children = std::vector<Child>;
  struct Property {
    std::string name;
    Child rules;
  };

  std::string type, format;  // "" : any
  bool nullable = false, int_or_string = false, embedded = false;
  bool exclusive_minimum = false, exclusive_maximum = false, unique_items = false;
  std::optional<Json> minimum, maximum, multiple_of;  // numbers as they were written, for messages
  std::optional<std::int64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
  std::string pattern_source;
  std::shared_ptr<const Pattern> pattern;
  std::vector<Json> allowed;  // enum; empty: anything
  std::vector<std::string> required;
  std::vector<Property> properties;  // sorted by name
  Child items, additional;
  Children all_of, any_of, one_of;
  Child never;  // not
  bool is_set = false;
  std::vector<std::string> map_keys;  // of a list of type map

  const ValueRules* property(std::string_view name) const;
};

std::unique_ptr<const ValueRules> compile_rules(const Json& schema);

// Checks `value` against `rules`; `old`, if any, is what stood at the same place before.
void check_value(const ValueRules& rules, const Json& value, const Json* old, const std::string& path,
                 std::vector<Cause>& causes);

// Is the text of this format? True for formats that Kubernetes does not know.
bool has_format(std::string_view format, std::string_view text);

}  // namespace mk::api
