#include "mk/cel/value.h"

#include <fmt/format.h>

#include <cmath>

#include "mk/base/strings.h"
#include "mk/cel/schema_types.h"

namespace mk::cel {

namespace {

class VectorList : public List {
 public:
  explicit VectorList(std::vector<Value> elements) : elements_(std::move(elements)) {}
  std::size_t size() const override { return elements_.size(); }
  Value at(std::size_t index) const override { return elements_[index]; }

 private:
  std::vector<Value> elements_;
};

// Entries in order; maps that expressions write are small, larger ones get an index of their text keys.
class VectorMap : public Map {
 public:
  VectorMap(std::vector<std::pair<Value, Value>> entries, std::string type_name)
      : entries_(std::move(entries)), type_name_(std::move(type_name)) {
    if (entries_.size() < kIndexed) return;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].first.is(Value::Kind::kString)) index_.emplace(entries_[i].first.as_string(), i);
    }
  }
  std::size_t size() const override { return entries_.size(); }
  Value find(const Value& key) const override {
    if (key.is(Value::Kind::kString) && entries_.size() >= kIndexed) {
      const auto found = index_.find(key.as_string());
      return found == index_.end() ? Value::absent() : entries_[found->second].second;
    }
    for (const auto& [name, value] : entries_) {
      if (name == key) return value;
    }
    return Value::absent();
  }
  void for_each(const std::function<bool(const Value&)>& visit) const override {
    for (const auto& entry : entries_) {
      if (!visit(entry.first)) return;
    }
  }
  std::string_view type_name() const override { return type_name_; }

 private:
  static constexpr std::size_t kIndexed = 8;
  std::vector<std::pair<Value, Value>> entries_;
  std::unordered_map<std::string_view, std::size_t> index_;  // views into entries_
  std::string type_name_;
};

bool numeric(Value::Kind kind) {
  return kind == Value::Kind::kInt || kind == Value::Kind::kUint || kind == Value::Kind::kDouble;
}

template <class T>
int order(const T& left, const T& right) {
  return left < right ? -1 : right < left ? 1 : 0;
}

// An integer against a double: as doubles, unless the double is beyond all integers of the type.
std::optional<int> compare_with_double(const Value& integer, double right) {
  if (std::isnan(right)) return std::nullopt;
  const bool is_signed = integer.is(Value::Kind::kInt);
  if (right > (is_signed ? 0x1p63 : 0x1p64)) return -1;
  if (right < (is_signed ? -0x1p63 : 0.0)) return 1;
  return order(is_signed ? static_cast<double>(integer.as_int()) : static_cast<double>(integer.as_uint()),
               right);
}

__int128 wide(const Value& value) {
  return value.is(Value::Kind::kInt) ? static_cast<__int128>(value.as_int())
                                     : static_cast<__int128>(value.as_uint());
}

std::optional<int> compare_numbers(const Value& left, const Value& right) {
  const bool left_real = left.is(Value::Kind::kDouble), right_real = right.is(Value::Kind::kDouble);
  if (left_real && right_real) {
    const double a = left.as_double(), b = right.as_double();
    if (std::isnan(a) || std::isnan(b)) return std::nullopt;
    return order(a, b);
  }
  if (right_real) return compare_with_double(left, right.as_double());
  if (left_real) {
    const auto reversed = compare_with_double(right, left.as_double());
    return reversed ? std::optional<int>(-*reversed) : std::nullopt;
  }
  return order(wide(left), wide(right));
}

bool same_elements(const Value& left, const Value& right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (!(left.at(i) == right.at(i))) return false;
  }
  return true;
}

// Elements of one in the other, whatever their order: lists that are sets, or maps by key.
bool same_set(const Value& left, const Value& right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    bool found = false;
    for (std::size_t j = 0; j < right.size() && !found; ++j) found = left.at(i) == right.at(j);
    if (!found) return false;
  }
  return true;
}

bool same_lists(const Value& left, const Value& right) {
  const SchemaNode* schema = left.schema() != nullptr ? left.schema() : right.schema();
  if (schema != nullptr && schema->list_type != SchemaNode::ListType::kAtomic) return same_set(left, right);
  return same_elements(left, right);
}

bool same_entries(const Value& left, const Value& right) {
  if (left.size() != right.size()) return false;
  bool same = true;
  left.for_each_key([&](const Value& key) {
    const Value other = right.find(key);
    same = !other.is_absent() && left.find(key) == other;
    return same;
  });
  return same;
}

}  // namespace

Value Value::string(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  const std::string_view view = *owner;
  return Value(Data(Text{view, std::move(owner)}));
}

Value Value::bytes(std::string bytes) {
  return Value(Data(Octets{std::make_shared<const std::string>(std::move(bytes))}));
}

Value Value::list(std::vector<Value> elements) {
  return list(std::shared_ptr<const List>(std::make_shared<VectorList>(std::move(elements))));
}

Value Value::map(std::vector<std::pair<Value, Value>> entries, std::string type_name) {
  return map(
      std::shared_ptr<const Map>(std::make_shared<VectorMap>(std::move(entries), std::move(type_name))));
}

Value Value::error(std::string message) {
  return Value(Data(Failure{std::make_shared<const std::string>(std::move(message))}));
}

Value Value::json_text(std::string_view text, const SchemaNode* schema) {
  const auto kind = schema != nullptr ? schema->type->kind : Type::Kind::kString;
  if (kind == Type::Kind::kTimestamp) {
    const auto time = parse_timestamp(text);
    return time ? of(*time) : error("invalid timestamp: " + std::string(text));
  }
  if (kind == Type::Kind::kDuration) {
    const auto duration = parse_duration(text);
    return duration ? of(*duration) : error("invalid duration: " + std::string(text));
  }
  if (kind == Type::Kind::kBytes) {
    auto decoded = base64_decode(text);
    return decoded ? bytes(std::move(*decoded)) : error("invalid base64");
  }
  return string_view(text);
}

Value Value::json(const api::Json& json, const SchemaNode* schema) {
  const bool real = schema != nullptr && schema->type->kind == Type::Kind::kDouble;
  switch (json.kind()) {
    case boost::json::kind::null:
      return null();
    case boost::json::kind::bool_:
      return of(json.get_bool());
    case boost::json::kind::int64:
      return real ? of(static_cast<double>(json.get_int64())) : of(json.get_int64());
    case boost::json::kind::uint64:
      // More than an int64 holds: JSON in Go reads it as a float.
      return of(static_cast<double>(json.get_uint64()));
    case boost::json::kind::double_:
      return of(json.get_double());
    case boost::json::kind::string:
      return json_text(json.get_string(), schema);
    case boost::json::kind::array:
      return Value(Data(JsonList{&json.get_array(), schema}));
    case boost::json::kind::object:
      return Value(Data(JsonMap{&json.get_object(), schema}));
  }
  return null();
}

Value::Kind Value::kind() const {
  static constexpr Kind kKinds[] = {
      Kind::kAbsent, Kind::kNull,  Kind::kBool,      Kind::kInt,      Kind::kUint, Kind::kDouble,
      Kind::kString, Kind::kBytes, Kind::kTimestamp, Kind::kDuration, Kind::kList, Kind::kMap,
      Kind::kList,   Kind::kMap,   Kind::kOpaque,    Kind::kOptional, Kind::kType, Kind::kError};
  return kKinds[data_.index()];
}

std::size_t Value::size() const {
  if (const auto* array = std::get_if<JsonList>(&data_)) return array->array->size();
  if (const auto* object = std::get_if<JsonMap>(&data_)) return object->object->size();
  if (const auto* list = std::get_if<std::shared_ptr<const List>>(&data_)) return (*list)->size();
  return std::get<std::shared_ptr<const Map>>(data_)->size();
}

Value Value::at(std::size_t index) const {
  if (const auto* array = std::get_if<JsonList>(&data_)) {
    return json((*array->array)[index], array->schema != nullptr ? array->schema->element.get() : nullptr);
  }
  return std::get<std::shared_ptr<const List>>(data_)->at(index);
}

Value Value::find(const Value& key) const {
  if (std::holds_alternative<JsonMap>(data_)) return key.is(Kind::kString) ? find(key.as_string()) : absent();
  return std::get<std::shared_ptr<const Map>>(data_)->find(key);
}

Value Value::find(std::string_view key) const {
  const auto* object = std::get_if<JsonMap>(&data_);
  if (object == nullptr) return find(string_view(key));
  const api::Json* found = object->object->if_contains(key);
  if (found == nullptr) return absent();
  const SchemaNode* inner = nullptr;
  if (object->schema != nullptr) {
    const auto property = object->schema->properties.find(key);
    inner =
        property != object->schema->properties.end() ? property->second.get() : object->schema->element.get();
  }
  return json(*found, inner);
}

void Value::for_each_key(const std::function<bool(const Value&)>& visit) const {
  if (const auto* object = std::get_if<JsonMap>(&data_)) {
    for (const auto& entry : *object->object) {
      if (!visit(string_view(entry.key()))) return;
    }
    return;
  }
  std::get<std::shared_ptr<const Map>>(data_)->for_each(visit);
}

std::string_view Value::type_name() const {
  const auto* map = std::get_if<std::shared_ptr<const Map>>(&data_);
  return map != nullptr ? (*map)->type_name() : std::string_view();
}

const SchemaNode* Value::schema() const {
  if (const auto* array = std::get_if<JsonList>(&data_)) return array->schema;
  if (const auto* object = std::get_if<JsonMap>(&data_)) return object->schema;
  return nullptr;
}

TypePtr Value::runtime_type() const {
  switch (kind()) {
    case Kind::kNull:
      return types::null();
    case Kind::kBool:
      return types::boolean();
    case Kind::kInt:
      return types::integer();
    case Kind::kUint:
      return types::uint();
    case Kind::kDouble:
      return types::real();
    case Kind::kString:
      return types::string();
    case Kind::kBytes:
      return types::bytes();
    case Kind::kTimestamp:
      return types::timestamp();
    case Kind::kDuration:
      return types::duration();
    case Kind::kList:
      return types::list(types::dyn());
    case Kind::kMap: {
      if (const auto name = type_name(); !name.empty()) return types::object(std::string(name));
      if (schema() != nullptr && schema()->type->kind == Type::Kind::kObject) return schema()->type;
      return types::map(types::dyn(), types::dyn());
    }
    case Kind::kOpaque:
      return as_opaque().type();
    case Kind::kOptional:
      return types::optional(types::dyn());
    case Kind::kType:
      return types::type_of(nullptr);
    case Kind::kAbsent:
    case Kind::kError:
      return types::error();
  }
  return types::error();
}

bool operator==(const Value& left, const Value& right) {
  const auto kind = left.kind();
  if (numeric(kind) && numeric(right.kind())) return compare_numbers(left, right) == 0;
  if (kind != right.kind()) return false;
  switch (kind) {
    case Value::Kind::kNull:
      return true;
    case Value::Kind::kBool:
      return left.as_bool() == right.as_bool();
    case Value::Kind::kString:
      return left.as_string() == right.as_string();
    case Value::Kind::kBytes:
      return left.as_bytes() == right.as_bytes();
    case Value::Kind::kTimestamp:
      return left.as_timestamp() == right.as_timestamp();
    case Value::Kind::kDuration:
      return left.as_duration() == right.as_duration();
    case Value::Kind::kList:
      return same_lists(left, right);
    case Value::Kind::kMap:
      return left.type_name() == right.type_name() && same_entries(left, right);
    case Value::Kind::kOpaque:
      return left.as_opaque().equals(right.as_opaque());
    case Value::Kind::kOptional: {
      const Value *a = left.as_optional(), *b = right.as_optional();
      return a == nullptr || b == nullptr ? a == b : *a == *b;
    }
    case Value::Kind::kType: {
      const Type &a = *left.as_type(), &b = *right.as_type();
      return a.kind == b.kind && a.name == b.name;
    }
    default:
      return false;
  }
}

std::optional<int> compare(const Value& left, const Value& right) {
  const auto kind = left.kind();
  if (numeric(kind) && numeric(right.kind())) return compare_numbers(left, right);
  if (kind != right.kind()) return std::nullopt;
  switch (kind) {
    case Value::Kind::kBool:
      return order(left.as_bool(), right.as_bool());
    case Value::Kind::kString:
      return order(left.as_string(), right.as_string());
    case Value::Kind::kBytes:
      return order(left.as_bytes(), right.as_bytes());
    case Value::Kind::kTimestamp:
      return order(left.as_timestamp(), right.as_timestamp());
    case Value::Kind::kDuration:
      return order(left.as_duration(), right.as_duration());
    default:
      return std::nullopt;
  }
}

}  // namespace mk::cel
