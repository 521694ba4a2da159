#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "extensions/custom_resource.h"
#include "mk/api/validation.h"
#include "mk/cel/cost.h"
#include "mk/cel/env.h"
#include "mk/cel/schema_types.h"

// x-kubernetes-validations: rules in CEL on any level of a schema (KEP-2876), compiled once.
namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::size_t kOldSelf = 1;  // the second variable
// Estimates are coarser than Kubernetes', so a definition is refused only far beyond its limits: one that
// Kubernetes takes must not be.
constexpr std::uint64_t kSlack = 10;

struct Rule {
  std::string text, message, field_path, reason;
  std::optional<cel::Program> program, message_program;
  bool transition = false;    // speaks of oldSelf
  bool optional_old = false;  // ... which may be none
};

// One level of a schema that has rules, or has levels below that have.
struct Level {
  const cel::SchemaNode* node = nullptr;
  std::string type;
  std::vector<Rule> rules;
  std::map<std::string, std::unique_ptr<Level>, std::less<>> properties;
  std::unique_ptr<Level> items, values;
  std::vector<std::string> map_keys;

  bool empty() const { return rules.empty() && properties.empty() && !items && !values; }
};

// Compiles a schema's rules; what does not compile is told by its field path.
class Compiler {
 public:
  Compiler(const cel::SchemaTypes& types, std::vector<Cause>& causes) : types_(types), causes_(causes) {}

  std::unique_ptr<Level> level(const Json& schema, const std::string& path) {
    auto out = std::make_unique<Level>();
    out->node = types_.at(place_);
    if (out->node == nullptr) return nullptr;
    out->type = api::str(schema, "type");
    for (const auto& key : api::list(schema, "x-kubernetes-list-map-keys")) {
      if (const auto* text = key.if_string()) out->map_keys.emplace_back(*text);
    }
    const std::uint64_t around = often_;
    const auto& rules = api::list(schema, "x-kubernetes-validations");
    for (std::size_t i = 0; i < rules.size(); ++i)
      add_rule(*out, rules[i], fmt::format("{}.x-kubernetes-validations[{}]", path, i));
    for (const auto& property : api::object(schema, "properties")) {
      const std::string name(property.key());
      if (auto below = child(name, property.value(), fmt::format("{}.properties[{}]", path, name)))
        out->properties.emplace(name, std::move(below));
    }
    // What is below is evaluated for each element of this list or map.
    const auto kind = out->node->type->kind;
    const bool many = kind == cel::Type::Kind::kList || kind == cel::Type::Kind::kMap;
    if (many && __builtin_mul_overflow(around, std::max<std::uint64_t>(1, out->node->size_max), &often_))
      often_ = UINT64_MAX;
    if (const Json* items = api::find(schema, "items")) out->items = child("[]", *items, path + ".items");
    if (const Json* values = api::find(schema, "additionalProperties"))
      out->values = child("{}", *values, path + ".additionalProperties");
    often_ = around;
    return out->empty() ? nullptr : std::move(out);
  }

  // Once all levels are compiled.
  void check_total(const std::string& path) {
    check_cost(total_, cel::limits::kStaticCrdCost, path,
               "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema");
  }

 private:
  std::unique_ptr<Level> child(const std::string& element, const Json& schema, const std::string& path) {
    if (!schema.is_object()) return nullptr;
    place_.push_back(element);
    auto out = level(schema, path);
    place_.pop_back();
    return out;
  }

  void add_rule(Level& level, const Json& source, const std::string& path) {
    Rule rule;
    rule.text = api::str(source, "rule");
    rule.message = api::str(source, "message");
    rule.field_path = api::str(source, "fieldPath");
    rule.reason = api::str(source, "reason", "FieldValueInvalid");
    rule.optional_old = api::flag(source, "optionalOldSelf");
    if (rule.text.find_first_not_of(" \t\r\n") == std::string::npos) {
      causes_.push_back(api::required(path + ".rule", "rule is not specified"));
      return;
    }
    const auto type = level.node->type;
    const cel::Env env({cel::Variable("self", type),
                        cel::Variable("oldSelf", rule.optional_old ? cel::types::optional(type) : type)},
                       &types_);
    rule.program = compile(env, rule.text, cel::types::boolean(), path + ".rule", source);
    const auto message_expression = api::str(source, "messageExpression");
    if (!message_expression.empty())
      rule.message_program =
          compile(env, message_expression, cel::types::string(), path + ".messageExpression", source);
    if (!rule.program) return;
    const auto cost = cost_of(*rule.program, level);
    check_cost(cost, cel::limits::kStaticCost, path + ".rule", "estimated rule cost");
    if (rule.message_program)
      check_cost(cost_of(*rule.message_program, level), cel::limits::kStaticCost, path + ".messageExpression",
                 "estimated messageExpression cost");
    total_ = cost > UINT64_MAX - total_ ? UINT64_MAX : total_ + cost;
    rule.transition = rule.program->uses(kOldSelf);
    level.rules.push_back(std::move(rule));
  }

  std::optional<cel::Program> compile(const cel::Env& env, std::string_view text, const cel::TypePtr& wanted,
                                      const std::string& path, const Json& source) {
    auto compiled = env.compile(text);
    std::string wrong;
    if (!compiled.ok()) {
      wrong = "compilation failed: " + compiled.error().message();
    } else if (!cel::equal(*compiled->type(), *wanted) && compiled->type()->kind != cel::Type::Kind::kDyn) {
      wrong = wanted->kind == cel::Type::Kind::kBool ? "cel expression must evaluate to a bool"
                                                     : "messageExpression must evaluate to a string";
    }
    if (wrong.empty()) return std::move(compiled).value();
    causes_.push_back(api::invalid(path, api::to_json(source), wrong));
    return std::nullopt;
  }

  // Of one evaluation for each place where the level may be.
  std::uint64_t cost_of(const cel::Program& program, const Level& level) const {
    std::uint64_t out = 0;
    const auto once = cel::estimate_cost(program, {level.node, level.node}).max;
    return __builtin_mul_overflow(once, often_, &out) ? UINT64_MAX : out;
  }

  void check_cost(std::uint64_t cost, std::uint64_t most, const std::string& path, std::string_view what) {
    if (cost / kSlack <= most) return;
    const double factor = static_cast<double>(cost) / static_cast<double>(most);
    causes_.push_back(api::forbidden(
        path, fmt::format("{} exceeds budget by factor of {} (try simplifying the rule, or adding maxItems, "
                          "maxProperties, and maxLength where arrays, maps, and strings are declared)",
                          what, factor > 100 ? "more than 100x" : fmt::format("{:.1f}x", factor))));
  }

  const cel::SchemaTypes& types_;
  std::vector<Cause>& causes_;
  std::vector<std::string> place_;
  std::uint64_t often_ = 1;  // how many values a level may have in one object
  std::uint64_t total_ = 0;
};

class CelRules final : public ObjectRules {
 public:
  CelRules(const Json& schema, const std::string& path, std::vector<Cause>& causes)
      : types_(schema, "object") {
    Compiler compiler(types_, causes);
    root_ = compiler.level(schema, path);
    compiler.check_total(path);
  }

  bool empty() const { return root_ == nullptr; }

  void check(const Json& object, const Json* old, std::vector<Cause>& causes) const override {
    cel::Budget budget;
    check_level(*root_, object, old, "", budget, causes);
  }

 private:
  // False once the budget is used up: nothing more is looked at.
  static bool check_level(const Level& level, const Json& value, const Json* old, const std::string& path,
                          cel::Budget& budget, std::vector<Cause>& causes) {
    if (value.is_null()) return true;
    const bool same = old != nullptr && *old == value;
    for (const auto& rule : level.rules) {
      if (rule.transition && old == nullptr && !rule.optional_old) continue;
      if (same && !rule.transition) continue;  // what an update leaves as it is
      if (!check_rule(level, rule, value, old, path, budget, causes)) return false;
    }
    if (const auto* fields = value.if_object()) {
      for (const auto& field : *fields) {
        const std::string name(field.key());
        const auto known = level.properties.find(name);
        const bool property = known != level.properties.end();
        const Level* below = property ? known->second.get() : level.values.get();
        if (below == nullptr) continue;
        const Json* before = old ? api::member(*old, name) : nullptr;
        const std::string here = !property      ? fmt::format("{}[{}]", path, name)
                                 : path.empty() ? name
                                                : path + "." + name;
        if (!check_level(*below, field.value(), before, here, budget, causes)) return false;
      }
    }
    const auto* elements = value.if_array();
    for (std::size_t i = 0; elements && level.items && i < elements->size(); ++i) {
      const Json* before = old_element(level, (*elements)[i], old);
      if (!check_level(*level.items, (*elements)[i], before, fmt::format("{}[{}]", path, i), budget, causes))
        return false;
    }
    return true;
  }

  // The element of before with the same keys; lists that are no maps have none.
  static const Json* old_element(const Level& level, const Json& element, const Json* old) {
    const auto* elements = old ? old->if_array() : nullptr;
    if (elements == nullptr || level.map_keys.empty()) return nullptr;
    for (const auto& before : *elements) {
      bool equal = true;
      for (const auto& key : level.map_keys) {
        const Json *left = api::member(element, key), *right = api::member(before, key);
        equal = equal && (left == nullptr ? right == nullptr : right != nullptr && *left == *right);
      }
      if (equal) return &before;
    }
    return nullptr;
  }

  static bool check_rule(const Level& level, const Rule& rule, const Json& value, const Json* old,
                         const std::string& path, cel::Budget& budget, std::vector<Cause>& causes) {
    const auto before = [&] {
      if (old == nullptr) return rule.optional_old ? cel::Value::none() : cel::Value::null();
      auto was = cel::Value::json(*old, level.node);
      return rule.optional_old ? cel::Value::optional(std::move(was)) : was;
    };
    const cel::ValueBindings bindings({cel::Value::json(value, level.node), before()});
    const auto result = rule.program->evaluate(bindings, budget);
    if (result.ok() && result->is_true()) return true;
    if (result.ok()) {
      causes.push_back(failed(level, rule, bindings, path, budget));
      return true;
    }
    const std::string& why = result.error().message();
    const std::string type = fmt::format("\"{}\"", level.type);
    if (budget.exceeded) {
      causes.push_back(api::invalid(
          path, type,
          fmt::format(
              "'{}': no further validation rules will be run due to call cost exceeds limit for rule: {}",
              why, rule.text)));
      return false;
    }
    const bool overload = why.starts_with("no such overload");
    causes.push_back(api::invalid(
        path, type,
        overload ? fmt::format("'{}': call arguments did not match a supported operator, function or macro "
                               "signature for rule: {}",
                               why, rule.text)
                 : fmt::format("'{}' evaluating rule: {}", why, rule.text)));
    return true;
  }

  static Cause failed(const Level& level, const Rule& rule, const cel::Bindings& bindings,
                      const std::string& path, cel::Budget& budget) {
    std::string message = rule.message;
    if (rule.message_program) {
      const auto made = rule.message_program->evaluate(bindings, budget);
      if (made.ok() && made->is(cel::Value::Kind::kString) && !made->as_string().empty())
        message = made->as_string();
    }
    if (message.empty()) message = "failed rule: " + rule.text;
    const std::string field =
        path.empty() && rule.field_path.starts_with('.') ? rule.field_path.substr(1) : path + rule.field_path;
    if (rule.reason == "FieldValueRequired") return api::required(field, message);
    if (rule.reason == "FieldValueForbidden") return api::forbidden(field, message);
    if (rule.reason == "FieldValueDuplicate") return api::duplicate(field, fmt::format("\"{}\"", level.type));
    return api::invalid(field, fmt::format("\"{}\"", level.type), message);
  }

  cel::SchemaTypes types_;
  std::unique_ptr<Level> root_;
};

// Most schemas have no rules at all, and types need not be made for them.
bool has_rules(const Json& schema) {
  if (!schema.is_object()) return false;
  if (!api::list(schema, "x-kubernetes-validations").empty()) return true;
  for (const auto& property : api::object(schema, "properties")) {
    if (has_rules(property.value())) return true;
  }
  for (const std::string_view below : {"items", "additionalProperties"}) {
    if (const Json* child = api::find(schema, below); child && has_rules(*child)) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<const ObjectRules> make_object_rules(const Json& open_api_v3, const std::string& path,
                                                     std::vector<Cause>& causes) {
  if (!has_rules(open_api_v3)) return nullptr;
  auto rules = std::make_unique<CelRules>(open_api_v3, path, causes);
  return rules->empty() ? nullptr : std::move(rules);
}

}  // namespace mk::apiserver
