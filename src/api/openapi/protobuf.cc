#include <cstring>

#include "openapi/document.h"

// The wire form of gnostic's openapi.v2.Document, made from the JSON document. Field numbers are its own.
namespace mk::api {
namespace {

class Message {
 public:
  void bytes(int field, std::string_view value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(value.size());
    out_ += value;
  }
  void text(int field, std::string_view value) {
    if (!value.empty()) bytes(field, value);  // proto3: the zero value is not written
  }
  void truth(int field, bool value) {
    if (value) number(field, 1);
  }
  void number(int field, std::int64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(static_cast<std::uint64_t>(value));
  }
  void real(int field, double value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 1);
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; ++i) out_ += static_cast<char>(bits >> (8 * i));
  }
  void message(int field, const Message& value) { bytes(field, value.out_); }
  void strings(int field, const JsonArray& values) {
    for (const auto& value : values) {
      if (const auto* string = value.if_string()) bytes(field, *string);
    }
  }
  std::string take() { return std::move(out_); }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }

  std::string out_;
};

Message named(std::string_view name, const Message& value) {
  Message out;
  out.text(1, name);
  out.message(2, value);
  return out;
}

// openapi.v2.Any: YAML text, of which JSON is a part.
Message any(const Json& value) {
  Message out;
  out.text(2, to_json(value));
  return out;
}

void vendor_extensions(Message& out, int field, const JsonObject& fields) {
  for (const auto& entry : fields) {
    if (std::string_view(entry.key()).starts_with("x-"))
      out.message(field, named(entry.key(), any(entry.value())));
  }
}

Message schema(const Json& node);

Message properties(const JsonObject& fields) {
  Message out;
  for (const auto& field : fields) out.message(1, named(field.key(), schema(field.value())));
  return out;
}

void schema_children(Message& out, const Json& node) {
  if (const auto* more = member(node, "additionalProperties")) {
    Message item;
    if (const auto* truth = more->if_bool())
      item.number(2, *truth ? 1 : 0);
    else
      item.message(1, schema(*more));
    out.message(21, item);
  }
  if (const auto* items = member(node, "items")) {
    Message item;
    item.message(1, schema(*items));
    out.message(23, item);
  }
  for (const auto& part : list(node, "allOf")) out.message(24, schema(part));
  if (const auto& fields = object(node, "properties"); !fields.empty()) out.message(25, properties(fields));
}

double as_double(const Json& number) {
  if (const auto* real = number.if_double()) return *real;
  if (const auto* large = number.if_uint64()) return static_cast<double>(*large);
  return number.is_int64() ? static_cast<double>(number.get_int64()) : 0;
}

// The numeric and boolean limits of a schema.
void schema_limits(Message& out, const Json& node) {
  struct Field {
    std::string_view name;
    int number;
  };
  static constexpr Field kReals[] = {{"multipleOf", 6}, {"maximum", 7}, {"minimum", 9}};
  static constexpr Field kIntegers[] = {{"maxLength", 11}, {"minLength", 12},     {"maxItems", 14},
                                        {"minItems", 15},  {"maxProperties", 17}, {"minProperties", 18}};
  static constexpr Field kTruths[] = {{"exclusiveMaximum", 8}, {"exclusiveMinimum", 10}, {"uniqueItems", 16}};
  for (const auto& field : kReals) {
    if (const auto* value = member(node, field.name)) out.real(field.number, as_double(*value));
  }
  for (const auto& field : kIntegers) {
    if (member(node, field.name)) out.number(field.number, num(node, field.name));
  }
  for (const auto& field : kTruths) out.truth(field.number, flag(node, field.name));
}

Message schema(const Json& node) {
  Message out;
  const auto* fields = node.if_object();
  if (!fields) return out;
  out.text(1, str(node, "$ref"));
  out.text(2, str(node, "format"));
  out.text(3, str(node, "title"));
  out.text(4, str(node, "description"));
  if (const auto* value = member(node, "default")) out.message(5, any(*value));
  schema_limits(out, node);
  out.text(13, str(node, "pattern"));
  out.strings(19, list(node, "required"));
  for (const auto& value : list(node, "enum")) out.message(20, any(value));
  if (const auto type = str(node, "type"); !type.empty()) {
    Message item;
    item.text(1, type);
    out.message(22, item);
  }
  schema_children(out, node);
  if (const auto* value = member(node, "example")) out.message(30, any(*value));
  vendor_extensions(out, 31, *fields);
  return out;
}

Message parameter(const Json& node) {
  const auto in = str(node, "in");
  Message value, wrapped, item;
  if (in == "body") {
    value.text(2, str(node, "name"));
    value.text(3, in);
    value.truth(4, flag(node, "required"));
    if (const auto* body = member(node, "schema")) value.message(5, schema(*body));
    wrapped.message(1, value);
  } else {
    // Query parameters have one field more (allow_empty_value) before their type.
    const bool query = in == "query";
    value.truth(1, flag(node, "required"));
    value.text(2, in);
    value.text(4, str(node, "name"));
    value.text(query ? 6 : 5, str(node, "type"));
    value.truth(query ? 20 : 19, flag(node, "uniqueItems"));
    Message non_body;
    non_body.message(query ? 3 : 4, value);
    wrapped.message(2, non_body);
  }
  item.message(1, wrapped);
  return item;
}

Message response(const Json& node) {
  Message value, wrapped;
  value.text(1, str(node, "description"));
  if (const auto* body = member(node, "schema")) {
    Message item;
    item.message(1, schema(*body));
    value.message(2, item);
  }
  wrapped.message(1, value);
  return wrapped;
}

Message operation(const Json& node) {
  Message out;
  out.strings(1, list(node, "tags"));
  out.text(3, str(node, "description"));
  out.text(5, str(node, "operationId"));
  out.strings(6, list(node, "produces"));
  out.strings(7, list(node, "consumes"));
  for (const auto& one : list(node, "parameters")) out.message(8, parameter(one));
  Message responses;
  for (const auto& code : object(node, "responses"))
    responses.message(1, named(code.key(), response(code.value())));
  out.message(9, responses);
  if (const auto* fields = node.if_object()) vendor_extensions(out, 13, *fields);
  return out;
}

Message path_item(const Json& node) {
  struct Method {
    std::string_view name;
    int field;
  };
  static constexpr Method kMethods[] = {{"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
  Message out;
  for (const auto& method : kMethods) {
    if (const auto* one = member(node, method.name)) out.message(method.field, operation(*one));
  }
  return out;
}

Message security_definitions(const JsonObject& definitions) {
  Message out;
  for (const auto& entry : definitions) {
    Message key, item;
    key.text(1, str(entry.value(), "type"));
    key.text(2, str(entry.value(), "name"));
    key.text(3, str(entry.value(), "in"));
    item.message(2, key);
    out.message(1, named(entry.key(), item));
  }
  return out;
}

}  // namespace

std::string encode_openapi_v2(const Json& document) {
  Message out, info, paths;
  out.text(1, str(document, "swagger"));
  info.text(1, str(document, "info.title"));
  info.text(2, str(document, "info.version"));
  out.message(2, info);
  for (const auto& path : object(document, "paths"))
    paths.message(2, named(path.key(), path_item(path.value())));
  out.message(8, paths);
  out.message(9, properties(object(document, "definitions")));
  out.message(13, security_definitions(object(document, "securityDefinitions")));
  return out.take();
}

}  // namespace mk::api
