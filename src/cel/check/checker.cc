#include "check/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "check/functions.h"
#include "check/unify.h"
#include "syntax/macros.h"

namespace mk::cel {

namespace {

using Kind = Type::Kind;

// Names of types that are expressions themselves: type(1) == int.
const TypePtr* find_type_name(std::string_view name) {
  static const std::unordered_map<std::string_view, TypePtr> kNames{
      {"int", types::integer()},
      {"uint", types::uint()},
      {"double", types::real()},
      {"bool", types::boolean()},
      {"string", types::string()},
      {"bytes", types::bytes()},
      {"null_type", types::null()},
      {"list", types::list(types::dyn())},
      {"map", types::map(types::dyn(), types::dyn())},
      {"type", types::type_of(nullptr)},
      {"optional_type", types::optional(types::dyn())},
      {"google.protobuf.Timestamp", types::timestamp()},
      {"google.protobuf.Duration", types::duration()},
      {"kubernetes.Quantity", types::opaque("kubernetes.Quantity")},
      {"kubernetes.URL", types::opaque("kubernetes.URL")},
      {"kubernetes.Semver", types::opaque("kubernetes.Semver")},
      {"kubernetes.NamedFormat", types::opaque("kubernetes.NamedFormat")},
      {"net.IP", types::opaque("net.IP")},
      {"net.CIDR", types::opaque("net.CIDR")}};
  const auto found = kNames.find(name);
  return found == kNames.end() ? nullptr : &found->second;
}

Operation operation_of(const Expr& call) {
  static const std::unordered_map<std::string_view, Operation> kOperations{
      {"_&&_", Operation::kAnd},
      {"_||_", Operation::kOr},
      {"_?_:_", Operation::kConditional},
      {"_==_", Operation::kEqual},
      {"_!=_", Operation::kNotEqual},
      {"_[_]", Operation::kIndex},
      {"_[?_]", Operation::kOptionalIndex},
      {"_?._", Operation::kOptionalSelect},
      {"or", Operation::kOptionalOr},
      {"orValue", Operation::kOptionalOrValue},
      {"@not_strictly_false", Operation::kNotStrictlyFalse},
      {"@append", Operation::kAppend},
      {"@put", Operation::kPut},
      {"@merge", Operation::kMerge}};
  const auto found = kOperations.find(call.name);
  return found == kOperations.end() ? Operation::kInvoke : found->second;
}

class Checker {
 public:
  Checker(const Env& env, Program::Body& body) : env_(env), body_(body), ast_(body.ast) {}

  void run() {
    body_.uses.assign(env_.variables().size(), false);
    body_.type = check(ast_.root);
    if (!ast_.problems.empty()) return;
    for (auto& node : ast_.nodes) {
      if (node.type) node.type = types_.resolve(node.type, true);
    }
    body_.type = ast_.root->type;
  }

 private:
  using Fresh = std::unordered_map<std::string, TypePtr>;
  struct Local {
    std::string name;
    TypePtr type;
    int slot;
  };

  TypePtr check(Expr* expr) {
    expr->type = types_.resolve(type_of(expr));
    return expr->type;
  }

  TypePtr type_of(Expr* expr) {
    switch (expr->kind) {
      case Expr::Kind::kConstant:
        return expr->constant.runtime_type();
      case Expr::Kind::kIdent:
        return ident(expr);
      case Expr::Kind::kSelect:
        return select(expr);
      case Expr::Kind::kCall:
        return call(expr);
      case Expr::Kind::kList:
        return list(expr);
      case Expr::Kind::kMap:
        return map(expr);
      case Expr::Kind::kStruct:
        return structure(expr);
      case Expr::Kind::kComprehension:
        return comprehension(expr);
    }
    return types::error();
  }

  TypePtr problem(const Expr* expr, std::string message) {
    ast_.problem(expr->offset, std::move(message));
    return types::error();
  }
  TypePtr undeclared(const Expr* expr, std::string_view name) {
    return problem(expr, fmt::format("undeclared reference to '{}' (in container '')", name));
  }

  const Local* local(const Expr& ident) const {
    if (ident.global_name) return nullptr;
    for (auto at = locals_.rbegin(); at != locals_.rend(); ++at) {
      if (at->name == ident.name) return &*at;
    }
    return nullptr;
  }
  int variable(std::string_view name) const {
    for (std::size_t i = 0; i < env_.variables().size(); ++i) {
      if (env_.variables()[i].name == name) return static_cast<int>(i);
    }
    return -1;
  }
  bool names_value(const Expr& ident) const { return local(ident) != nullptr || variable(ident.name) >= 0; }

  TypePtr type_constant(Expr* expr, const TypePtr& named) {
    expr->kind = Expr::Kind::kConstant;
    expr->constant = Value::type(named);
    expr->arguments.clear();
    return types::type_of(named);
  }

  TypePtr ident(Expr* expr) {
    if (const Local* found = local(*expr)) {
      expr->slot = found->slot;
      return found->type;
    }
    if (const int index = variable(expr->name); index >= 0) {
      expr->global = index;
      body_.uses[static_cast<std::size_t>(index)] = true;
      return env_.variables()[static_cast<std::size_t>(index)].type;
    }
    if (const TypePtr* named = find_type_name(expr->name)) return type_constant(expr, *named);
    return undeclared(expr, expr->name);
  }

  // A variable may have a dotted name.
  TypePtr dotted_variable(Expr* expr, const std::string& name) {
    expr->kind = Expr::Kind::kIdent;
    expr->name = name;
    expr->global_name = true;
    expr->arguments.clear();
    return ident(expr);
  }

  // "a.b.c" when the chain begins with a name that is no value; "" otherwise.
  std::string qualified_name(const Expr& expr) const {
    if (expr.kind == Expr::Kind::kIdent) return names_value(expr) ? "" : expr.name;
    if (expr.kind != Expr::Kind::kSelect || expr.test_only) return "";
    const std::string before = qualified_name(*expr.arguments[0]);
    return before.empty() ? "" : before + "." + expr.name;
  }

  TypePtr select(Expr* expr) {
    if (const std::string name = qualified_name(*expr); !name.empty()) {
      if (const TypePtr* named = find_type_name(name)) return type_constant(expr, *named);
      if (variable(name) >= 0) return dotted_variable(expr, name);
    }
    expr->property = expr->name;
    const TypePtr operand = check(expr->arguments[0]);
    if (operand->kind == Kind::kOpaque && expr->name == "requestResource" && !expr->test_only) {
      expr->kind = Expr::Kind::kCall;
      expr->name = "@request_resource";
      return resolve_call(expr, *find_functions(expr->name), {operand});
    }
    const TypePtr field = field_type(expr, operand, expr->name, expr->property);
    return expr->test_only ? types::boolean() : field;
  }

  // The type of a field of a value of type `operand`; `property` becomes the field's name in the data.
  TypePtr field_type(Expr* expr, const TypePtr& operand, const std::string& name, std::string& property) {
    switch (operand->kind) {
      case Kind::kDyn:
      case Kind::kError:
      case Kind::kParam:
        return operand->kind == Kind::kError ? operand : types::dyn();
      case Kind::kOptional: {
        const TypePtr inside = field_type(expr, types_.resolve(operand->parameters[0]), name, property);
        return inside->kind == Kind::kOptional ? inside : types::optional(inside);
      }
      case Kind::kMap:
        return operand->parameters[1];
      case Kind::kObject:
        return object_field(expr, *operand, name, property);
      default:
        return problem(expr, fmt::format("type '{}' does not support field selection", operand->str()));
    }
  }

  TypePtr object_field(Expr* expr, const Type& object, const std::string& name, std::string& property) {
    TypePtr found = env_.provider() != nullptr ? env_.provider()->field(object.name, name) : nullptr;
    if (!found) return problem(expr, fmt::format("undefined field '{}'", name));
    property = env_.provider()->property(object.name, name);
    return found;
  }

  TypePtr call(Expr* expr) {
    if (expr->member) qualify(expr);
    expr->operation = operation_of(*expr);
    if (expr->name == "_?._") return optional_select(expr);
    const bool formats = expr->member && expr->name == "format" && expr->arguments.size() == 2;
    std::vector<TypePtr> arguments;
    for (Expr* argument : expr->arguments) {
      formatting_ += formats;
      arguments.push_back(check(argument));
      formatting_ -= formats;
    }
    const auto* overloads = find_functions(expr->name);
    if (overloads == nullptr) return undeclared(expr, expr->name);
    return resolve_call(expr, *overloads, arguments);
  }

  // sets.contains(a, b) parses as a method of a variable "sets"; it is a function when that has such a name.
  void qualify(Expr* expr) {
    const std::string target = qualified_name(*expr->arguments[0]);
    if (target.empty()) return;
    const std::string name = target + "." + expr->name;
    if (find_functions(name) == nullptr) return;
    expr->name = name;
    expr->member = false;
    expr->arguments.erase(expr->arguments.begin());
  }

  TypePtr resolve_call(Expr* expr, const std::vector<Overload>& overloads,
                       const std::vector<TypePtr>& arguments) {
    TypePtr result;
    Fresh chosen;
    for (const auto& overload : overloads) {
      if (overload.member != expr->member || overload.parameters.size() != arguments.size()) continue;
      Fresh fresh;
      const auto before = types_.mark();
      if (assign_all(overload, arguments, fresh)) {
        const TypePtr type = types_.resolve(instance(overload.result, fresh));
        result = !result ? type : equal(*result, *type) ? result : types::dyn();
        expr->overloads.push_back(&overload);
        chosen = std::move(fresh);
      }
      types_.rollback(before);
    }
    if (!result) return no_overload(expr, arguments);
    // With several candidates nothing is known of the variables that each would bind.
    if (expr->overloads.size() == 1) assign_all(*expr->overloads[0], arguments, chosen);
    return result;
  }

  bool assign_all(const Overload& overload, const std::vector<TypePtr>& arguments, Fresh& fresh) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      if (!types_.assign(arguments[i], instance(overload.parameters[i], fresh))) return false;
    }
    return true;
  }

  TypePtr no_overload(Expr* expr, const std::vector<TypePtr>& arguments) {
    std::string shown;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      if (arguments[i]->kind == Kind::kError) return types::error();
      const std::string text = types_.resolve(arguments[i], true)->str();
      if (i == 0 && expr->member) {
        shown = text + ".(";
      } else {
        shown.append(i == (expr->member ? 1u : 0u) ? "" : ", ").append(text);
      }
    }
    return problem(expr, fmt::format("found no matching overload for '{}' applied to '{}{})'", expr->name,
                                     expr->member ? "" : "(", shown));
  }

  // Type variables of an overload mean something new at each call.
  TypePtr instance(const TypePtr& type, Fresh& fresh) {
    if (type->kind == Kind::kParam) {
      auto& variable = fresh[type->name];
      if (!variable) variable = new_variable();
      return variable;
    }
    if (type->parameters.empty()) return type;
    auto out = std::make_shared<Type>(*type);
    for (auto& inner : out->parameters) inner = instance(inner, fresh);
    return out;
  }
  TypePtr new_variable() { return types::param("_var" + std::to_string(next_variable_++)); }

  TypePtr optional_select(Expr* expr) {
    Expr* field = expr->arguments[1];
    const std::string name(field->constant.as_string());
    field->type = types::string();
    expr->property = name;
    const TypePtr found = field_type(expr, check(expr->arguments[0]), name, expr->property);
    return found->kind == Kind::kOptional ? found : types::optional(found);
  }

  // The type of an element; with `?` it must be optional and its inside counts.
  TypePtr entry_type(const Expr* literal, std::size_t entry, Expr* value) {
    TypePtr type = check(value);
    if (!literal->optional_entries[entry] || type->kind == Kind::kDyn || type->kind == Kind::kError)
      return type;
    if (type->kind == Kind::kOptional) return types_.resolve(type->parameters[0]);
    return problem(value,
                   fmt::format("expected type 'optional_type({})' but found '{}'", type->str(), type->str()));
  }

  // Kubernetes wants literals of one type, except where format() takes them.
  void join(TypePtr& joined, const TypePtr& type, const Expr* at) {
    if (!joined) {
      joined = type;
      return;
    }
    if (types_.assign(type, joined)) {
      if (type->kind == Kind::kDyn) joined = types::dyn();
    } else if (formatting_ > 0) {
      joined = types::dyn();
    } else {
      problem(at, fmt::format("expected type '{}' but found '{}'", types_.resolve(joined, true)->str(),
                              types_.resolve(type, true)->str()));
    }
  }

  TypePtr list(Expr* expr) {
    TypePtr element;
    for (std::size_t i = 0; i < expr->arguments.size(); ++i)
      join(element, entry_type(expr, i, expr->arguments[i]), expr->arguments[i]);
    return types::list(element ? element : new_variable());
  }

  TypePtr map(Expr* expr) {
    TypePtr key, value;
    for (std::size_t i = 0; i + 1 < expr->arguments.size(); i += 2) {
      join(key, check(expr->arguments[i]), expr->arguments[i]);
      join(value, entry_type(expr, i / 2, expr->arguments[i + 1]), expr->arguments[i + 1]);
    }
    return types::map(key ? key : new_variable(), value ? value : new_variable());
  }

  TypePtr structure(Expr* expr) {
    const TypeProvider* provider = env_.provider();
    const bool known = provider != nullptr && provider->constructible(expr->name);
    if (!known) undeclared(expr, expr->name);
    for (std::size_t i = 0; i < expr->arguments.size(); ++i) {
      const TypePtr given = entry_type(expr, i, expr->arguments[i]);
      if (!known) continue;
      const TypePtr wanted = provider->field(expr->name, expr->fields[i]);
      if (!wanted) {
        problem(expr->arguments[i], fmt::format("undefined field '{}'", expr->fields[i]));
        continue;
      }
      if (!types_.assign(given, wanted)) {
        problem(expr->arguments[i],
                fmt::format("expected type of field '{}' is '{}' but provided type is '{}'", expr->fields[i],
                            wanted->str(), given->str()));
      }
      expr->fields[i] = provider->property(expr->name, expr->fields[i]);
    }
    return known ? types::object(expr->name) : types::error();
  }

  TypePtr comprehension(Expr* expr) {
    const TypePtr range = check(expr->arguments[0]);
    const bool two = !expr->second_variable.empty();
    TypePtr first = types::dyn(), second = types::dyn();
    switch (range->kind) {
      case Kind::kList:
        first = two ? types::integer() : range->parameters[0];
        second = range->parameters[0];
        break;
      case Kind::kMap:
        first = range->parameters[0];
        second = range->parameters[1];
        break;
      case Kind::kDyn:
      case Kind::kError:
      case Kind::kParam:
        break;
      default:
        problem(
            expr->arguments[0],
            fmt::format("expression of type '{}' cannot be range of a comprehension (must be list, map, or "
                        "dynamic)",
                        range->str()));
    }
    const TypePtr accumulator = check(expr->arguments[1]);
    expr->slot = next_slot_;
    next_slot_ += 3;
    body_.slots = std::max(body_.slots, static_cast<std::size_t>(next_slot_));
    locals_.push_back({expr->accumulator, accumulator, expr->slot + 2});
    locals_.push_back({expr->variable, first, expr->slot});
    if (two) locals_.push_back({expr->second_variable, second, expr->slot + 1});
    expect(expr->arguments[2], types::boolean());
    expect(expr->arguments[3], accumulator);
    locals_.resize(locals_.size() - (two ? 2 : 1));
    const TypePtr result = check(expr->arguments[4]);
    locals_.pop_back();
    next_slot_ -= 3;
    return result;
  }

  void expect(Expr* expr, const TypePtr& wanted) {
    const TypePtr given = check(expr);
    if (!types_.assign(given, wanted)) {
      problem(expr, fmt::format("expected type '{}' but found '{}'", types_.resolve(wanted, true)->str(),
                                types_.resolve(given, true)->str()));
    }
  }

  const Env& env_;
  Program::Body& body_;
  Ast& ast_;
  Substitution types_;
  std::vector<Local> locals_;
  int next_variable_ = 0, next_slot_ = 0;
  int formatting_ = 0;  // depth inside arguments of format(), which takes values of any types
};

}  // namespace

void check(const Env& env, Program::Body& body) {
  Checker(env, body).run();
}

}  // namespace mk::cel
