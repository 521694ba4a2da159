#include "syntax/macros.h"

#include <algorithm>
#include <array>

namespace mk::cel {

namespace {

// No expression can name it, so comprehensions may nest.
constexpr const char* kResult = "@result";

class Expander {
 public:
  Expander(Ast& ast, std::size_t offset, Expr* target, const std::vector<Expr*>& arguments)
      : ast_(ast), offset_(offset), target_(target), arguments_(arguments) {}

  Expr* expand(const std::string& name) {
    if (target_ == nullptr) return name == "has" && count() == 1 ? has() : nullptr;
    if (name == "bind" && count() == 3 && target_->kind == Expr::Kind::kIdent && target_->name == "cel")
      return bind();
    if (name == "optMap" && count() == 2) return opt_map(true);
    if (name == "optFlatMap" && count() == 2) return opt_map(false);
    if (name == "all" || name == "exists") {
      return count() == 2 || count() == 3 ? quantifier(name == "all") : nullptr;
    }
    if (name == "exists_one" || name == "existsOne")
      return count() == 2 || count() == 3 ? exists_one() : nullptr;
    if (name == "map" && (count() == 2 || count() == 3)) return map();
    if (name == "filter" && count() == 2) return filter();
    if (count() != 3 && count() != 4) return nullptr;
    if (name == "transformList") return transform("@append", {});
    if (name == "transformMap") return transform("@put", name_of(arguments_[0]));
    if (name == "transformMapEntry") return transform("@merge", {});
    return nullptr;
  }

 private:
  std::size_t count() const { return arguments_.size(); }
  Expr* call(std::string name, std::vector<Expr*> arguments) {
    return make_call(ast_, offset_, std::move(name), std::move(arguments));
  }
  Expr* ident(std::string name) {
    Expr* out = ast_.make(Expr::Kind::kIdent, offset_);
    out->name = std::move(name);
    return out;
  }
  Expr* result() { return ident(kResult); }
  Expr* constant(Value value) {
    Expr* out = ast_.make(Expr::Kind::kConstant, offset_);
    out->constant = std::move(value);
    return out;
  }
  Expr* empty(Expr::Kind kind) { return ast_.make(kind, offset_); }

  static std::string name_of(const Expr* expr) { return expr->kind == Expr::Kind::kIdent ? expr->name : ""; }
  bool is_name(const Expr* expr, std::string_view what) {
    if (expr->kind == Expr::Kind::kIdent && !expr->global_name && expr->name != kResult) return true;
    ast_.problem(expr->offset, std::string(what));
    return false;
  }
  bool names(std::size_t how_many) {
    for (std::size_t i = 0; i < how_many; ++i) {
      if (!is_name(arguments_[i], "argument must be a simple name")) return false;
    }
    if (how_many == 2 && arguments_[0]->name == arguments_[1]->name) {
      ast_.problem(arguments_[1]->offset, "duplicate variable name: " + arguments_[1]->name);
      return false;
    }
    return true;
  }

  Expr* loop(std::size_t how_many_names, Expr* initial, Expr* condition, Expr* step, Expr* final_value) {
    Expr* out = empty(Expr::Kind::kComprehension);
    out->variable = name_of(arguments_[0]);
    if (how_many_names == 2) out->second_variable = name_of(arguments_[1]);
    out->accumulator = kResult;
    out->arguments = {target_, initial, condition, step, final_value};
    set_depth(*out);
    return out;
  }

  Expr* has() {
    Expr* field = arguments_[0];
    if (field->kind != Expr::Kind::kSelect || field->test_only) {
      ast_.problem(field->offset, "invalid argument to has() macro");
      return field;
    }
    Expr* out = empty(Expr::Kind::kSelect);
    out->offset = field->offset;
    out->name = field->name;
    out->arguments = field->arguments;
    out->test_only = true;
    set_depth(*out);
    return out;
  }

  Expr* quantifier(bool all) {
    const std::size_t variables = count() - 1;
    if (!names(variables)) return target_;
    Expr* go_on = call("@not_strictly_false", {all ? result() : call("!_", {result()})});
    Expr* step = call(all ? "_&&_" : "_||_", {result(), arguments_.back()});
    return loop(variables, constant(Value::of(all)), go_on, step, result());
  }

  Expr* exists_one() {
    const std::size_t variables = count() - 1;
    if (!names(variables)) return target_;
    Expr* more = call("_+_", {result(), constant(Value::integer(1))});
    Expr* step = call("_?_:_", {arguments_.back(), more, result()});
    Expr* one = call("_==_", {result(), constant(Value::integer(1))});
    return loop(variables, constant(Value::integer(0)), constant(Value::of(true)), step, one);
  }

  Expr* map() {
    if (!names(1)) return target_;
    Expr* step = call("@append", {result(), arguments_.back()});
    if (count() == 3) step = call("_?_:_", {arguments_[1], step, result()});
    return loop(1, empty(Expr::Kind::kList), constant(Value::of(true)), step, result());
  }

  Expr* filter() {
    if (!names(1)) return target_;
    Expr* step = call("@append", {result(), ident(arguments_[0]->name)});
    step = call("_?_:_", {arguments_[1], step, result()});
    return loop(1, empty(Expr::Kind::kList), constant(Value::of(true)), step, result());
  }

  // Over keys (indexes) and values; `key` is the variable that keeps its place in a map.
  Expr* transform(const char* add, const std::string& key) {
    if (!names(2)) return target_;
    std::vector<Expr*> parts{result()};
    if (!key.empty()) parts.push_back(ident(key));
    parts.push_back(arguments_.back());
    Expr* step = call(add, std::move(parts));
    if (count() == 4) step = call("_?_:_", {arguments_[2], step, result()});
    Expr* initial = empty(std::string_view(add) == "@append" ? Expr::Kind::kList : Expr::Kind::kMap);
    return loop(2, initial, constant(Value::of(true)), step, result());
  }

  // A comprehension over nothing, whose accumulator is the name.
  Expr* bind_to(const std::string& name, Expr* value, Expr* body) {
    Expr* out = empty(Expr::Kind::kComprehension);
    out->variable = "@unused";
    out->accumulator = name;
    out->arguments = {empty(Expr::Kind::kList), value, constant(Value::of(false)), ident(name), body};
    set_depth(*out);
    return out;
  }

  Expr* bind() {
    if (!is_name(arguments_[0], "cel.bind() variable names must be simple identifiers")) return target_;
    return bind_to(arguments_[0]->name, arguments_[1], arguments_[2]);
  }

  Expr* opt_map(bool wrap) {
    if (!is_name(arguments_[0], "optMap() variable name must be a simple identifier")) return target_;
    // The target is evaluated once: it is bound before it is asked.
    const std::string bound = "@target";
    const auto ask = [&](const char* what) {
      Expr* out = call(what, {ident(bound)});
      out->member = true;
      return out;
    };
    Expr* body = bind_to(arguments_[0]->name, ask("value"), arguments_[1]);
    if (wrap) body = call("optional.of", {body});
    Expr* chosen = call("_?_:_", {ask("hasValue"), body, call("optional.none", {})});
    return bind_to(bound, target_, chosen);
  }

  Ast& ast_;
  std::size_t offset_;
  Expr* target_;
  const std::vector<Expr*>& arguments_;
};

}  // namespace

void set_depth(Expr& expr) {
  expr.depth = 1;
  for (const Expr* argument : expr.arguments) expr.depth = std::max(expr.depth, argument->depth + 1);
}

Expr* make_call(Ast& ast, std::size_t offset, std::string name, std::vector<Expr*> arguments) {
  Expr* out = ast.make(Expr::Kind::kCall, offset);
  out->name = std::move(name);
  out->arguments = std::move(arguments);
  set_depth(*out);
  return out;
}

Expr* expand_macro(Ast& ast, std::size_t offset, const std::string& name, Expr* target,
                   const std::vector<Expr*>& arguments) {
  return Expander(ast, offset, target, arguments).expand(name);
}

}  // namespace mk::cel
