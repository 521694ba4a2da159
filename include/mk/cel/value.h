#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mk/api/json.h"
#include "mk/cel/type.h"

namespace mk::cel {

struct SchemaNode;  // schema_types.h
class Value;

// 0001-01-01 to 9999-12-31, as seconds of the Unix epoch and 0..999,999,999 nanoseconds after them.
struct Timestamp {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
  auto operator<=>(const Timestamp&) const = default;
};

struct Duration {
  std::int64_t nanos = 0;
  auto operator<=>(const Duration&) const = default;
};

// Lists and maps that are not JSON: what expressions compute, and what callers compute lazily.
class List {
 public:
  virtual ~List() = default;
  virtual std::size_t size() const = 0;
  virtual Value at(std::size_t index) const = 0;
};

class Map {
 public:
  virtual ~Map() = default;
  virtual std::size_t size() const = 0;
  // Nothing (an absent Value, see Value::absent) where there is no such key; may be an error.
  virtual Value find(const Value& key) const = 0;
  // Keys in any order, until `visit` says false.
  virtual void for_each(const std::function<bool(const Value& key)>& visit) const = 0;
  // "" for maps; the type's name for what `Name{...}` made.
  virtual std::string_view type_name() const { return {}; }
};

// Values of library types: quantities, URLs, addresses, the authorizer.
class Opaque {
 public:
  virtual ~Opaque() = default;
  virtual const TypePtr& type() const = 0;
  virtual bool equals(const Opaque& other) const { return this == &other; }
};

// A value of CEL. Copies are cheap. Values over JSON are views: the JSON outlives them; sub-values are made
// when asked for. Errors are values, as the language wants it: they travel up until && or || absorbs them.
class Value {
 public:
  enum class Kind {
    kAbsent,
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kString,
    kBytes,
    kTimestamp,
    kDuration,
    kList,
    kMap,
    kOpaque,
    kOptional,
    kType,
    kError
  };

  Value() : data_(Absent()) {}
  static Value absent() { return Value(); }
  static Value null() { return Value(Data(Null())); }
  static Value of(bool value) { return Value(Data(value)); }
  static Value of(std::int64_t value) { return Value(Data(value)); }
  static Value of(std::uint64_t value) { return Value(Data(value)); }
  static Value of(double value) { return Value(Data(value)); }
  static Value of(Timestamp value) { return Value(Data(value)); }
  static Value of(Duration value) { return Value(Data(value)); }
  static Value integer(std::int64_t value) { return of(value); }
  static Value string(std::string text);
  static Value string_view(std::string_view text) { return Value(Data(Text{text, nullptr})); }  // a view
  static Value bytes(std::string bytes);
  static Value list(std::vector<Value> elements);
  static Value list(std::shared_ptr<const List> list) { return Value(Data(std::move(list))); }
  static Value map(std::vector<std::pair<Value, Value>> entries, std::string type_name = "");
  static Value map(std::shared_ptr<const Map> map) { return Value(Data(std::move(map))); }
  static Value opaque(std::shared_ptr<const Opaque> value) { return Value(Data(std::move(value))); }
  static Value optional(Value inside) {
    return Value(Data(Optional{std::make_shared<const Value>(std::move(inside))}));
  }
  static Value none() { return Value(Data(Optional())); }
  static Value type(TypePtr type) { return Value(Data(std::move(type))); }
  static Value error(std::string message);
  // A view of JSON. With a schema, its formats decide (date-time is a timestamp); without one, JSON's types
  // do.
  static Value json(const api::Json& json, const SchemaNode* schema = nullptr);
  static Value json(const api::JsonObject& object, const SchemaNode* schema = nullptr) {
    return Value(Data(JsonMap{&object, schema}));
  }

  Kind kind() const;
  bool is(Kind kind_) const { return kind() == kind_; }
  bool is_error() const { return is(Kind::kError); }
  bool is_absent() const { return is(Kind::kAbsent); }
  bool is_true() const { return is(Kind::kBool) && as_bool(); }
  bool is_false() const { return is(Kind::kBool) && !as_bool(); }

  // Each for its kind only.
  bool as_bool() const { return std::get<bool>(data_); }
  std::int64_t as_int() const { return std::get<std::int64_t>(data_); }
  std::uint64_t as_uint() const { return std::get<std::uint64_t>(data_); }
  double as_double() const { return std::get<double>(data_); }
  std::string_view as_string() const { return std::get<Text>(data_).view; }
  std::string_view as_bytes() const { return *std::get<Octets>(data_).bytes; }
  Timestamp as_timestamp() const { return std::get<Timestamp>(data_); }
  Duration as_duration() const { return std::get<Duration>(data_); }
  const Opaque& as_opaque() const { return *std::get<std::shared_ptr<const Opaque>>(data_); }
  const Value* as_optional() const { return std::get<Optional>(data_).inside.get(); }  // nullptr: none
  const TypePtr& as_type() const { return std::get<TypePtr>(data_); }
  const std::string& error_message() const { return *std::get<Failure>(data_).message; }

  // Lists and maps.
  std::size_t size() const;
  Value at(std::size_t index) const;
  Value find(const Value& key) const;  // absent where there is none
  Value find(std::string_view key) const;
  void for_each_key(const std::function<bool(const Value& key)>& visit) const;
  std::string_view type_name() const;  // of objects that an expression made
  const SchemaNode* schema() const;    // of views over JSON
  // The shared representation of a computed list, or map, nullptr for views over JSON.
  const std::shared_ptr<const List>* shared_list() const {
    return std::get_if<std::shared_ptr<const List>>(&data_);
  }
  const std::shared_ptr<const Map>* shared_map() const {
    return std::get_if<std::shared_ptr<const Map>>(&data_);
  }

  // What type(x) says.
  TypePtr runtime_type() const;
  // CEL's equality: of different kinds is false, numbers compare by value.
  friend bool operator==(const Value& left, const Value& right);

  // For messages and tests: CEL's own notation.
  std::string debug() const;

 private:
  struct Absent {};
  struct Null {};
  struct Text {
    std::string_view view;
    std::shared_ptr<const std::string> owner;
  };
  struct Octets {
    std::shared_ptr<const std::string> bytes;
  };
  struct Optional {
    std::shared_ptr<const Value> inside;
  };
  struct Failure {
    std::shared_ptr<const std::string> message;
  };
  struct JsonList {
    const api::JsonArray* array;
    const SchemaNode* schema;
  };
  struct JsonMap {
    const api::JsonObject* object;
    const SchemaNode* schema;
  };
  using Data =
      std::variant<Absent, Null, bool, std::int64_t, std::uint64_t, double, Text, Octets, Timestamp, Duration,
                   JsonList, JsonMap, std::shared_ptr<const List>, std::shared_ptr<const Map>,
                   std::shared_ptr<const Opaque>, Optional, TypePtr, Failure>;
  explicit Value(Data data) : data_(std::move(data)) {}
  static Value json_text(std::string_view text, const SchemaNode* schema);

  Data data_;
};

// < 0, 0, > 0; nothing for what has no order. Numbers of different types compare by value.
std::optional<int> compare(const Value& left, const Value& right);

// RFC 3339; nullopt when malformed or out of range.
std::optional<Timestamp> parse_timestamp(std::string_view text);
std::string format_timestamp(Timestamp time);
// "1h30m", "1.5s", "-2ms".
std::optional<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration duration);  // "5400s", "0.5s"

// The JSON of a value; an error for what JSON has not (opaque values, maps with keys that are no text).
Result<api::Json> to_json(const Value& value);

}  // namespace mk::cel
