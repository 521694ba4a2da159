#include <fmt/format.h>

#include "mk/api/protobuf.h"
#include "mk/api/quantity.h"
#include "mk/base/strings.h"
#include "protobuf/duration.h"
#include "protobuf/tables.h"
#include "protobuf/utf8.h"
#include "protobuf/wire.h"
#include "schema/time_text.h"

namespace mk::api {
namespace protobuf {
namespace {

Error malformed(std::string_view what) {
  return Error(Reason::kBadRequest, fmt::format("proto: {}", what));
}

// A message of at most three scalar fields, read without a table.
struct Small {
  std::uint64_t number[4] = {};
  std::string_view text[4] = {"", "", "", ""};  // never null: Boost.JSON copies from an empty text too

  bool read(std::string_view bytes) {
    WireReader in(bytes);
    while (!in.done()) {
      std::uint64_t field = 0;
      unsigned wire = 0;
      if (!in.tag(field, wire)) return false;
      const bool known = field < 4 && (wire == kVarint || wire == kBytes);
      if (known ? !(wire == kVarint ? in.varint(number[field]) : in.bytes(text[field])) : !in.skip(wire))
        return false;
    }
    return true;
  }
};

Result<Json> decode_envelope(std::string_view body, int depth);

// Functions return false after setting error_: a Result for each of thousands of fields would cost more.
class Decoder {
 public:
  // Adds the message's fields to `out`; what is there already is merged with, as protobuf wants it.
  bool message(const Message& message, std::string_view bytes, JsonObject& out, int depth) {
    if (depth > kDepthMax) return fail("messages are nested too deeply");
    WireReader in(bytes);
    while (!in.done()) {
      std::uint64_t number = 0;
      unsigned wire = 0;
      if (!in.tag(number, wire)) return broken(message);
      const Field* known = message.by_number(number);
      if (!known) {
        if (!in.skip(wire)) return broken(message);
        continue;
      }
      if (!field(message, *known, wire, in, out, depth)) return false;
    }
    return true;
  }

  Error take_error() { return std::move(error_); }

 private:
  bool fail(std::string_view what) {
    error_ = malformed(what);
    return false;
  }
  bool broken(const Message& message) {
    return fail(fmt::format("{}: truncated or malformed field", message.name));
  }

  bool field(const Message& owner, const Field& field, unsigned wire, WireReader& in, JsonObject& out,
             int depth) {
    if (field.label == Label::kMap) return map_entry(owner, field, wire, in, out, depth);
    if (field.label == Label::kRepeated) return repeated(owner, field, wire, in, out, depth);
    if (field.scalar != Scalar::kMessage) return optional_scalar(owner, field, wire, in, out);
    std::string_view bytes;
    if (!length_delimited(owner, field, wire, in, bytes)) return false;
    if (field.inlined) return message(*field.message, bytes, out, depth + 1);
    if (field.message->form != Form::kPlain) {
      Json value;
      if (!special(*field.message, bytes, value, depth + 1)) return false;
      if (value.is_null()) {
        out.erase(field.name);
      } else {
        out[field.name] = std::move(value);
      }
      return true;
    }
    Json& slot = out[field.name];
    if (!slot.is_object()) slot.emplace_object();
    return message(*field.message, bytes, slot.get_object(), depth + 1);
  }

  bool length_delimited(const Message& owner, const Field& field, unsigned wire, WireReader& in,
                        std::string_view& bytes) {
    if (wire != kBytes) return wrong_wire(owner, field, wire);
    return in.bytes(bytes) || broken(owner);
  }

  bool wrong_wire(const Message& owner, const Field& field, unsigned wire) {
    return fail(fmt::format("wrong wireType = {} for field {} of {}", wire, field.name, owner.name));
  }

  static bool is_zero(const Json& value) {
    if (const auto* text = value.if_string()) return text->empty();
    if (const auto* number = value.if_int64()) return *number == 0;
    if (const auto* real = value.if_double()) return *real == 0;
    const auto* truth = value.if_bool();
    return truth && !*truth;
  }

  bool optional_scalar(const Message& owner, const Field& field, unsigned wire, WireReader& in,
                       JsonObject& out) {
    Json value;
    if (!scalar(owner, field, wire, in, value)) return false;
    if (!field.presence && !field.zero_shown && is_zero(value)) {
      out.erase(field.name);
    } else {
      out[field.name] = std::move(value);
    }
    return true;
  }

  bool repeated(const Message& owner, const Field& field, unsigned wire, WireReader& in, JsonObject& out,
                int depth) {
    Json& slot = out[field.name];
    if (!slot.is_array()) slot.emplace_array();
    JsonArray& elements = slot.get_array();
    const bool text = field.scalar == Scalar::kString || field.scalar == Scalar::kBytes;
    if (wire != kBytes || text || field.scalar == Scalar::kMessage) {
      Json value;
      if (!element(owner, field, wire, in, value, depth)) return false;
      elements.push_back(std::move(value));
      return true;
    }
    std::string_view bytes;
    if (!in.bytes(bytes)) return broken(owner);
    const unsigned packed_wire = field.scalar == Scalar::kDouble ? kFixed64 : kVarint;
    for (WireReader packed(bytes); !packed.done();) {
      Json value;
      if (!scalar(owner, field, packed_wire, packed, value)) return false;
      elements.push_back(std::move(value));
    }
    return true;
  }

  bool map_entry(const Message& owner, const Field& field, unsigned wire, WireReader& in, JsonObject& out,
                 int depth) {
    std::string_view bytes, key = "";
    if (!length_delimited(owner, field, wire, in, bytes)) return false;
    Json value;
    bool have_value = false;
    for (WireReader entry(bytes); !entry.done();) {
      std::uint64_t number = 0;
      unsigned entry_wire = 0;
      if (!entry.tag(number, entry_wire)) return broken(owner);
      if (number == 1) {
        if (!length_delimited(owner, field, entry_wire, entry, key)) return false;
        if (!valid_utf8(key)) return fail(fmt::format("a key of {} is no valid UTF-8", field.name));
      } else if (number == 2) {
        if (!element(owner, field, entry_wire, entry, value, depth)) return false;
        have_value = true;
      } else if (!entry.skip(entry_wire)) {
        return broken(owner);
      }
    }
    if (!have_value && !absent_value(field, value, depth)) return false;
    Json& slot = out[field.name];
    if (!slot.is_object()) slot.emplace_object();
    slot.get_object()[key] = std::move(value);
    return true;
  }

  // The value of a map's entry that has none: the type's zero.
  bool absent_value(const Field& field, Json& out, int depth) {
    if (field.scalar == Scalar::kMessage) return message_value(*field.message, {}, out, depth + 1);
    if (field.scalar == Scalar::kBool) {
      out = false;
    } else if (field.scalar == Scalar::kString || field.scalar == Scalar::kBytes) {
      out = "";
    } else {
      out = 0;
    }
    return true;
  }

  bool element(const Message& owner, const Field& field, unsigned wire, WireReader& in, Json& out,
               int depth) {
    if (field.scalar != Scalar::kMessage) return scalar(owner, field, wire, in, out);
    std::string_view bytes;
    return length_delimited(owner, field, wire, in, bytes) &&
           message_value(*field.message, bytes, out, depth + 1);
  }

  bool message_value(const Message& type, std::string_view bytes, Json& out, int depth) {
    if (type.form != Form::kPlain) return special(type, bytes, out, depth);
    out.emplace_object();
    return message(type, bytes, out.get_object(), depth);
  }

  bool scalar(const Message& owner, const Field& field, unsigned wire, WireReader& in, Json& out) {
    std::uint64_t number = 0;
    std::string_view bytes;
    switch (field.scalar) {
      case Scalar::kString:
        if (!length_delimited(owner, field, wire, in, bytes)) return false;
        if (!valid_utf8(bytes))
          return fail(fmt::format("field {} of {} is no valid UTF-8", field.name, owner.name));
        out = text(bytes);
        return true;
      case Scalar::kBytes:
        if (!length_delimited(owner, field, wire, in, bytes)) return false;
        out = text(base64_encode(bytes));
        return true;
      case Scalar::kDouble: {
        if (wire != kFixed64) return wrong_wire(owner, field, wire);
        if (!in.fixed64(number)) return broken(owner);
        double real = 0;
        std::memcpy(&real, &number, sizeof real);
        if (real - real != 0)
          return fail(fmt::format("field {} of {} is not a finite number", field.name, owner.name));
        out = real;
        return true;
      }
      default:
        break;
    }
    if (wire != kVarint) return wrong_wire(owner, field, wire);
    if (!in.varint(number)) return broken(owner);
    if (field.scalar == Scalar::kBool) {
      out = number != 0;
    } else if (field.scalar == Scalar::kInt32) {
      out = static_cast<std::int32_t>(number);
    } else {
      out = static_cast<std::int64_t>(number);
    }
    return true;
  }

  // Leaves null where the message stands for "nothing" (an empty Time).
  bool special(const Message& type, std::string_view bytes, Json& out, int depth) {
    if (depth > kDepthMax) return fail("messages are nested too deeply");
    switch (type.form) {
      case Form::kSchemaOrArray:
        return schema_or(type, bytes, "jSONSchemas", out, depth);
      case Form::kSchemaOrBool:
        return schema_or(type, bytes, "allows", out, depth);
      case Form::kSchemaOrStrings:
        return schema_or(type, bytes, "property", out, depth);
      case Form::kItems: {
        JsonObject fields;
        if (!message(type, bytes, fields, depth)) return false;
        const auto* items = fields.if_contains("items");
        out = items ? *items : Json(JsonArray());
        return true;
      }
      default:
        break;
    }
    Small small;
    if (!small.read(bytes)) return broken(type);
    switch (type.form) {
      case Form::kTime:
      case Form::kMicroTime:
        return time(type, bytes, small, out);
      case Form::kDuration:
        return out = text(duration_text(static_cast<std::int64_t>(small.number[1]))), true;
      case Form::kQuantity:
        return quantity(small.text[1], out);
      case Form::kIntOrString:
        return int_or_string(small, out);
      default:
        return raw(small.text[1], out, depth);
    }
  }

  bool time(const Message& type, std::string_view bytes, const Small& small, Json& out) {
    if (bytes.empty()) return true;  // Go's zero time
    const auto seconds = static_cast<std::int64_t>(small.number[1]);
    const auto nanos = static_cast<std::int32_t>(small.number[2]);
    constexpr std::int64_t kYear1 = -62135596800, kYear10000 = 253402300800;
    if (seconds < kYear1 || seconds >= kYear10000 || nanos < 0 || nanos > 999'999'999)
      return fail("a time is outside of years 1 to 9999");
    const TimePoint point{seconds, nanos / 1000};
    out = text(type.form == Form::kTime ? time_text(point) : micro_time_text(point));
    return true;
  }

  bool quantity(std::string_view digits, Json& out) {
    if (digits.empty()) return out = "0", true;
    auto parsed = Quantity::parse(digits);
    if (!parsed.ok()) {
      error_ = std::move(parsed).error();
      return false;
    }
    out = text(parsed->str());
    return true;
  }

  bool int_or_string(const Small& small, Json& out) {
    if (small.number[1] == 0) return out = static_cast<std::int32_t>(small.number[2]), true;
    if (!valid_utf8(small.text[3])) return fail("an IntOrString is no valid UTF-8");
    out = text(small.text[3]);
    return true;
  }

  bool raw(std::string_view bytes, Json& out, int depth) {
    if (bytes.empty()) return true;
    auto parsed =
        bytes.starts_with(kMagic) ? decode_envelope(bytes, depth + 1) : parse_json(bytes, kRawDepthMax);
    if (!parsed.ok()) {
      error_ = std::move(parsed).error();
      return false;
    }
    out = std::move(parsed).value();
    return true;
  }

  // A schema or something else ("allows" of a bool, where the schema goes first; a list elsewhere).
  bool schema_or(const Message& type, std::string_view bytes, std::string_view other, Json& out, int depth) {
    JsonObject fields;
    if (!message(type, bytes, fields, depth)) return false;
    auto* schema = fields.if_contains("schema");
    auto* alternative = fields.if_contains(other);
    const bool is_bool = type.form == Form::kSchemaOrBool;
    auto* chosen = alternative && !(is_bool && schema) ? alternative : schema;
    if (chosen) {
      out = std::move(*chosen);
    } else if (is_bool) {
      out = false;
    }
    return true;
  }

  Error error_{Reason::kUnknown, ""};
};

struct Envelope {
  std::string_view api_version = "", kind = "", raw = "", encoding = "", content_type = "";
};

Result<Envelope> open_envelope(std::string_view body) {
  if (!body.starts_with(kMagic))
    return malformed(
        "the body does not start with \"k8s\\0\": send runtime.Unknown behind this prefix, or JSON with "
        "Content-Type application/json");
  Envelope out;
  WireReader in(body.substr(kMagic.size()));
  while (!in.done()) {
    std::uint64_t number = 0;
    unsigned wire = 0;
    if (!in.tag(number, wire)) return malformed("truncated or malformed runtime.Unknown");
    std::string_view bytes;
    const bool known = number <= unknown::kContentType;
    if (known && wire != kBytes)
      return malformed(fmt::format("wrong wireType = {} in runtime.Unknown", wire));
    if (known ? !in.bytes(bytes) : !in.skip(wire)) return malformed("truncated or malformed runtime.Unknown");
    if (number == unknown::kRaw) out.raw = bytes;
    if (number == unknown::kContentEncoding) out.encoding = bytes;
    if (number == unknown::kContentType) out.content_type = bytes;
    if (number != unknown::kTypeMeta) continue;
    Small meta;
    if (!meta.read(bytes)) return malformed("truncated or malformed runtime.TypeMeta");
    out.api_version = meta.text[unknown::kApiVersion];
    out.kind = meta.text[unknown::kKind];
  }
  if (!valid_utf8(out.api_version) || !valid_utf8(out.kind))
    return malformed("runtime.TypeMeta is no valid UTF-8");
  if (!out.encoding.empty()) return malformed("contentEncoding must be empty: send the object uncompressed");
  return out;
}

Result<Json> decode_envelope(std::string_view body, int depth) {
  MK_ASSIGN(const Envelope envelope, open_envelope(body));
  if (envelope.content_type == "application/json") return parse_json(envelope.raw, kRawDepthMax);
  if (!envelope.content_type.empty() && envelope.content_type != kProtobufMediaType)
    return malformed("contentType must be empty, application/json or application/vnd.kubernetes.protobuf");
  if (envelope.kind.empty())
    return Error(Reason::kBadRequest, "Object 'Kind' is missing in the protobuf envelope");
  const auto* type = find_message(parse_gvk(envelope.api_version, envelope.kind));
  if (!type || type->form != Form::kPlain)
    return Error(
        Reason::kBadRequest,
        fmt::format(
            "no kind \"{}\" is registered for version \"{}\" in protobuf; send it as application/json",
            envelope.kind, envelope.api_version));
  Json out = JsonObject{{"kind", text(envelope.kind)}, {"apiVersion", text(envelope.api_version)}};
  Decoder decoder;
  if (!decoder.message(*type, envelope.raw, out.get_object(), depth)) return decoder.take_error();
  return out;
}

}  // namespace
}  // namespace protobuf

Result<Json> decode_protobuf(std::string_view body) {
  return protobuf::decode_envelope(body, 0);
}

}  // namespace mk::api
