#include <fmt/format.h>

#include <cmath>

#include "mk/api/protobuf.h"
#include "mk/base/strings.h"
#include "protobuf/duration.h"
#include "protobuf/tables.h"
#include "protobuf/wire.h"
#include "schema/time_text.h"

namespace mk::api {
namespace protobuf {
namespace {

constexpr int kJsonDepthMax = 1000;  // what the parser lets in

std::optional<std::int64_t> integer(const Json& value) {
  if (const auto* number = value.if_int64()) return *number;
  if (const auto* number = value.if_uint64()) return static_cast<std::int64_t>(*number);
  const auto* real = value.if_double();
  if (real && *real == std::trunc(*real) && std::abs(*real) < 9.2e18) return static_cast<std::int64_t>(*real);
  return std::nullopt;
}

// Functions return false after setting error_.
class Encoder {
 public:
  bool message(const Message& type, const JsonObject& object, int depth = 0) {
    if (depth > kJsonDepthMax) return fail("the object is nested too deeply");
    for (const Field& field : type.fields) {
      if (field.inlined) {
        if (!inlined(field, object, depth)) return false;
        continue;
      }
      const Json* value = object.if_contains(field.name);
      if (value && !value->is_null() && !this->field(field, *value, depth)) return false;
    }
    return true;
  }

  // One field with a message as its value, written whole: for lists that are sent in pieces.
  bool embedded(const Field& field, const Json& value) { return element(field, field.number, value, 0); }

  Error take_error() { return std::move(error_); }
  std::string take() { return out_.take(); }

 private:
  bool fail(std::string what) {
    error_ = Error(Reason::kInternalError, "protobuf: " + std::move(what));
    return false;
  }
  bool mismatch(const Field& field) {
    return fail(fmt::format("field {} has a value of another type", field.name));
  }

  // Fields of an inlined message stand in `object`; without any of them the message is not written at all.
  bool inlined(const Field& field, const JsonObject& object, int depth) {
    const auto before = out_.size();
    const auto begun = out_.begin(field.number);
    if (!message(*field.message, object, depth + 1)) return false;
    if (out_.size() == begun) {
      out_.cut(before);
    } else {
      out_.end(begun);
    }
    return true;
  }

  bool field(const Field& field, const Json& value, int depth) {
    if (field.label == Label::kOptional) return element(field, field.number, value, depth);
    if (field.label == Label::kRepeated) {
      const auto* elements = value.if_array();
      if (!elements) return mismatch(field);
      for (const auto& one : *elements) {
        if (!element(field, field.number, one, depth)) return false;
      }
      return true;
    }
    const auto* entries = value.if_object();
    if (!entries) return mismatch(field);
    for (const auto& entry : *entries) {
      const auto begun = out_.begin(field.number);
      out_.bytes(1, entry.key());
      if (!element(field, 2, entry.value(), depth)) return false;
      out_.end(begun);
    }
    return true;
  }

  bool element(const Field& field, std::uint32_t number, const Json& value, int depth) {
    switch (field.scalar) {
      case Scalar::kMessage: {
        const auto begun = out_.begin(number);
        if (!message_value(field, *field.message, value, depth + 1)) return false;
        out_.end(begun);
        return true;
      }
      case Scalar::kString: {
        const auto* text = value.if_string();
        if (!text) return mismatch(field);
        return out_.bytes(number, *text), true;
      }
      case Scalar::kBytes: {
        const auto* text = value.if_string();
        const auto bytes = text ? base64_decode(*text) : std::nullopt;
        if (!bytes) return mismatch(field);
        return out_.bytes(number, *bytes), true;
      }
      case Scalar::kBool: {
        const auto* truth = value.if_bool();
        if (!truth) return mismatch(field);
        return out_.number(number, *truth ? 1 : 0), true;
      }
      case Scalar::kDouble: {
        if (!value.is_number()) return mismatch(field);
        return out_.real(number, value.is_double() ? value.get_double()
                                                   : static_cast<double>(integer(value).value_or(0))),
               true;
      }
      case Scalar::kInt32:
      case Scalar::kInt64:
        break;
    }
    const auto whole = integer(value);
    if (!whole || (field.scalar == Scalar::kInt32 && (*whole > INT32_MAX || *whole < INT32_MIN)))
      return mismatch(field);
    return out_.number(number, *whole), true;
  }

  bool message_value(const Field& field, const Message& type, const Json& value, int depth) {
    switch (type.form) {
      case Form::kPlain: {
        if (value.is_null()) return true;
        const auto* object = value.if_object();
        return object ? message(type, *object, depth) : mismatch(field);
      }
      case Form::kTime:
      case Form::kMicroTime:
        return time(field, type.form, value);
      case Form::kDuration: {
        const auto* text = value.if_string();
        const auto nanos = text ? parse_duration(*text) : std::nullopt;
        if (!nanos) return mismatch(field);
        return out_.number(1, *nanos), true;
      }
      case Form::kQuantity: {
        const auto* text = value.if_string();
        if (!text && !value.is_number()) return mismatch(field);
        return out_.bytes(1, text ? std::string(*text) : to_json(value)), true;
      }
      case Form::kIntOrString:
        return int_or_string(field, value);
      case Form::kRaw:
        return out_.bytes(1, to_json(value)), true;
      case Form::kItems:
        return items(field, value);
      case Form::kSchemaOrArray:
        return schema_or(type, value, "jSONSchemas", value.is_array(), depth);
      case Form::kSchemaOrStrings:
        return schema_or(type, value, "property", value.is_array(), depth);
      case Form::kSchemaOrBool:
        if (!value.is_bool()) out_.number(1, 1);  // a schema allows what it describes
        return schema_or(type, value, "allows", value.is_bool(), depth);
    }
    return false;
  }

  bool time(const Field& field, Form form, const Json& value) {
    if (value.is_null()) return true;
    const auto* text = value.if_string();
    const auto point = text ? parse_time(*text) : std::nullopt;
    if (!point) return mismatch(field);
    out_.number(1, point->seconds);
    out_.number(2, form == Form::kMicroTime ? point->micros * 1000 : 0);
    return true;
  }

  bool int_or_string(const Field& field, const Json& value) {
    const auto* text = value.if_string();
    const auto number = text ? std::optional<std::int64_t>(0) : integer(value);
    if (!number) return mismatch(field);
    out_.number(1, text ? 1 : 0);
    out_.number(2, *number);
    out_.bytes(3, text ? std::string_view(*text) : std::string_view());
    return true;
  }

  bool items(const Field& field, const Json& value) {
    const auto* elements = value.if_array();
    if (!elements) return mismatch(field);
    for (const auto& one : *elements) {
      const auto* text = one.if_string();
      if (!text) return mismatch(field);
      out_.bytes(1, *text);
    }
    return true;
  }

  bool schema_or(const Message& type, const Json& value, std::string_view other, bool is_other, int depth) {
    const std::string_view wanted = is_other ? other : std::string_view("schema");
    for (const Field& one : type.fields) {
      if (one.name == wanted) return field(one, value, depth);
    }
    return fail(fmt::format("{} has no field {}", type.name, wanted));
  }

  WireWriter out_;
  Error error_{Reason::kUnknown, ""};
};

Error no_message(const Gvk& kind) {
  return Error(Reason::kInternalError,
               fmt::format("kind \"{}\" of {} has no protobuf form", kind.kind, kind.api_version()));
}

// Everything of the envelope that comes before the message's bytes.
std::string envelope_head(const Gvk& kind, std::size_t raw_size) {
  WireWriter out;
  const auto meta = out.begin(unknown::kTypeMeta);
  out.bytes(unknown::kApiVersion, kind.api_version());
  out.bytes(unknown::kKind, kind.kind);
  out.end(meta);
  out.tag(unknown::kRaw, kBytes);
  out.varint(raw_size);
  return std::string(kMagic) + out.take();
}

// And what comes after them: Kubernetes writes both fields, empty.
std::string envelope_tail() {
  WireWriter out;
  out.bytes(unknown::kContentEncoding, "");
  out.bytes(unknown::kContentType, "");
  return out.take();
}

const Field* field_named(const Message& message, std::string_view name) {
  for (const Field& field : message.fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

Result<std::string> encode_field(const Field& field, const Json& value) {
  Encoder encoder;
  if (!encoder.embedded(field, value)) return encoder.take_error();
  return encoder.take();
}

}  // namespace
}  // namespace protobuf

bool has_protobuf(const Gvk& kind) {
  const auto* type = protobuf::find_message(kind);
  return type && type->form == protobuf::Form::kPlain;
}

Result<std::string> encode_protobuf(const Json& object) {
  const Gvk kind = parse_gvk(str(object, "apiVersion"), str(object, "kind"));
  const auto* type = protobuf::find_message(kind);
  if (!type || !object.is_object()) return protobuf::no_message(kind);
  protobuf::Encoder encoder;
  if (!encoder.message(*type, object.get_object())) return encoder.take_error();
  const std::string raw = encoder.take();
  std::string out = protobuf::envelope_head(kind, raw.size());
  return out.append(raw).append(protobuf::envelope_tail());
}

Result<ProtobufList> ProtobufList::begin(const Gvk& list_kind, const Json& metadata) {
  const auto* type = protobuf::find_message(list_kind);
  const auto* head_field = type ? protobuf::field_named(*type, "metadata") : nullptr;
  const auto* item_field = type ? protobuf::field_named(*type, "items") : nullptr;
  if (!head_field || !item_field || !item_field->message) return protobuf::no_message(list_kind);
  MK_ASSIGN(std::string head, protobuf::encode_field(*head_field, metadata));
  ProtobufList list(list_kind);
  list.item_field_ = item_field;
  list.size_ = head.size();
  list.pieces_.resize(1);  // the envelope's head, when the size is known
  list.pieces_.emplace_back(std::move(head));
  return list;
}

Result<void> ProtobufList::add(const Json& item) {
  MK_ASSIGN(std::string piece,
            protobuf::encode_field(*static_cast<const protobuf::Field*>(item_field_), item));
  size_ += piece.size();
  pieces_.emplace_back(std::move(piece));
  return ok();
}

std::vector<SharedBytes> ProtobufList::finish() {
  pieces_.front() = SharedBytes(protobuf::envelope_head(kind_, size_));
  pieces_.emplace_back(protobuf::envelope_tail());
  return std::move(pieces_);
}

Result<std::string> encode_protobuf_watch_frame(std::string_view type, const Json& object) {
  MK_ASSIGN(const std::string embedded, encode_protobuf(object));
  protobuf::WireWriter event;
  event.bytes(protobuf::watch_event::kType, type);
  const auto begun = event.begin(protobuf::watch_event::kObject);
  event.bytes(protobuf::watch_event::kObjectRaw, embedded);
  event.end(begun);
  const std::string message = event.take();
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(message.size() >> shift));
  return out.append(message);
}

}  // namespace mk::api
