#pragma once

#include <unordered_map>

#include "mk/cel/value.h"

namespace mk::cel {

// The list and the map that a comprehension grows in place while nobody else holds them.
class GrowingList : public List {
 public:
  std::size_t size() const override { return elements.size(); }
  Value at(std::size_t index) const override { return elements[index]; }
  std::vector<Value> elements;
};

class GrowingMap : public Map {
 public:
  std::size_t size() const override { return entries.size(); }
  Value find(const Value& key) const override;
  void for_each(const std::function<bool(const Value&)>& visit) const override;
  // False: the key is there already.
  bool insert(Value key, Value value);

 private:
  std::vector<std::pair<Value, Value>> entries;
  std::unordered_multimap<std::size_t, std::size_t> index_;  // hash of the key to its entry
};

// Equal keys have equal hashes, numbers of different types included.
std::size_t hash_key(const Value& key);

}  // namespace mk::cel
