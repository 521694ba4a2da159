#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "mk/cel/type.h"

namespace mk::cel {

// What type variables stand for, found out while checking.
class Substitution {
 public:
  // May a value of type `from` be where `to` is expected? Binds variables; when not, nothing is bound.
  bool assign(const TypePtr& from, const TypePtr& to);
  // What was bound since mark() is forgotten by rollback().
  std::size_t mark() const { return trail_.size(); }
  void rollback(std::size_t mark);
  // With all variables replaced by what they stand for; unbound ones stay, or become dyn.
  TypePtr resolve(const TypePtr& type, bool free_to_dyn = false) const;

 private:
  TypePtr bound(TypePtr type) const;
  bool bind(const TypePtr& variable, const TypePtr& type);
  bool occurs(const std::string& variable, const TypePtr& type) const;

  bool unify(const TypePtr& from, const TypePtr& to);

  std::unordered_map<std::string, TypePtr> types_;
  std::vector<std::string> trail_;  // variables in the order they were bound
};

}  // namespace mk::cel
