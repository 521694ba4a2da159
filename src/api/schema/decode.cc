#include <fmt/format.h>

#include <cmath>

#include "mk/api/quantity.h"
#include "mk/api/schema.h"
#include "mk/base/strings.h"
#include "schema/time_text.h"

namespace mk::api {
namespace {

// Where the decoder is: a chain on the stack, rendered only for messages.
struct Frame {
  const Frame* up = nullptr;
  const Type* owner = nullptr;  // of the field `name`; nullptr for map keys and list elements
  std::string_view name;
  std::int64_t index = -1;  // list element

  // "spec.containers[0].name"; or without indexes, as Go's decoder names a struct field.
  std::string path(bool indexes) const {
    std::string text = up ? up->path(indexes) : "";
    if (index >= 0) return indexes ? text + fmt::format("[{}]", index) : text;
    if (name.empty()) return text;
    return text.empty() ? std::string(name) : text + "." + std::string(name);
  }

  const Type* innermost_owner() const { return owner ? owner : up ? up->innermost_owner() : nullptr; }
};

std::string_view short_name(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

// The Go type that Kubernetes' decoder would name.
std::string go_type(const Type& type) {
  switch (type.kind) {
    case Type::Kind::kString:
      return type.format == "byte" ? "[]uint8" : "string";
    case Type::Kind::kInteger:
      return type.format.empty() ? "int64" : type.format;
    case Type::Kind::kNumber:
      return "float64";
    case Type::Kind::kBoolean:
      return "bool";
    case Type::Kind::kMap:
      return "map[string]" + go_type(*type.element);
    case Type::Kind::kArray:
      return "[]" + go_type(*type.element);
    default:
      break;
  }
  const std::string_view name = type.name;
  const auto last = name.rfind('.');
  if (last == std::string_view::npos || last == 0) return name.empty() ? "object" : std::string(name);
  const auto before = name.rfind('.', last - 1);
  return std::string(name.substr(before == std::string_view::npos ? 0 : before + 1));
}

std::string json_kind(const Json& value) {
  if (value.is_string()) return "string";
  if (value.is_bool()) return "bool";
  if (value.is_object()) return "object";
  return value.is_array() ? "array" : "number";
}

Error wrong_type(const Type& type, std::string_view what, const Frame& frame) {
  const auto* owner = frame.innermost_owner();
  if (!owner) {
    return Error(Reason::kBadRequest,
                 fmt::format("json: cannot unmarshal {} into Go value of type {}", what, go_type(type)));
  }
  return Error(Reason::kBadRequest,
               fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}", what,
                           short_name(owner->name), frame.path(false), go_type(type)));
}

// What null means where a value must stand (a list element, a map's value): Go's zero value.
Json zero_value(const Type& type) {
  switch (type.kind) {
    case Type::Kind::kObject:
      return JsonObject();
    case Type::Kind::kMap:
      return JsonObject();
    case Type::Kind::kArray:
      return JsonArray();
    case Type::Kind::kString:
      return "";
    case Type::Kind::kInteger:
    case Type::Kind::kNumber:
    case Type::Kind::kIntOrString:
      return 0;
    case Type::Kind::kBoolean:
      return false;
    case Type::Kind::kQuantity:
      return "0";
    case Type::Kind::kAny:
      return nullptr;
  }
  return nullptr;
}

class Decoder {
 public:
  explicit Decoder(FieldProblems& unknown) : unknown_(unknown) {}

  Result<void> decode(const Type& type, Json& value, const Frame& frame) {
    switch (type.kind) {
      case Type::Kind::kObject:
        return decode_object(type, value, frame);
      case Type::Kind::kMap:
        return decode_map(type, value, frame);
      case Type::Kind::kArray:
        return decode_array(type, value, frame);
      case Type::Kind::kString:
        return decode_string(type, value, frame);
      case Type::Kind::kInteger:
        return decode_integer(type, value, frame);
      case Type::Kind::kNumber:
        return value.is_number() ? ok() : wrong_type(type, json_kind(value), frame);
      case Type::Kind::kBoolean:
        return value.is_bool() ? ok() : wrong_type(type, json_kind(value), frame);
      case Type::Kind::kIntOrString:
        return decode_int_or_string(value, frame);
      case Type::Kind::kQuantity:
        return decode_quantity(value, frame);
      case Type::Kind::kAny:
        return ok();
    }
    return ok();
  }

 private:
  Result<void> decode_object(const Type& type, Json& value, const Frame& frame) {
    auto* fields = value.if_object();
    if (!fields) return wrong_type(type, json_kind(value), frame);
    for (auto at = fields->begin(); at != fields->end();) {
      const auto* field = type.field(at->key());
      if (!field && !type.preserve_unknown) {
        Frame unknown{&frame, &type, at->key()};
        unknown_.push_back(fmt::format("unknown field \"{}\"", unknown.path(true)));
      }
      const bool drop = field ? at->value().is_null() && !field->type->nullable : !type.preserve_unknown;
      if (drop) {
        at = erase_in_order(*fields, at);
        continue;
      }
      if (field && !at->value().is_null())
        MK_TRY(decode(*field->type, at->value(), Frame{&frame, &type, at->key()}));
      ++at;
    }
    return ok();
  }

  // Boost's erase moves the last field into the gap; objects keep the order they came in.
  static JsonObject::iterator erase_in_order(JsonObject& fields, JsonObject::iterator at) {
    return fields.stable_erase(at);
  }

  Result<void> decode_map(const Type& type, Json& value, const Frame& frame) {
    auto* fields = value.if_object();
    if (!fields) return wrong_type(type, json_kind(value), frame);
    for (auto& field : *fields) {
      if (field.value().is_null() && !type.element->nullable) field.value() = zero_value(*type.element);
      if (field.value().is_null()) continue;
      MK_TRY(decode(*type.element, field.value(), Frame{&frame, nullptr, field.key()}));
    }
    return ok();
  }

  Result<void> decode_array(const Type& type, Json& value, const Frame& frame) {
    auto* elements = value.if_array();
    if (!elements) return wrong_type(type, json_kind(value), frame);
    std::int64_t index = 0;
    for (auto& element : *elements) {
      if (element.is_null() && !type.element->nullable) element = zero_value(*type.element);
      if (!element.is_null()) MK_TRY(decode(*type.element, element, Frame{&frame, nullptr, {}, index}));
      ++index;
    }
    return ok();
  }

  static Result<void> decode_string(const Type& type, Json& value, const Frame& frame) {
    const auto* text = value.if_string();
    if (!text) return wrong_type(type, json_kind(value), frame);
    if (type.format == "byte" && !base64_decode(*text)) {
      return Error(Reason::kBadRequest, fmt::format("illegal base64 data in field \"{}\"", frame.path(true)));
    }
    // Only Kubernetes' own types: a CRD's date-time is a string that stays as it was written.
    if (type.format != "date-time" || type.name.empty()) return ok();
    const auto time = parse_time(*text);
    if (!time) {
      return Error(Reason::kBadRequest,
                   fmt::format("parsing time {} as \"2006-01-02T15:04:05Z07:00\": cannot parse field \"{}\"",
                               to_json(value), frame.path(true)));
    }
    value = type.name.ends_with(".MicroTime") ? micro_time_text(*time) : time_text(*time);
    return ok();
  }

  static Result<void> decode_integer(const Type& type, Json& value, const Frame& frame) {
    if (!value.is_number()) return wrong_type(type, json_kind(value), frame);
    const auto bad = [&] { return wrong_type(type, "number " + to_json(value), frame); };
    if (const auto* real = value.if_double()) {
      if (*real != std::trunc(*real) || std::abs(*real) >= 9.2e18) return bad();
      value = static_cast<std::int64_t>(*real);
    }
    if (const auto* large = value.if_uint64()) {  // parsed beyond int64, or set by code from an unsigned
      if (*large > INT64_MAX) return bad();
      value = static_cast<std::int64_t>(*large);
    }
    const auto number = value.get_int64();
    if (type.format == "int32" && (number > INT32_MAX || number < INT32_MIN)) return bad();
    return ok();
  }

  static Result<void> decode_int_or_string(Json& value, const Frame& frame) {
    if (value.is_string()) return ok();
    static const Type int32 = [] {
      Type type;
      type.kind = Type::Kind::kInteger;
      type.format = "int32";
      return type;
    }();
    return decode_integer(int32, value, frame);
  }

  // Kept in canonical form, as Kubernetes stores it; one mistake fails the whole decoding, as there.
  static Result<void> decode_quantity(Json& value, const Frame& frame) {
    if (!value.is_string() && !value.is_number()) {
      return Error(Reason::kBadRequest,
                   fmt::format("field \"{}\": a quantity is a string or a number, not {}", frame.path(true),
                               json_kind(value)));
    }
    const auto* text = value.if_string();
    auto quantity = Quantity::parse(text ? std::string(trim(*text)) : to_json(value));
    if (!quantity.ok()) return std::move(quantity).error();
    value = quantity->str();
    return ok();
  }

  FieldProblems& unknown_;
};

}  // namespace

Result<void> decode(const Type& type, Json& value, FieldProblems& unknown) {
  return Decoder(unknown).decode(type, value, Frame{});
}

}  // namespace mk::api
