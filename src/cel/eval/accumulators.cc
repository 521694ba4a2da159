#include "eval/accumulators.h"

namespace mk::cel {

std::size_t hash_key(const Value& key) {
  switch (key.kind()) {
    case Value::Kind::kString:
      return std::hash<std::string_view>()(key.as_string());
    case Value::Kind::kBool:
      return key.as_bool() ? 3 : 5;
    case Value::Kind::kInt:
      return std::hash<double>()(static_cast<double>(key.as_int()));
    case Value::Kind::kUint:
      return std::hash<double>()(static_cast<double>(key.as_uint()));
    case Value::Kind::kDouble:
      return std::hash<double>()(key.as_double());
    default:
      return 7;
  }
}

Value GrowingMap::find(const Value& key) const {
  const auto [first, last] = index_.equal_range(hash_key(key));
  for (auto at = first; at != last; ++at) {
    if (entries[at->second].first == key) return entries[at->second].second;
  }
  return Value::absent();
}

void GrowingMap::for_each(const std::function<bool(const Value&)>& visit) const {
  for (const auto& entry : entries) {
    if (!visit(entry.first)) return;
  }
}

bool GrowingMap::insert(Value key, Value value) {
  if (!find(key).is_absent()) return false;
  index_.emplace(hash_key(key), entries.size());
  entries.emplace_back(std::move(key), std::move(value));
  return true;
}

}  // namespace mk::cel
