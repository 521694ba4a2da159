#include "check/unify.h"

namespace mk::cel {

using Kind = Type::Kind;

TypePtr Substitution::bound(TypePtr type) const {
  while (type->kind == Kind::kParam) {
    const auto found = types_.find(type->name);
    if (found == types_.end()) break;
    type = found->second;
  }
  return type;
}

bool Substitution::occurs(const std::string& variable, const TypePtr& type) const {
  const TypePtr at = bound(type);
  if (at->kind == Kind::kParam) return at->name == variable;
  for (const auto& inner : at->parameters) {
    if (occurs(variable, inner)) return true;
  }
  return false;
}

bool Substitution::bind(const TypePtr& variable, const TypePtr& type) {
  if (type->kind == Kind::kParam && type->name == variable->name) return true;
  if (occurs(variable->name, type)) return false;
  types_[variable->name] = type;
  trail_.push_back(variable->name);
  return true;
}

void Substitution::rollback(std::size_t mark) {
  for (; trail_.size() > mark; trail_.pop_back()) types_.erase(trail_.back());
}

bool Substitution::assign(const TypePtr& from, const TypePtr& to) {
  const auto before = mark();
  if (unify(from, to)) return true;
  rollback(before);
  return false;
}

bool Substitution::unify(const TypePtr& from_type, const TypePtr& to_type) {
  const TypePtr from = bound(from_type), to = bound(to_type);
  if (to->kind == Kind::kParam) return bind(to, from);
  if (from->kind == Kind::kParam) return bind(from, to);
  if (from->kind == Kind::kDyn || to->kind == Kind::kDyn || from->kind == Kind::kError ||
      to->kind == Kind::kError)
    return true;
  if (from->kind == Kind::kNull) {
    return to->kind == Kind::kNull || to->kind == Kind::kObject || to->kind == Kind::kOpaque ||
           to->kind == Kind::kTimestamp || to->kind == Kind::kDuration;
  }
  if (to->kind == Kind::kNull) return unify(to, from);
  if (from->kind != to->kind || from->name != to->name) return false;
  if (from->kind == Kind::kType) return true;
  for (std::size_t i = 0; i < from->parameters.size() && i < to->parameters.size(); ++i) {
    if (!unify(from->parameters[i], to->parameters[i])) return false;
  }
  return true;
}

TypePtr Substitution::resolve(const TypePtr& type, bool free_to_dyn) const {
  const TypePtr at = bound(type);
  if (at->kind == Kind::kParam) return free_to_dyn ? types::dyn() : at;
  if (at->parameters.empty()) return at;
  auto out = std::make_shared<Type>(*at);
  for (auto& inner : out->parameters) inner = resolve(inner, free_to_dyn);
  return out;
}

}  // namespace mk::cel
